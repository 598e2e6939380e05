"""Records a second that a bulk change gets through, how long it takes to begin, and how long it holds the loop.

python -m tests.load.jobs_bench [--records N]

Writes build/jobs_bench.json, and fails where the loop is held longer than its bar. The service with all that it does by
itself, the caller and this bench are one process, whose time of the processor is told; PostgreSQL is beside it.
"""

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_kit.ids import new_id
from crm_local.testing import servers_for_tests

from tests.load.meter import machine
from tests.service.bulk_changing import SUCCEEDED, Jobs
from tests.service.customer.customers import new_account
from tests.service.running import Running, Tokens, User, running

RESULT = Path("build/jobs_bench.json")
AT_A_TIME = 500
TICK_SECONDS = 0.005
PATIENCE = 3600.0
BAR_MILLISECONDS = 50.0


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


async def measured(count: int) -> Figures:
    async with servers_for_tests() as servers, running("customer", servers, Tokens()) as customer:
        user, jobs, loop = await customer.user(), Jobs(customer), Loop()
        await fill(customer, user, count)
        # The first statement of each kind is compiled.
        await jobs.ended(user, await jobs.begin(user, 'industry = "steel"', count, tags=["seen"]), seconds=PATIENCE)
        began = time.perf_counter()
        async with loop.watched():
            job = await jobs.begin(user, 'industry = "steel"', count, industry="power")
            begun, used = time.perf_counter(), time.process_time()
            job = await jobs.ended(user, job, seconds=PATIENCE)
        seconds, core_seconds = time.perf_counter() - begun, time.process_time() - used
        assert (job.state, job.changed_count) == (SUCCEEDED, count)
        return Figures(
            records=count,
            begun_milliseconds=round(1000 * (begun - began), 1),
            per_second=round(count / seconds, 1),
            per_core_second=round(count / core_seconds, 1),
            held_milliseconds=round(1000 * loop.longest, 1),
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=5_000)
    figures = asyncio.run(measured(parser.parse_args().records))
    RESULT.parent.mkdir(exist_ok=True)
    report = {"machine": machine(), **asdict(figures)}
    RESULT.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    for name, value in asdict(figures).items():
        sys.stdout.write(f"{name:20} {value}\n")
    return int(figures.held_milliseconds > BAR_MILLISECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
