"""What a reader has missed, from the place that they have reached to where what comes is told live.

Both meet without gap or double: the follower offers what comes behind one place, `until`, and up to that place the
broker is read anew. That nothing is left before it is asked of the server that takes all messages, so that the end is
never guessed, also where the broker's servers are not equally far.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field

import structlog
from crm_kit.events.subjects import subjects_of_tenant
from crm_kit.thin_events.types import EventTypes

from crm_gateway.streams.feed import AWAY, Feed, Passed, Reading
from crm_gateway.streams.follower import Follower, Listener
from crm_gateway.streams.inbox import MAX_AT_ONCE, Inbox
from crm_gateway.streams.places import Place
from crm_gateway.streams.told import Told, event_of, told_of

log = structlog.get_logger(__name__)
Tell = Callable[[list[Told]], Awaitable[None]]
AGAIN_SECONDS = 0.5
# How long it waits for what must be there before it looks whether it is.
LOOK_SECONDS = 1.0
# Whoever has missed more reads records anew; that is quicker.
MAX_MISSED = 10_000
# So many read at a time what they missed, however many come back at once.
MAX_READING = 8


class TooOldError(Exception):
    """The broker has no more what came behind the place, or it is too much."""


@dataclass(slots=True)
class CatchingUp:
    """Reads for all streams of this process what each has missed."""

    feed: Feed
    follower: Follower
    types: EventTypes
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_READING))

    async def join(self, listener: Listener, inbox: Inbox, place: Place, tell: Tell) -> Place:
        """Have the listener told what came behind a place, and join the follower; where that is.

        TooOldError when it cannot be told from there. While the broker is away it is waited for.
        """
        while True:
            # Before anything is asked: whatever ends it meanwhile is heard.
            until = self.follower.join(listener)
            if not await self._knows(place):
                raise TooOldError
            await self._tell_between(listener, place, until, tell)
            if not inbox.overflowed:
                return until
            # More came meanwhile than waits in the inbox: it is read anew as well.
            self.follower.leave(listener)
            inbox.empty()
            place = until

    async def _tell_between(self, listener: Listener, place: Place, until: Place, tell: Tell) -> None:
        """Only the tenant's own messages are read and counted, however many others there are."""
        subject = subjects_of_tenant(listener.identity.tenant_id)
        while place.sequence < until.sequence:
            try:
                async with self.feed.behind(place, subject) as reading:
                    if reading.waiting > MAX_MISSED:
                        raise TooOldError
                    while await self._has_more(reading, subject, place, until):
                        told, place = await self._next(reading, listener, place, until)
                        await tell(told)
                    return
            except AWAY as error:
                log.info("events.catching_up_again", error=type(error).__name__)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _has_more(self, reading: Reading, subject: str, place: Place, until: Place) -> bool:
        """Whether there are messages between the places, and TooOldError when nobody can say that any more."""
        if place.sequence >= until.sequence:
            return False
        if reading.waiting:
            return True
        # The reader's server may be behind. Of one that has the last place it is certain that it has all before it.
        if not await self.feed.knows(until):
            raise TooOldError
        number = await self.feed.next_number(place, subject)
        return number is not None and number <= until.sequence

    async def _next(self, reading: Reading, listener: Listener, place: Place, until: Place) -> tuple[list[Told], Place]:
        """What is to be told next, and the place behind it; none and the old place when nothing came."""
        async with self.turns:
            passed = await reading.next(MAX_AT_ONCE, seconds=LOOK_SECONDS)
            # Messages have up to 2 MiB, and their reader may take long: only what is told of them waits for that.
            told = list(self._told(listener, passed, until))
            return told, passed[-1].place if passed else place

    def _told(self, listener: Listener, passed: Iterable[Passed], until: Place) -> Iterator[Told]:
        for each in passed:
            if each.place.sequence <= until.sequence:
                event = event_of(each.place.subject, each.data)
                told = None if event is None else told_of(event, each.place, self.types)
                if told is not None and listener.takes(told):
                    yield told

    async def _knows(self, place: Place) -> bool:
        while True:
            try:
                return await self.feed.knows(place)
            except AWAY:
                await asyncio.sleep(AGAIN_SECONDS)
