"""Work side by side, of which what takes long holds up its own tenant only."""

import asyncio
from collections import Counter

import pytest
from crm_kit.events.lanes import OF_ONE_TENANT, SIDE_BY_SIDE, Lane, Lanes

AT_MOST_SECONDS = 30


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    # Longer than a busy machine keeps the test from its turn.
    monkeypatch.setattr("crm_kit.events.lanes.LONG_SECONDS", 0.3)


class Track:
    """Lanes that end at once, hang until they are let go, or fail; and what became of each."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.postponed: list[str] = []
        self.stayed: list[str] = []
        self.let_go = asyncio.Event()
        self.at_once: Counter[str] = Counter()
        self.most_at_once: Counter[str] = Counter()

    def lane(self, tenant_id: str, *, hangs: bool = False, error: Exception | None = None) -> Lane:
        async def run() -> None:
            self.begun.append(tenant_id)
            self.at_once[tenant_id] += 1
            self.most_at_once[tenant_id] = max(self.most_at_once[tenant_id], self.at_once[tenant_id])
            await (self.let_go.wait() if hangs else asyncio.sleep(0))
            self.at_once[tenant_id] -= 1
            if error is not None:
                raise error
            self.ended.append(tenant_id)

        async def wait() -> None:
            self.postponed.append(tenant_id)

        return Lane(tenant_id, run, wait, lambda: self.stayed.append(tenant_id))


async def run(lanes: Lanes, some: list[Lane]) -> None:
    await asyncio.wait_for(lanes.run(some), AT_MOST_SECONDS)


async def test_all_are_run_in_their_order_and_waited_for() -> None:
    track, lanes = Track(), Lanes()
    await run(lanes, [track.lane(tenant) for tenant in "abcabc"])
    assert track.begun == list("abcabc")
    assert sorted(track.ended) == sorted("abcabc")
    assert not lanes.has_long
    assert not track.postponed


async def test_those_of_one_tenant_leave_room_for_others() -> None:
    track, lanes = Track(), Lanes()
    await run(lanes, [track.lane("a") for _ in range(50)])
    assert track.most_at_once["a"] == OF_ONE_TENANT < SIDE_BY_SIDE


async def test_what_takes_long_is_not_waited_for_and_its_tenants_others_come_again() -> None:
    track, lanes = Track(), Lanes()
    await run(lanes, [*(track.lane("a", hangs=True) for _ in range(20)), *(track.lane("b") for _ in range(5))])
    assert track.ended == ["b"] * 5
    assert track.stayed == ["a"] * OF_ONE_TENANT
    assert track.postponed == ["a"] * (20 - OF_ONE_TENANT)
    assert lanes.has_long
    # The next batch goes on beside them.
    await run(lanes, [track.lane("c"), track.lane("a")])
    assert track.ended == ["b"] * 5 + ["c"]
    # Also one that has nothing else.
    await run(lanes, [track.lane("a")])
    assert track.postponed == ["a"] * (22 - OF_ONE_TENANT)
    track.let_go.set()
    for _ in range(3):
        await asyncio.sleep(0)
    await run(lanes, [track.lane("a")])
    assert track.ended.count("a") == OF_ONE_TENANT + 1
    assert not lanes.has_long


async def test_many_that_take_their_time_hold_up_their_own_tenant_only() -> None:
    """None takes long by itself: together they would keep whoever is in the next batch waiting."""
    track, lanes = Track(), Lanes()
    one_by_one = asyncio.Semaphore(1)

    def slow() -> Lane:
        lane = track.lane("a")

        async def run() -> None:
            async with one_by_one:
                # No shorter than what it is said to be, however busy the machine is.
                await asyncio.sleep(0.1)
                await lane.run()

        return Lane("a", run, lane.wait, lane.stay)

    await run(lanes, [*(slow() for _ in range(50)), track.lane("b")])
    assert track.ended.count("b") == 1
    assert len(track.postponed) > 30
    await lanes.close()


async def test_what_one_fails_with_is_raised_and_the_others_go_on() -> None:
    track, lanes = Track(), Lanes()
    with pytest.raises(OSError, match="gone"):
        await run(lanes, [track.lane("a", error=OSError("gone")), track.lane("b", hangs=True)])
    await lanes.close()
    assert track.begun == ["a", "b"]


async def test_what_still_goes_on_is_ended() -> None:
    track, lanes = Track(), Lanes()
    await run(lanes, [track.lane("a", hangs=True)])
    await lanes.close()
    track.let_go.set()
    await asyncio.sleep(0)
    assert not track.ended
    assert not lanes.has_long
