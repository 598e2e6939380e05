"""What a user waits for beside a million tasks: the list of their own, how many there are, and a collection's list.

python -m tests.load.tasks_bench [--rows N] [--calls N]

Writes build/tasks_bench.json, and fails where a call takes longer than its bar. One user reads all accounts and has a
thousand open tasks, another reads their own alone and has ten; all others are those of a thousand colleagues, half of
them done. Service, caller and PostgreSQL share the machine; times are those of calls through the contract.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg
import orjson
from crm_kit.identity.access import Scope
from crm_kit.plumbing import tasks
from crm_local.testing import servers_for_tests

from tests.factories.rows import fill
from tests.load.meter import machine
from tests.service.customer.customers import new_account
from tests.service.running import Running, Tokens, User, running
from tests.service.tasking import Mine, ToDo

RESULT = Path("build/tasks_bench.json")
BAR_MILLISECONDS = 20.0
OF_BUSY, OF_OTHER = 1000, 10


@dataclass(frozen=True, slots=True)
class Time:
    """How long calls of one kind took, in milliseconds."""

    call: str
    median: float
    slow: float


@dataclass(frozen=True)
class Bench:
    customer: Running
    # Reads all accounts; and somebody who reads their own.
    busy: User
    other: User
    calls: int

    async def time(self, name: str, call: Callable[[], Awaitable[object]]) -> Time:
        """The first tenth warms up."""
        seconds = []
        for _ in range(self.calls):
            began = time.perf_counter()
            await call()
            seconds.append(time.perf_counter() - began)
        counted = sorted(seconds[self.calls // 10 :])
        slow = counted[int(len(counted) * 0.95)]
        return Time(name, round(1000 * statistics.median(counted), 1), round(1000 * slow, 1))

    async def times(self) -> list[Time]:
        """Of each kind of call."""
        mine, todo, busy, other = Mine(self.customer), ToDo(self.customer), self.busy, self.other
        return [
            await self.time("one's own, a thousand", lambda: mine.find(busy)),
            await self.time("one's own that are overdue", lambda: mine.find(busy, "overdue = true")),
            await self.time("count one's own, a thousand", lambda: mine.counts(busy)),
            await self.time("one's own, ten at one's own accounts", lambda: mine.find(other)),
            await self.time("count these", lambda: mine.counts(other)),
            await self.time("list all of the collection", lambda: todo.list(busy)),
            await self.time("list all at one's own accounts", lambda: todo.list(other)),
        ]


async def fill_up(database_url: str, bench: Bench, rows: int) -> None:
    """Tasks of the two, and of a thousand others."""
    connection = await asyncpg.connect(database_url)
    accounts = {user: (await new_account(bench.customer, user)).id for user in (bench.busy, bench.other)}
    shared = {
        "tenant_id": f"'{bench.busy.tenant_id}'::uuid",
        "collection": "'accounts'",
        "title": "'致电客户确认报价'",
        "priority": "'NORMAL'",
        "state": "'OPEN'",
        "source": "'MANUAL'",
        "version": "1",
        "deadline_time": "now() + (n % 1000 - 500) * interval '1 hour'",
    }
    try:
        for user, count in ((bench.busy, OF_BUSY), (bench.other, OF_OTHER)):
            own = {"record_id": f"'{accounts[user]}'::uuid", "assignee_id": f"'{user.id}'::uuid"}
            await fill(connection, tasks, count, **shared, **own)
        state = "CASE WHEN n % 2 = 0 THEN 'OPEN' ELSE 'DONE' END"
        others = {"state": state, "record_id": "md5((n % 5000)::text)::uuid"}
        assignee = "md5((n % 1000)::text)::uuid"
        await fill(connection, tasks, rows, **shared | others, assignee_id=assignee)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def measured(rows: int, calls: int) -> list[Time]:
    async with servers_for_tests() as servers, running("customer", servers, Tokens()) as customer:
        busy = await customer.user()
        own = {"accounts.read": Scope.OWN, "accounts.write": Scope.OWN, "contacts.read": Scope.TEAM}
        bench = Bench(customer, busy, await customer.user(busy.tenant_id, grants=own), calls)
        await fill_up(servers.superuser_url("crm_customer"), bench, rows)
        return await bench.times()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=100)
    arguments = parser.parse_args()
    times = asyncio.run(measured(arguments.rows, arguments.calls))
    RESULT.parent.mkdir(exist_ok=True)
    report = {"machine": machine(), "rows": arguments.rows, "times": [asdict(each) for each in times]}
    RESULT.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    for each in times:
        sys.stdout.write(f"{each.call:40} median {each.median:7.1f} ms   95 % within {each.slow:7.1f} ms\n")
    return int(any(each.median > BAR_MILLISECONDS for each in times))


if __name__ == "__main__":
    raise SystemExit(main())
