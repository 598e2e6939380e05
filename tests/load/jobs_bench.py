"""Records a second that bulk changes and exports get through, how long they take to begin, and to hold the loop.

python -m tests.load.jobs_bench [--records N]

Writes build/jobs_bench.json, and fails where the loop is held longer than its bar. The service with all that it does by
itself, the caller and this bench are one process, whose time of the processor is told; PostgreSQL is beside it.
"""

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from crm.resource.v1 import jobs_pb2 as pb
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_kit.ids import new_id
from crm_local.testing import servers_for_tests

from tests.load.meter import machine
from tests.service.bulk_changing import SUCCEEDED, Jobs
from tests.service.customer.customers import new_account
from tests.service.exporting import Exports
from tests.service.running import Running, Tokens, User, running

RESULT = Path("build/jobs_bench.json")
AT_A_TIME = 500
TICK_SECONDS = 0.005
PATIENCE = 3600.0
BAR_MILLISECONDS = 50.0
STEEL = 'industry = "steel"'


@dataclass(frozen=True, slots=True)
class Figures:
    """`per_second` by the clock on the wall, `per_core_second` by what this process took of the processor."""

    records: int
    begun_milliseconds: float
    per_second: float
    per_core_second: float
    held_milliseconds: float


class Loop:
    """How long the event loop was held at the longest, in seconds of the processor: others may be at work beside it."""

    def __init__(self) -> None:
        self.longest = 0.0

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            task.cancel()

    async def _tick(self) -> None:
        while True:
            began = time.thread_time()
            await asyncio.sleep(TICK_SECONDS)
            self.longest = max(self.longest, time.thread_time() - began)


async def fill(customer: Running, by: User, count: int) -> None:
    """So many accounts in steel, with all that is theirs but tokens to search by."""
    first: Any = None
    one = await new_account(customer, by, industry="steel")
    for start in range(1, count, AT_A_TIME):
        async with customer.unit_of_work(by.tenant_id) as work:
            first = first or await ACCOUNTS.get(work, UUID(one.id))
            for _ in range(min(AT_A_TIME, count - start)):
                ACCOUNTS.create(work, replace(first, id=new_id(), version=1))
            await work.flush_many()


async def measured(count: int) -> dict[str, Figures]:
    """By what was done."""
    async with servers_for_tests() as servers, running("customer", servers, Tokens()) as customer:
        user, jobs, exports = await customer.user(), Jobs(customer), Exports(customer)
        await fill(customer, user, count)
        # The first statement of each kind is compiled.
        await jobs.ended(user, await jobs.begin(user, STEEL, count, tags=["seen"]), seconds=PATIENCE)
        exported, export = await figures_of(jobs, user, count, lambda: exports.begin(user, STEEL))
        assert export.done_count == count
        assert len(await exports.records(user, export)) == count
        changed, change = await figures_of(jobs, user, count, lambda: jobs.begin(user, STEEL, count, industry="power"))
        assert change.changed_count == count
        return {"export": exported, "change": changed}


async def figures_of(
    jobs: Jobs, user: User, count: int, begin: Callable[[], Awaitable[pb.Job]]
) -> tuple[Figures, pb.Job]:
    """Of a job from its beginning to its end; and the job."""
    loop, began = Loop(), time.perf_counter()
    async with loop.watched():
        job = await begin()
        begun, used = time.perf_counter(), time.process_time()
        job = await jobs.ended(user, job, seconds=PATIENCE)
    seconds, core_seconds = time.perf_counter() - begun, time.process_time() - used
    assert job.state == SUCCEEDED, job
    figures = Figures(
        records=count,
        begun_milliseconds=round(1000 * (begun - began), 1),
        per_second=round(count / seconds, 1),
        per_core_second=round(count / core_seconds, 1),
        held_milliseconds=round(1000 * loop.longest, 1),
    )
    return figures, job


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=5_000)
    found = asyncio.run(measured(parser.parse_args().records))
    told = {what: asdict(figures) for what, figures in found.items()}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(orjson.dumps({"machine": machine(), **told}, option=orjson.OPT_INDENT_2))
    for what, figures in told.items():
        for name, value in figures.items():
            sys.stdout.write(f"{what:8} {name:20} {value}\n")
    return int(any(each.held_milliseconds > BAR_MILLISECONDS for each in found.values()))


if __name__ == "__main__":
    raise SystemExit(main())
