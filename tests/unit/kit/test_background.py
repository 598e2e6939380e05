"""Jobs that look for work again and again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import structlog
from crm_kit.background import PeriodicJob, each, kept_running, name_of
from crm_kit.errors import Conflict, NotFound, Unavailable

HOUR = 3600.0
MOMENT = 0.001
AT_MOST_SECONDS = 30


class Looks:
    """Counts looks; `answers` are what the first of them come to, all others find nothing."""

    def __init__(self, *answers: bool | Exception) -> None:
        self._answers = list(answers)
        self.count = 0
        self._looked = asyncio.Condition()

    async def look(self) -> bool:
        async with self._looked:
            self.count += 1
            self._looked.notify_all()
        answer = self._answers.pop(0) if self._answers else False
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def reach(self, count: int) -> None:
        """Wait until so many times was looked."""
        async with asyncio.timeout(AT_MOST_SECONDS), self._looked:
            await self._looked.wait_for(lambda: self.count >= count)


@contextlib.asynccontextmanager
async def running(job: PeriodicJob) -> AsyncIterator[None]:
    task = asyncio.create_task(job.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_job_looks_when_it_begins_and_when_it_is_woken() -> None:
    looks = Looks()
    job = PeriodicJob("test", looks.look, every_seconds=HOUR)
    async with running(job):
        await looks.reach(1)
        job.wake()
        await looks.reach(2)


async def test_a_job_that_is_stopped_as_it_is_woken_ends() -> None:
    """`asyncio.wait_for` of Python 3.11 would lose that it was stopped."""
    looks = Looks()
    job = PeriodicJob("test", looks.look, every_seconds=HOUR)
    task = asyncio.create_task(job.run())
    await looks.reach(1)
    # It waits once everything that is ready has run.
    for _ in range(10):
        await asyncio.sleep(0)
    job.wake()
    task.cancel()
    await asyncio.wait({task}, timeout=AT_MOST_SECONDS)
    assert task.cancelled()


async def test_a_job_looks_every_so_often() -> None:
    looks = Looks()
    async with running(PeriodicJob("test", looks.look, every_seconds=MOMENT)):
        await looks.reach(3)


async def test_a_job_looks_again_at_once_while_there_may_be_more() -> None:
    looks = Looks(True, True, False)
    async with running(PeriodicJob("test", looks.look, every_seconds=HOUR)):
        await looks.reach(3)
    assert looks.count == 3


@pytest.mark.parametrize("error", [Unavailable("away"), ValueError("a defect")])
async def test_a_look_that_fails_does_not_end_the_job(error: Exception) -> None:
    looks = Looks(error)
    async with running(PeriodicJob("test", looks.look, every_seconds=MOMENT)):
        await looks.reach(2)


async def test_one_that_fails_stops_no_other() -> None:
    async def act(item: int) -> int:
        if item in refusals:
            raise refusals[item]
        return 10 * item

    refusals = {2: ValueError("a defect"), 3: Conflict("somebody was quicker"), 4: NotFound("gone")}
    assert await each(range(1, 6), act, name="test") == [10, 50]


async def test_when_the_database_is_away_the_others_are_not_tried() -> None:
    tried = []

    async def act(item: int) -> None:
        tried.append(item)
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        await each(range(5), act, name="test")
    assert tried == [0]


class Restless:
    """A job that ends or fails, again and again, whatever it is for."""

    name = "restless"

    def __init__(self, *ends: Exception | None) -> None:
        self._ends = list(ends)
        self.stays = asyncio.Event()

    async def run(self) -> None:
        if not self._ends:
            self.stays.set()
            await asyncio.Event().wait()
        end = self._ends.pop(0)
        if end is not None:
            raise end


async def test_a_job_that_ends_or_fails_is_begun_again_and_the_log_has_its_name() -> None:
    job = Restless(ValueError("a defect"), None, KeyError("another"))
    with structlog.testing.capture_logs() as told:
        running = asyncio.create_task(kept_running(job.run, first_seconds=MOMENT))
        try:
            await asyncio.wait_for(job.stays.wait(), AT_MOST_SECONDS)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert [(each["event"], each["job"]) for each in told if each.get("job") == "restless"] == [
        ("background.failed", "restless"),
        ("background.ended", "restless"),
        ("background.failed", "restless"),
    ]


def test_a_job_is_called_by_the_name_of_what_it_is_a_method_of_or_its_own() -> None:
    async def peculiar() -> None: ...

    assert name_of(PeriodicJob("reclaim", Looks().look, every_seconds=HOUR).run) == "reclaim"
    assert name_of(peculiar).endswith("peculiar")
