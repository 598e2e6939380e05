"""What approvals cost beside a million others of the tenant: each call's time through the contract, in milliseconds.

python -m tests.load.approvals_bench [--rows N] [--calls N]

Writes build/approvals_bench.json. Service, caller and PostgreSQL share the machine, so that the times of the calls are
worth comparing with one another: with the first, of a tenant without policies and approvals.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from crm.scoring.v1.credit_pb2_grpc import CreditServiceStub
from crm_kit.identity.access import Scope
from crm_kit.plumbing import approval_askings, approvals
from crm_local.testing import servers_for_tests

from tests.factories.rows import fill
from tests.load.meter import machine
from tests.service.approving import Approval, Desk, allows, asks, stand_in, step, up_to
from tests.service.running import Running, Tokens, User, refused, running
from tests.service.scoring.approved_limits import asked
from tests.service.scoring.business import new_account

RESULT = Path("build/approvals_bench.json")
WRITER = {"credit.read": Scope.ALL, "credit.write": Scope.ALL}
# Of the approvals that are there so many wait, for as many people.
WAITING_OF = 1000


@dataclass(frozen=True, slots=True)
class Time:
    """How long calls of one kind took, in milliseconds."""

    call: str
    median: float
    slow: float


@dataclass(frozen=True)
class Bench:
    """A tenant with the people who take part, and how often each call is made."""

    scoring: Running
    admin: User
    rep: User
    boss: User
    other: User
    deputy: User
    calls: int

    @property
    def desk(self) -> Desk:
        return Desk(self.scoring.channel, "credit_limits", "setLimit")

    async def time(self, name: str, call: Callable[[], Awaitable[object]]) -> Time:
        """After some to warm up."""
        return await self.time_each(name, [call] * self.calls)

    async def time_each(self, name: str, calls: Sequence[Callable[[], Awaitable[object]]]) -> Time:
        """Each once; the first tenth warms up."""
        seconds = []
        for call in calls:
            began = time.perf_counter()
            await call()
            seconds.append(time.perf_counter() - began)
        counted = sorted(seconds[len(seconds) // 10 :])
        slow = counted[int(len(counted) * 0.95)]
        return Time(name, round(1000 * statistics.median(counted), 1), round(1000 * slow, 1))

    async def set_limit(self, amount: int) -> None:
        """Of a new account, so that it is always raised."""
        account = await new_account(self.scoring, self.admin.tenant_id, self.admin)
        await CreditServiceStub(self.scoring.channel).SetCreditLimit(asked(account, amount), metadata=self.rep.metadata)

    async def set_limit_refused(self) -> None:
        with refused("FAILED_PRECONDITION", "APPROVAL_REQUIRED"):
            await self.set_limit(5000)

    async def submit(self) -> Approval:
        account = await new_account(self.scoring, self.admin.tenant_id, self.admin)
        return await self.desk.submit(self.rep, asked(account, 5000))

    async def times(self) -> AsyncIterator[Time]:
        """Of each kind of call."""
        desk = self.desk
        # Telling the service of a new account is a part of each, and the same in all.
        yield await self.time("a limit is set, with no policy", lambda: self.set_limit(100))
        await desk.policy(self.admin, allows(up_to=up_to(1000)), asks(step(self.boss)))
        yield await self.time("a limit is set that the policy allows", lambda: self.set_limit(100))
        yield await self.time("a limit is refused that needs approval", self.set_limit_refused)
        made: list[Approval] = []

        async def submit() -> None:
            made.append(await self.submit())

        yield await self.time("a limit is submitted for approval", submit)
        await stand_in(self.scoring, self.deputy, self.boss)
        yield await self.time("what waits is listed", lambda: desk.waiting(self.boss))
        yield await self.time("what waits is listed by a deputy", lambda: desk.waiting(self.deputy))
        can_be_approved = "state = PENDING AND your_decisions:APPROVE"
        yield await self.time("what waits is counted", lambda: desk.count(self.boss, can_be_approved))
        pending = "state = PENDING"
        yield await self.time("what is pending is listed", lambda: desk.listed(self.admin, filter=pending))
        late = "state = PENDING AND overdue = true"
        yield await self.time("what is overdue is listed", lambda: desk.listed(self.admin, filter=late))
        stuck = "state = PENDING AND approvers_missing = true"
        yield await self.time("what nobody can decide is listed", lambda: desk.listed(self.admin, filter=stuck))
        yield await self.time("those that somebody sees are listed", lambda: desk.listed(self.deputy))
        yield await self.time("all are listed", lambda: desk.listed(self.admin))
        by_due = "due_time"
        yield await self.time("all are listed as they are due", lambda: desk.listed(self.admin, order_by=by_due))
        yield await self.time_each(
            "one is reassigned", [partial(desk.reassign, self.boss, each, self.other) for each in made]
        )
        yield await self.time_each(
            "one is approved, and the limit set", [partial(desk.approve, self.other, each) for each in made]
        )


@asynccontextmanager
async def filled(rows: int, calls: int) -> AsyncIterator[Bench]:
    """The scoring service beside so many approvals, one in a hundred of the pending ones overdue."""
    async with servers_for_tests() as servers, running("scoring", servers, Tokens()) as scoring:
        tenant_id = await scoring.tenant()
        admin = await scoring.user(tenant_id)
        rep, boss, other = [await scoring.user(tenant_id, grants=WRITER) for _ in range(3)]
        deputy = await scoring.user(tenant_id, grants={"credit.read": Scope.OWN})
        connection = await asyncpg.connect(servers.superuser_url("crm_scoring"))
        try:
            await fill_with(connection, f"'{tenant_id}'", rows)
        finally:
            await connection.close()
        yield Bench(scoring, admin, rep, boss, other, deputy, calls)


async def fill_with(connection: asyncpg.Connection, tenant_id: str, rows: int) -> None:
    """Approvals that have ended but for one in `WAITING_OF`, each asked of one of as many people."""
    is_waiting, somebody = f"n % {WAITING_OF} = 0", f"lpad(to_hex(n % {WAITING_OF}), 32, '0')::uuid"
    id = "lpad(to_hex(n), 32, '0')::uuid"
    step = (
        "jsonb_build_array(jsonb_build_object('mode', 'ANY', 'user_ids', jsonb_build_array({}),"
        " 'role_ids', '[]'::jsonb, 'team_leaders_of', '[]'::jsonb, 'due_hours', 0))"
    )
    values: dict[str, str] = {
        "collection": "'credit_limits'",
        "verb": "'setLimit'",
        "request": "'{}'",
        "steps": step.format(somebody),
        "current_step": "1",
        "state": f"CASE WHEN {is_waiting} THEN 'PENDING' ELSE 'APPROVED' END",
        "overdue": f"n % {100 * WAITING_OF} = 0",
        "due_time": "now() + n * interval '1 s'",
        "create_time": "now() - n * interval '1 min'",
        "version": "1",
    }
    await fill(connection, approvals, rows, tenant_id=tenant_id, id=id, **values)
    askings: dict[str, Any] = {"approval_id": id, "asked_id": somebody, "waiting": is_waiting}
    await fill(connection, approval_askings, rows, tenant_id=tenant_id, **askings)
    for table in (approvals, approval_askings):
        await connection.execute(f"ANALYZE {table.name}")


async def measured(rows: int, calls: int) -> list[Time]:
    """What each costs is printed as soon as it is known."""
    print(f"{f'beside {rows:,} approvals':<44}{'median ms':>10}{'95 % ms':>10}")
    times = []
    async with filled(rows, calls) as bench:
        async for each in bench.times():
            print(f"{each.call:<44}{each.median:>10.1f}{each.slow:>10.1f}", flush=True)
            times.append(each)
    return times


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="tests.load.approvals_bench", description="What approvals cost.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="approvals of the tenant")
    parser.add_argument("--calls", type=int, default=100, help="how often each call is made")
    given = parser.parse_args(arguments)
    times = asyncio.run(measured(given.rows, given.calls))
    RESULT.parent.mkdir(exist_ok=True)
    told = {"machine": machine(), "rows": given.rows, "times": [asdict(each) for each in times]}
    RESULT.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
