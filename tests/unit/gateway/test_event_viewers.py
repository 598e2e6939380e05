"""What a user may see, asked once for all of their streams, however these come and go."""

import asyncio
from collections.abc import Sequence, Set

import pytest
from crm.event.v1 import event_pb2
from crm_gateway.streams.places import BEGINNING
from crm_gateway.streams.told import Told
from crm_gateway.streams.viewers import MAX_IDS, NotKnownError, Viewer
from crm_kit.thin_events.model import EventType
from hypothesis import given, settings
from hypothesis import strategies as st

TYPES = {name: EventType(f"{name}.created", name, "customer", "") for name in ("accounts", "contacts")}
HIDDEN = frozenset({"email"})
# Who asks after how many turns of the loop, for which records, and whether they leave before they are answered.
ASKED = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.lists(st.tuples(st.sampled_from(sorted(TYPES)), st.integers(0, 5)), min_size=1, max_size=4),
        st.booleans(),
    ),
    max_size=12,
)


def slots(count: int) -> dict[str, asyncio.Semaphore]:
    return {owner: asyncio.Semaphore(count) for owner in ("customer", "sales")}


def told(collection: str, id: int) -> Told:
    return Told(BEGINNING, TYPES[collection], event_pb2.Event(aggregate_id=str(id)))


class Service:
    """Lets every second record be read; answers after some turns of the loop."""

    def __init__(self, turns: int = 2) -> None:
        self.turns = turns
        self.asked: list[tuple[str, list[str]]] = []

    async def check(self, type: EventType, ids: Sequence[str], _token: str) -> dict[str, Set[str]]:
        self.asked.append((type.collection, list(ids)))
        for _ in range(self.turns):
            await asyncio.sleep(0)
        return {id: HIDDEN for id in ids if int(id) % 2}

    def viewer(self) -> Viewer:
        return Viewer(self.check, slots(2), slots(1))


@given(ASKED, st.integers(0, 4))
@settings(deadline=None)
def test_everybody_is_answered_whoever_asks_when(
    asked: list[tuple[int, list[tuple[str, int]], bool]], turns: int
) -> None:
    async def play() -> None:
        viewer = Service(turns).viewer()

        async def ask(after: int, records: list[tuple[str, int]]) -> None:
            for _ in range(after):
                await asyncio.sleep(0)
            seen = await viewer.seen([told(*each) for each in records])
            assert seen == [HIDDEN if id % 2 else None for _, id in records]

        tasks = [asyncio.create_task(ask(after, records)) for after, records, _ in asked]
        for _ in range(3):
            await asyncio.sleep(0)
        for task, (_, _, leaves) in zip(tasks, asked, strict=True):
            if leaves:
                task.cancel()
        async with asyncio.timeout(30):
            answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [each for each in answers if each is not None and not isinstance(each, asyncio.CancelledError)] == []

    asyncio.run(play())


async def test_streams_share_a_question_and_what_is_asked_meanwhile_goes_into_the_next() -> None:
    service = Service(5)
    viewer = service.viewer()
    first = [asyncio.create_task(viewer.seen([told("accounts", 1), told("accounts", 2)])) for _ in range(3)]
    for _ in range(4):
        await asyncio.sleep(0)
    later = [asyncio.create_task(viewer.seen([told("accounts", id)])) for id in (1, 3, 3)]
    await asyncio.gather(*first, *later)
    # The one that is asked for again was asked before it happened again.
    assert service.asked == [("accounts", ["1", "2"]), ("accounts", ["1", "3"])]


async def test_no_question_is_longer_than_a_service_takes() -> None:
    service = Service()
    seen = await service.viewer().seen([told("accounts", id) for id in range(2 * MAX_IDS + 1)])
    assert [len(ids) for _, ids in service.asked] == [MAX_IDS, MAX_IDS, 1]
    assert seen.count(None) == MAX_IDS + 1


async def test_who_is_not_known_any_more_is_said_to_all_who_wait() -> None:
    async def check(*_: object) -> dict[str, Set[str]]:
        raise NotKnownError

    viewer = Viewer(check, slots(1), slots(1))
    for asking in [asyncio.create_task(viewer.seen([told("accounts", 1)])) for _ in range(2)]:
        with pytest.raises(NotKnownError):
            await asking


async def test_a_service_that_does_not_answer_keeps_nobody_from_asking_another() -> None:
    is_asked, answers = asyncio.Event(), asyncio.Event()

    async def check(type: EventType, ids: Sequence[str], _token: str) -> dict[str, Set[str]]:
        if type.owner == "sales":
            is_asked.set()
            await answers.wait()
        return dict.fromkeys(ids, HIDDEN)

    of_all, of_tenant = slots(1), slots(1)
    order = Told(BEGINNING, EventType("order.placed", "orders", "sales", ""), event_pb2.Event(aggregate_id="1"))
    frozen = asyncio.create_task(Viewer(check, of_all, of_tenant).seen([order]))
    async with asyncio.timeout(30):
        await is_asked.wait()
        assert await Viewer(check, of_all, of_tenant).seen([told("accounts", 2)]) == [HIDDEN]
    assert not frozen.done()
    answers.set()
    assert await frozen == [HIDDEN]
