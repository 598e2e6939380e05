"""What a reader missed and what comes, in whatever order both arrive: each event once, in the broker's order.

The broker here is a list in memory: what is under test is how a stream's two sources meet.
"""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from unittest.mock import patch

import pytest
import structlog
from crm.customer.v1 import events_pb2
from crm.event.v1 import event_pb2
from crm_gateway.streams import catching_up, inbox
from crm_gateway.streams import follower as follower_module
from crm_gateway.streams.catching_up import CatchingUp, TooOldError
from crm_gateway.streams.endings import Identity
from crm_gateway.streams.feed import Feed, LostError, Passed
from crm_gateway.streams.follower import Follower
from crm_gateway.streams.inbox import BehindError, Inbox, Reset
from crm_gateway.streams.places import BEGINNING, Place, goes_on, place_behind
from crm_gateway.streams.told import Told
from crm_kit.events.outbox import TYPE_URL
from crm_kit.events.subjects import subject_of, subjects_of_tenant
from crm_kit.ids import new_id
from crm_kit.thin_events.model import EventType
from crm_kit.thin_events.types import EventTypes
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

NAME = events_pb2.AccountCreated.DESCRIPTOR.full_name
TYPES = EventTypes({NAME: EventType("account.created", "accounts", "customer", "")}, {})
MINE, OTHER = str(new_id()), str(new_id())


def passed(sequence: int, tenant_id: str, name: str = NAME, value: bytes = b"") -> Passed:
    """The message of an event, mostly of an account, whose version is its place."""
    payload = any_pb2.Any(type_url=TYPE_URL + name, value=value)
    event = event_pb2.Event(tenant_id=tenant_id, aggregate_version=sequence, payload=payload)
    data = event.SerializeToString()
    return Passed(place_behind(sequence, data, subject_of(name, tenant_id)), data)


@dataclass
class Broker:
    """Its stream, and how readers are given it: `steps` says how many at a time, 0 that they have to begin anew.

    Or what else they fail with.
    """

    steps: list[int | type[BaseException]]
    # How many the server of those who catch up does not have yet; it gets one whenever somebody finds nothing there.
    lag: int = 0
    messages: list[Passed] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, tenant_id: str, name: str = NAME, value: bytes = b"") -> None:
        self.messages.append(passed(len(self.messages) + 1, tenant_id, name, value))
        self.came.set()

    async def end(self) -> Place:
        return self.messages[-1].place if self.messages else BEGINNING

    async def knows(self, place: Place) -> bool:
        await asyncio.sleep(0)
        data = self.messages[place.sequence - 1].data if 0 < place.sequence <= len(self.messages) else None
        return goes_on(place, first=1, last=len(self.messages), data=data)

    async def next_number(self, place: Place, subject: str) -> int | None:
        await asyncio.sleep(0)
        return next((each.place.sequence for each in self.on(subject, place.sequence)), None)

    @contextlib.asynccontextmanager
    async def behind(self, place: Place, subject: str = "") -> AsyncIterator["Reading"]:
        await asyncio.sleep(0)
        yield Reading(self, place.sequence, subject)

    def on(self, subject: str, sequence: int) -> list[Passed]:
        """What came behind a message on all subjects, or on those of a tenant."""
        found = self.messages[sequence:]
        return [each for each in found if not subject or subject == subjects_of_tenant(each.tenant_id)]


@dataclass
class Reading:
    broker: Broker
    read: int
    subject: str

    @property
    def waiting(self) -> int:
        return len(self._there())

    async def next(self, most: int = 200, *, seconds: float = 0) -> list[Passed]:
        await asyncio.sleep(0)
        step = self.broker.steps.pop() if self.broker.steps else 3
        if not isinstance(step, int):
            raise step
        if step == 0:
            raise LostError
        found = self._there()[:step]
        if found:
            self.read = found[-1].place.sequence
        elif self.subject:
            self.broker.lag = max(self.broker.lag - 1, 0)
        else:
            self.broker.came.clear()
            await self.broker.came.wait()
        return found

    def _there(self) -> list[Passed]:
        has = len(self.broker.messages) - (self.broker.lag if self.subject else 0)
        return [each for each in self.broker.on(self.subject, self.read) if each.place.sequence <= has]


