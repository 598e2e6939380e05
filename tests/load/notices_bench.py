"""What a user waits for beside a million notifications: lists and the number beside the bell, in milliseconds.

python -m tests.load.notices_bench [--rows N] [--calls N]

Writes build/notices_bench.json, and fails where a call takes longer than its bar. A tenth of the notifications are one
user's, half of them unread; the others are those of a thousand colleagues. Service, caller and PostgreSQL share the
machine; times are those of calls through the contract.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from crm.customer.v1 import notifications_pb2 as pb
from crm.customer.v1.notifications_pb2_grpc import NotificationServiceStub
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_customer.workspace.notifications.tables import notifications
from crm_local.testing import servers_for_tests

from tests.factories.rows import fill
from tests.load.meter import machine
from tests.service.running import Running, Tokens, User, running

RESULT = Path("build/notices_bench.json")
BAR_MILLISECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Time:
    """How long calls of one kind took, in milliseconds."""

    call: str
    median: float
    slow: float


@dataclass(frozen=True)
class Bench:
    customer: Running
    # Has a tenth of all; and somebody who has a thousandth of the others.
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

    def listed(self, user: User, filter: str = "") -> Callable[[], Awaitable[object]]:
        stub: Any = NotificationServiceStub(self.customer.channel)
        return lambda: stub.ListNotifications(pb.ListNotificationsRequest(filter=filter), metadata=user.metadata)

    def count(self, user: User) -> Callable[[], Awaitable[object]]:
        stub: Any = ResourceServiceStub(self.customer.channel)
        request = resources_pb2.CountRecordsRequest(collection="notifications", filter="read = false")
        return lambda: stub.CountRecords(request, metadata=user.metadata)

    async def times(self) -> list[Time]:
        """Of each kind of call."""
        return [
            await self.time("list, a hundred thousand of one's own", self.listed(self.busy)),
            await self.time("list what is unread of them", self.listed(self.busy, "read = false")),
            await self.time("count what is unread of them", self.count(self.busy)),
            await self.time("list, nine hundred of one's own", self.listed(self.other)),
            await self.time("count what is unread of them", self.count(self.other)),
        ]


async def fill_up(database_url: str, bench: Bench, rows: int) -> None:
    """A tenth of the rows for one user, the others for a thousand, the second user among them."""
    connection = await asyncpg.connect(database_url)
    shared = {
        "tenant_id": f"'{bench.busy.tenant_id}'::uuid",
        "kind": "'MENTIONED'",
        "collection": "'orders'",
        "values": "'{}'",
        "count": "1",
        "version": "1",
        "read": "n % 2 = 0",
        "shown": "true",
        "notice_time": "now() - n * interval '1 second'",
    }
    colleague = f"CASE WHEN n % 1000 = 0 THEN '{bench.other.id}'::uuid ELSE md5((n % 1000)::text)::uuid END"
    try:
        await fill(connection, notifications, rows // 10, **shared, user_id=f"'{bench.busy.id}'::uuid")
        # Of each colleague half is read, too.
        others = shared | {"read": "(n / 1000) % 2 = 0", "user_id": colleague}
        await fill(connection, notifications, rows - rows // 10, **others)
        await connection.execute("VACUUM ANALYZE notifications")
    finally:
        await connection.close()


async def measured(rows: int, calls: int) -> list[Time]:
    async with servers_for_tests() as servers, running("customer", servers, Tokens()) as customer:
        busy = await customer.user()
        bench = Bench(customer, busy, await customer.user(busy.tenant_id), calls)
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
        sys.stdout.write(f"{each.call:45} median {each.median:7.1f} ms   95 % within {each.slow:7.1f} ms\n")
    return int(any(each.median > BAR_MILLISECONDS for each in times))


if __name__ == "__main__":
    raise SystemExit(main())
