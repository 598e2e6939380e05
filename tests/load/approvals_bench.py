"""What approvals cost beside a million others of the tenant: each call's time through the contract, in milliseconds.

python -m tests.load.approvals_bench [--rows N] [--calls N] [--events N]

Writes build/approvals_bench.json. Service, caller and PostgreSQL share the machine, so that the times of the calls are
worth comparing with one another: with the first, of a tenant without policies and approvals. What an event of a record
costs in such a tenant, since approvals may be outdated by it, is told beside one that nothing follows from.
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
from uuid import UUID

import asyncpg
import orjson
from crm.event.v1 import event_pb2
from crm.scoring.v1.credit_pb2_grpc import CreditServiceStub
from crm_kit.clock import system_now
from crm_kit.events.consumers import Consumers
from crm_kit.events.payloads import events_of
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.plumbing import approval_askings, approvals
from crm_kit.wire import timestamp
from crm_local.testing import servers_for_tests
from google.protobuf.message import Message

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
ROUNDS = 11


@dataclass(frozen=True, slots=True)
class Time:
    """How long calls of one kind took, in milliseconds."""

    call: str
    median: float
    slow: float


@dataclass(frozen=True, slots=True)
class EventCost:
    """What handling an event took: of the process's CPU, and by the clock, in microseconds at the median of rounds."""

    event: str
    cpu: int
    clock: int


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


async def event_costs(scoring: Running, count: int) -> list[EventCost]:
    """Of so many events of records of a tenant without policies, and of as many that nothing follows from, by turns."""
    service, tenant_id = scoring.service, await scoring.tenant()
    resource = service.approvables[0].resource
    payload = next(iter(events_of(resource.created, resource.message_type)))
    bare, outdating = [Consumers(name, service.database, service.clock) for name in ("bare", "outdating")]

    async def nothing(_event: event_pb2.Event, _told: Message) -> None:
        """Nothing follows."""

    bare.follow(payload, nothing)
    service.outdating.follow(outdating)
    kinds = {"an event that nothing follows from": bare, "an event, with no policy and no approval": outdating}
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, consumers in kinds.items():
            events = [event_of(payload(), tenant_id) for _ in range(count // ROUNDS)]
            began = time.process_time(), time.perf_counter()
            for each in events:
                await consumers.apply(each)
            seconds = time.process_time() - began[0], time.perf_counter() - began[1]
            took[name].append((seconds[0] / len(events), seconds[1] / len(events)))
    # The first round warms up.
    medians = {
        name: [statistics.median(each) for each in zip(*rounds[1:], strict=True)] for name, rounds in took.items()
    }
    return [EventCost(name, *(round(1_000_000 * each) for each in median)) for name, median in medians.items()]


def event_of(told: Message, tenant_id: UUID) -> event_pb2.Event:
    """An event of a record that nobody has heard of."""
    event = event_pb2.Event(
        id=str(new_id()),
        tenant_id=str(tenant_id),
        aggregate_type="credit_limit",
        aggregate_id=str(new_id()),
        aggregate_version=1,
        occur_time=timestamp(system_now()),
    )
    event.payload.Pack(told)
    return event


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


async def measured(rows: int, calls: int, events: int) -> tuple[list[Time], list[EventCost]]:
    """What each costs is printed as soon as it is known."""
    print(f"{f'beside {rows:,} approvals':<44}{'median ms':>10}{'95 % ms':>10}")
    times = []
    async with filled(rows, calls) as bench:
        async for each in bench.times():
            print(f"{each.call:<44}{each.median:>10.1f}{each.slow:>10.1f}", flush=True)
            times.append(each)
        costs = await event_costs(bench.scoring, events)
    print(f"{'in a tenant without policies':<44}{'CPU us':>10}{'clock us':>10}")
    for cost in costs:
        print(f"{cost.event:<44}{cost.cpu:>10}{cost.clock:>10}")
    return times, costs


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="tests.load.approvals_bench", description="What approvals cost.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="approvals of the tenant")
    parser.add_argument("--calls", type=int, default=100, help="how often each call is made")
    parser.add_argument("--events", type=int, default=5000, help="how many events of each kind")
    given = parser.parse_args(arguments)
    times, costs = asyncio.run(measured(given.rows, given.calls, given.events))
    RESULT.parent.mkdir(exist_ok=True)
    told = {"machine": machine(), "rows": given.rows, "times": [asdict(each) for each in times]}
    told["events"] = [asdict(each) for each in costs]
    RESULT.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