class Listener:
    """Takes all; told what was missed and what came."""

    identity = Identity(MINE, str(new_id()), str(new_id()))

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.told: list[int] = []

    def takes(self, _told: Told) -> bool:
        return True

    def offer(self, told: Told) -> None:
        self.inbox.put(told)

    def reset(self, place: Place) -> None:
        self.inbox.put(Reset(place, "LOST"))

    def end(self, _reason: str) -> None:
        raise AssertionError("nobody has to go")

    async def tell(self, told: list[Told]) -> None:
        await asyncio.sleep(0)
        self.told += [each.event.aggregate_version for each in told]

    async def read_on(self, count: int) -> None:
        while len(self.told) < count:
            found = await self.inbox.take()
            assert isinstance(found, list)
            await self.tell(found)


@given(
    before=st.lists(st.booleans(), max_size=12),
    meanwhile=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=20),
    steps=st.lists(st.integers(0, 4), max_size=30),
    read=st.integers(0, 12),
    room=st.integers(1, 4),
    lag=st.integers(0, 4),
)
@settings(max_examples=300, deadline=None)
def test_what_was_missed_and_what_comes_is_told_once_and_in_order(
    before: list[bool], meanwhile: list[tuple[bool, int]], steps: list[int], read: int, room: int, lag: int
) -> None:
    """Events come while a reader catches up, both sources break off or are behind, and the inbox is small."""

    async def play() -> tuple[list[int], list[int]]:
        broker = Broker(list(steps), lag)
        for is_mine in before:
            broker.tell(MINE if is_mine else OTHER)
        follower = Follower(cast("Feed", broker), TYPES)
        follower.start()
        await follower.known()
        listener, catching = Listener(), CatchingUp(cast("Feed", broker), follower, TYPES)
        place = broker.messages[read - 1].place if 0 < read <= len(before) else BEGINNING

        async def join() -> None:
            await catching.join(listener, listener.inbox, place, listener.tell)
            # What it was offered meanwhile is there, or was read anew.
            assert not listener.inbox.overflowed

        joining = asyncio.create_task(join())
        for is_mine, turns in meanwhile:
            for _ in range(turns):
                await asyncio.sleep(0)
            broker.tell(MINE if is_mine else OTHER)
        await joining
        wanted = [
            each.place.sequence
            for each in broker.messages
            if each.tenant_id == MINE and each.place.sequence > place.sequence
        ]
        with contextlib.suppress(BehindError):
            async with asyncio.timeout(10):
                await listener.read_on(len(wanted))
        follower.stop()
        return listener.told, wanted

    with (
        patch.object(inbox, "MAX_WAITING", room),
        patch.object(catching_up, "AGAIN_SECONDS", 0),
        patch.object(follower_module, "AGAIN_SECONDS", 0),
    ):
        told, wanted = asyncio.run(play())
    # A reader who falls behind afterwards is cut off, and has been told a beginning.
    assert told == wanted[: len(told)]
    assert len(told) == len(wanted) or len(wanted) > room


async def test_a_broker_that_lost_its_last_messages_is_noticed_and_gone_on_with() -> None:
    """It gives their numbers to others."""
    broker = Broker([])
    for _ in range(3):
        broker.tell(MINE)
    follower, listener = Follower(cast("Feed", broker), TYPES), Listener()
    follower.start()
    await follower.known()
    assert follower.join(listener).sequence == 3
    lost = broker.messages.pop()
    broker.tell(OTHER)
    assert broker.messages[-1].place.sequence == lost.place.sequence
    # The connection to it broke.
    broker.steps.append(0)
    with patch.object(follower_module, "AGAIN_SECONDS", 0):
        broker.came.set()
        reset = await listener.inbox.take()
        broker.tell(MINE)
        await listener.read_on(1)
    follower.stop()
    assert reset == Reset(broker.messages[2].place, "LOST")
    assert listener.told == [4]


async def test_what_others_tell_is_no_part_of_what_a_reader_has_missed() -> None:
    """A colleague's thousand imported accounts are too much, a stranger's are not even read."""
    broker = Broker([])
    for tenant_id in (MINE, *[OTHER] * 5, MINE, *[OTHER] * 5, MINE, OTHER):
        broker.tell(tenant_id)
    follower, listener = Follower(cast("Feed", broker), TYPES), Listener()
    follower.start()
    await follower.known()
    catching = CatchingUp(cast("Feed", broker), follower, TYPES)
    with patch.object(catching_up, "MAX_MISSED", 2):
        joined = await catching.join(listener, listener.inbox, broker.messages[0].place, listener.tell)
        with pytest.raises(TooOldError):
            await catching.join(listener, listener.inbox, BEGINNING, listener.tell)
    follower.stop()
    assert listener.told == [7, 13]
    assert joined == broker.messages[-1].place


