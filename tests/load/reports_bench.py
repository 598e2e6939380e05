"""What reports cost: questions about a million orders, each answered three times.

python -m tests.load.reports_bench [--orders N]

Writes build/reports_bench.json; ends with 1 when a bar is missed.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from uuid import UUID

import asyncpg
import orjson
from crm_kit.clock import system_now
from crm_kit.database.work import UnitOfWork, unit_of_work
from crm_kit.errors import InvalidArgument
from crm_kit.identity.access import Actor, Scope, service_actor
from crm_kit.ids import new_id
from crm_kit.reports.answers import answer_to_pb
from crm_kit.reports.model import Compare, Period, Question, Span
from crm_kit.reports.running import answer
from crm_kit.service import Service
from crm_kit.settings import read_settings
from crm_local.testing import servers_for_tests
from crm_sales.app import SETTINGS, build
from crm_sales.orders.resource import ORDERS

from tests.load.meter import cpu_seconds, machine
from tests.service.running import environment

RESULT = Path("build/reports_bench.json")
TIMES = 3
OWNERS, ACCOUNTS = 200, 100_000
# As long as somebody who opens a dashboard waits for one of its tiles. A report is given up after eight seconds.
MAX_SECONDS = 2.0
INSERT = """
INSERT INTO orders (tenant_id, id, account_id, currency_code, lines, payment_days, state, hold_reasons, net_amount,
    tax_amount, gross_amount, paid_amount, open_amount, place_time, due_date, owner_id, version, create_time,
    update_time)
SELECT $1, gen_random_uuid(), md5('a' || n % $4)::uuid, CASE WHEN n % 10 = 0 THEN 'USD' ELSE 'CNY' END, '[]', 30,
    (ARRAY['RELEASED', 'PARTLY_PAID', 'PAID'])[1 + n % 3], '[]', n % 1000, 0, n % 1000, 0, n % 1000,
    time, time::date + 30, md5('o' || n % $3)::uuid, 1, time, time
FROM generate_series(1, $2) AS n, LATERAL (SELECT $5::timestamptz - n * interval '1 minute' AS time) AS placed
"""
QUESTIONS: Mapping[str, Question] = {
    "sum of amounts by month": Question(group_by=("place_time:month",), measures=("sum:gross_amount", "count")),
    "sum, average and customers by state and month": Question(
        group_by=("place_time:month", "state"), measures=("sum:gross_amount", "avg:gross_amount", "count")
    ),
    "top 20 of 200 owners, this year beside the last": Question(
        group_by=("owner_id",),
        measures=("sum:gross_amount", "count"),
        order_by="sum:gross_amount desc",
        limit=20,
        period=Period("place_time", Span.THIS_YEAR, Compare.SAME_PERIOD_LAST_YEAR),
    ),
    "different customers by month": Question(group_by=("place_time:month",), measures=("distinct:account_id", "count")),
    "top 20 of 100,000 customers": Question(
        group_by=("account_id",), measures=("sum:open_amount", "count"), order_by="sum:open_amount desc", limit=20
    ),
}
# The bar is for what dashboards mostly show; what tells values apart has to sort all of them.
UNBARRED = frozenset({"different customers by month", "top 20 of 100,000 customers"})


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds on the clock, and those that processors computed, of the service and PostgreSQL together."""

    seconds: float
    core_seconds: float


@dataclass(frozen=True, slots=True)
class Bench:
    """A sales service with a tenant that has orders."""

    service: Service
    tenant_id: UUID

    def unit(self, scope: Scope = Scope.ALL) -> contextlib.AbstractAsyncContextManager[UnitOfWork]:
        actor: Actor = service_actor(self.tenant_id)
        return unit_of_work(self.service.database, actor, scope=scope, now=system_now())

    async def taken(self, question: Question) -> Taken:
        """The medians of the answers, from the question to the message."""
        taken, computed = [], []
        for _ in range(TIMES):
            started, before = time.perf_counter(), cpu_seconds(os.getpid())
            # What is given up took as long as that.
            with contextlib.suppress(InvalidArgument):
                async with self.unit() as work:
                    found = await answer(ORDERS, work, question)
                    await answer_to_pb(found, [{} for _ in found.now.shown.question.group_by])
            taken.append(time.perf_counter() - started)
            computed.append(cpu_seconds(os.getpid()) - before)
        return Taken(median(taken), median(computed))


async def fill(url: str, tenant_id: UUID, orders: int) -> None:
    """Orders of the last years, one a minute."""
    connection = await asyncpg.connect(url)
    await connection.execute(INSERT, tenant_id, orders, OWNERS, ACCOUNTS, system_now())
    await connection.execute("VACUUM ANALYZE orders")
    await connection.close()


@contextlib.asynccontextmanager
async def bench(orders: int) -> AsyncIterator[Bench]:
    """PostgreSQL and the orders."""
    async with servers_for_tests() as servers:
        await servers.migrate("sales")
        with environment(servers.environment("sales")):
            service = build(read_settings(SETTINGS))
        await service.database.open()
        at = Bench(service, new_id())
        await fill(servers.superuser_url("crm_sales"), at.tenant_id, orders)
        try:
            yield at
        finally:
            for close in (*service.closers, service.database.close):
                await close()


async def measure(orders: int) -> dict[str, Taken]:
    """Build everything, measure, take everything down again."""
    async with bench(orders) as at:
        return {name: await at.taken(question) for name, question in QUESTIONS.items()}


def is_held(name: str, taken: Taken) -> bool:
    """Whether a figure is within its bar; some have none."""
    return name in UNBARRED or taken.seconds <= MAX_SECONDS


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests.load.reports_bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--orders", type=int, default=1_000_000)
    given = parser.parse_args(arguments)
    on = machine()
    print(", ".join(f"{name} {value}" for name, value in on.items()))
    found = asyncio.run(measure(given.orders))
    for name, each in found.items():
        missed = "" if is_held(name, each) else "  MISSED"
        print(f"{each.seconds:8.2f} s, {each.core_seconds:5.2f} of processors  {name}{missed}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(orjson.dumps({"machine": on, "figures": found}, option=orjson.OPT_INDENT_2))
    return int(not all(is_held(*each) for each in found.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