async def test_what_ends_a_stream_is_heard_while_the_broker_is_asked_for_its_place() -> None:
    broker, ended = Broker([]), asyncio.Event()
    broker.tell(MINE)
    follower, listener = Follower(cast("Feed", broker), TYPES), Listener()
    follower.start()
    await follower.known()

    async def knows(_place: Place) -> bool:
        session_ended = events_pb2.SessionEnded(session_id=listener.identity.session_id)
        broker.tell(MINE, session_ended.DESCRIPTOR.full_name, session_ended.SerializeToString())
        await ended.wait()
        return True

    with patch.object(broker, "knows", knows), patch.object(listener, "end", lambda _reason: ended.set()):
        catching = CatchingUp(cast("Feed", broker), follower, TYPES)
        async with asyncio.timeout(30):
            await catching.join(listener, listener.inbox, broker.messages[0].place, listener.tell)
    follower.stop()


async def test_a_message_that_cannot_be_read_is_stepped_over() -> None:
    """And the log says which one it was."""
    broker = Broker([])
    follower, listener = Follower(cast("Feed", broker), TYPES), Listener()
    follower.start()
    await follower.known()
    follower.join(listener)
    with structlog.testing.capture_logs() as logged:
        broker.tell(MINE, events_pb2.SessionEnded.DESCRIPTOR.full_name, b"\xff\xff")
        broker.tell(MINE)
        async with asyncio.timeout(30):
            await listener.read_on(1)
    follower.stop()
    assert listener.told == [2]
    of_events = [each for each in logged if each["event"].startswith("events.")]
    assert [(each["event"], each["sequence"]) for each in of_events] == [("events.stepped_over", 1)]


async def test_whatever_fails_is_logged_and_it_goes_on_behind_what_was_told() -> None:
    broker = Broker([])
    follower, listener = Follower(cast("Feed", broker), TYPES), Listener()
    follower.start()
    await follower.known()
    follower.join(listener)
    with structlog.testing.capture_logs() as logged, patch.object(follower_module, "AGAIN_SECONDS", 0):
        broker.tell(MINE)
        await listener.read_on(1)
        broker.steps.append(DecodeError)
        broker.tell(MINE)
        broker.tell(MINE)
        async with asyncio.timeout(30):
            await listener.read_on(3)
    follower.stop()
    assert listener.told == [1, 2, 3]
    assert [each["event"] for each in logged if each["event"].startswith("events.")] == ["events.stumbled"]


async def test_a_follower_that_was_broken_off_follows_again_with_the_next_stream() -> None:
    """From where it was: a client that closes breaks off whoever waits for it."""
    broker = Broker([])
    follower, listener = Follower(cast("Feed", broker), TYPES), Listener()
    follower.start()
    await follower.known()
    follower.join(listener)
    broker.steps.append(asyncio.CancelledError)
    broker.tell(MINE)
    assert follower._following is not None
    async with asyncio.timeout(30):
        await asyncio.wait([follower._following])
        broker.tell(MINE)
        follower.start()
        await listener.read_on(2)
    follower.stop()
    assert listener.told == [1, 2]


async def test_what_readers_are_yet_to_be_told_takes_little_room() -> None:
    """Neither the messages nor what was in them is kept for a reader who takes their time."""
    readers, megabyte = 50, 1 << 20
    broker = Broker([])
    for _ in range(3):
        broker.tell(MINE)
    follower = Follower(cast("Feed", broker), TYPES)
    follower.start()
    await follower.known()
    broker.came.clear()
    catching = CatchingUp(cast("Feed", broker), follower, TYPES)
    waiting, go_on = 0, asyncio.Event()
    all_wait = asyncio.Event()

    async def tell(told: list[Told]) -> None:
        nonlocal waiting
        waiting += 1
        if waiting == readers:
            all_wait.set()
        await go_on.wait()
        assert len(told) == 2

    async def received(reading: Reading, _most: int = 200, *, seconds: float = 0) -> list[Passed]:
        if not reading.subject:
            # The follower.
            await broker.came.wait()
        await asyncio.sleep(0)
        return [passed(sequence, MINE, value=bytes(megabyte)) for sequence in (2, 3)]

    before = resident_bytes()
    with patch.object(Reading, "next", received):
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for _ in range(readers):
                listener = Listener()
                group.create_task(catching.join(listener, listener.inbox, broker.messages[0].place, tell))
            await all_wait.wait()
            kept = resident_bytes() - before
            go_on.set()
    follower.stop()
    assert kept < readers * megabyte


def resident_bytes() -> int:
    """What this process has in memory at this moment."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
