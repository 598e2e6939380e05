"""What becomes free of an account's credit is told while orders wait for it."""

import asyncio
from datetime import timedelta
from uuid import UUID

from crm.event.v1 import event_pb2
from crm.scoring.v1 import events_pb2
from crm_kit.clock import system_now
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.database.statements import compile_statement
from crm_kit.ids import new_id
from crm_kit.plumbing import outbox
from crm_scoring.credit.freed import take_turn
from crm_scoring.credit.reservations import due_ends
from crm_scoring.credit.tables import reservation_ends
from sqlalchemy import bindparam, column, func, select, table

from tests.service.eventually import eventually
from tests.service.kit.plans import plan_of
from tests.service.running import Running, User
from tests.service.scoring.business import Order, order, tell
from tests.service.scoring.credit import Check, SetLimit

# Beyond what an order may take to be placed, and a part of it.
LONG, HALF = timedelta(minutes=20), timedelta(minutes=8)
ENDS = compile_statement(
    select(reservation_ends.c.account_id).where(reservation_ends.c.tenant_id == bindparam("tenant_id"))
)
WAITING = compile_statement(
    select(func.count().label("sessions"))
    .select_from(table("pg_stat_activity", column("datname"), column("wait_event")))
    .where(column("datname") == func.current_database(), column("wait_event") == "advisory")
)


async def freed(scoring: Running, user: User, account_id: UUID) -> list[str]:
    """By what the account's credit became free, as far as it was told."""
    query = compile_statement(
        select(outbox.c.event)
        .where(outbox.c.tenant_id == bindparam("tenant_id"), outbox.c.subject.contains(".CreditFreed."))
        .order_by(outbox.c.id)
    )
    async with scoring.unit_of_work(user.tenant_id) as work:
        rows = await work.all(query)
    told = [events_pb2.CreditFreed() for _ in rows]
    for each, row in zip(told, rows, strict=True):
        event_pb2.Event.FromString(row["event"]).payload.Unpack(each)
    return [events_pb2.CreditFreed.Cause.Name(each.cause) for each in told if each.account_id == str(account_id)]


async def test_credit_that_becomes_free_is_told_while_an_order_waits_for_it(
    scoring: Running, user: User, account_id: UUID, set_limit: SetLimit, reserved: Order
) -> None:
    await tell(scoring, reserved.released())
    waiting = order(user.tenant_id, account_id, 700)
    await tell(scoring, reserved.paid(100))
    assert await freed(scoring, user, account_id) == []
    await tell(scoring, waiting.held())
    assert await freed(scoring, user, account_id) == []
    await tell(scoring, reserved.paid(100), reserved.cancelled(version=3))
    await set_limit(2000)
    expected = ["CAUSE_PAYMENT_RECEIVED", "CAUSE_ORDER_CANCELLED", "CAUSE_LIMIT_SET"]
    assert await freed(scoring, user, account_id) == expected
    await tell(scoring, waiting.released(version=3), reserved.paid(100))
    assert await freed(scoring, user, account_id) == expected


async def test_credit_that_was_free_before_the_order_that_waits_was_heard_of_is_told_then(
    scoring: Running, user: User, account_id: UUID, set_limit: SetLimit
) -> None:
    """Its check was made before a payment came, or could not be made."""
    await set_limit(1000)
    await tell(scoring, order(user.tenant_id, account_id, 1000).held())
    assert await freed(scoring, user, account_id) == ["CAUSE_CREDIT_CHECKED"]
    await tell(scoring, order(user.tenant_id, account_id, 1001).held())
    assert await freed(scoring, user, account_id) == ["CAUSE_CREDIT_CHECKED"]


async def test_of_a_payment_and_an_order_that_is_held_in_the_same_moment_the_later_sees_the_other(
    scoring: Running, user: User, account_id: UUID, set_limit: SetLimit, reserved: Order
) -> None:
    await tell(scoring, reserved.released())
    waiting = order(user.tenant_id, account_id, 700)
    async with scoring.unit_of_work(user.tenant_id) as work:
        await take_turn(work, account_id)
        telling = [asyncio.ensure_future(tell(scoring, each)) for each in (waiting.held(), reserved.paid(600))]

        async def both_wait() -> bool:
            # By another session: within a transaction PostgreSQL shows what others did when it was first asked.
            async with scoring.unit_of_work(user.tenant_id) as other:
                row = await other.one(WAITING)
            return row is not None and row["sessions"] == 2

        await eventually(both_wait)
    await asyncio.gather(*telling)
    assert len(await freed(scoring, user, account_id)) == 1


# --- what is reserved for an order that nothing comes of


async def test_a_reservation_that_runs_out_is_told_once_to_those_who_wait(
    scoring: Running, user: User, account_id: UUID, reserved: Order, check: Check
) -> None:
    """Whoever asked for it ended before the order was placed."""
    waiting = order(user.tenant_id, account_id, 700)
    assert not (await check(700, waiting.id)).approved
    await tell(scoring, waiting.held())
    await scoring.know_tenant(user.tenant_id, sandbox=True, clock_offset=LONG, version=2)

    async def is_told() -> list[str]:
        return await freed(scoring, user, account_id)

    assert await eventually(is_told) == ["CAUSE_RESERVATION_ENDED"]
    await all_ends_looked_at(scoring, user)
    assert await is_told() == ["CAUSE_RESERVATION_ENDED"]


async def test_a_reservation_that_runs_out_is_told_to_nobody_where_nobody_waits(
    scoring: Running, user: User, account_id: UUID, reserved: Order, check: Check
) -> None:
    came_of_it = order(user.tenant_id, account_id, 100)
    assert (await check(100, came_of_it.id)).approved
    await tell(scoring, came_of_it.released())
    await scoring.know_tenant(user.tenant_id, sandbox=True, clock_offset=LONG, version=2)
    await all_ends_looked_at(scoring, user)
    assert await freed(scoring, user, account_id) == []


async def test_reservations_that_ran_out_are_found_by_an_index(scoring: Running) -> None:
    found = await plan_of(scoring.service.database, ALL_TENANTS, due_ends(), {"now": system_now()})
    assert "reservation_ends_due_index" in str(found)


async def test_a_tenant_with_many_that_ran_out_keeps_no_other_waiting(scoring: Running) -> None:
    tenants = [await scoring.tenant() for _ in range(2)]
    for tenant, count in zip(tenants, (3, 1), strict=True):
        async with scoring.unit_of_work(tenant) as work:
            for number in range(count):
                due = work.now + LONG - timedelta(minutes=number)
                work.insert(reservation_ends, {"account_id": new_id(), "due_time": due})
    now = {"now": system_now() + LONG}
    found = [row["tenant_id"] for row in await scoring.service.database.all(ALL_TENANTS, due_ends(), now)]
    assert [each for each in found[: found.index(tenants[1])] if each == tenants[0]] == [tenants[0]]


async def test_an_order_that_was_placed_leaves_no_reservation_to_run_out(
    scoring: Running, user: User, account_id: UUID, reserved: Order
) -> None:
    await tell(scoring, reserved.released(), order(user.tenant_id, account_id, 700).held())
    await scoring.know_tenant(user.tenant_id, sandbox=True, clock_offset=LONG, version=2)
    await all_ends_looked_at(scoring, user)
    assert await freed(scoring, user, account_id) == []


async def test_each_of_several_reservations_is_told_when_it_runs_out(
    scoring: Running, user: User, account_id: UUID, reserved: Order, check: Check
) -> None:
    await tell(scoring, order(user.tenant_id, account_id, 900).held())
    await scoring.know_tenant(user.tenant_id, sandbox=True, clock_offset=HALF, version=2)
    assert (await check(200, new_id())).approved
    for version, ahead, times in ((3, LONG, 1), (4, LONG + HALF, 2)):
        await scoring.know_tenant(user.tenant_id, sandbox=True, clock_offset=ahead, version=version)

        async def told_so_often(times: int = times) -> bool:
            return await freed(scoring, user, account_id) == ["CAUSE_RESERVATION_ENDED"] * times

        await eventually(told_so_often)
    await all_ends_looked_at(scoring, user)


async def test_an_order_that_is_checked_again_and_takes_less_leaves_the_rest_to_those_who_wait(
    scoring: Running, user: User, account_id: UUID, reserved: Order, check: Check
) -> None:
    waiting = order(user.tenant_id, account_id, 700)
    await tell(scoring, waiting.held())
    assert (await check(600, reserved.id)).approved
    assert await freed(scoring, user, account_id) == []
    assert (await check(200, reserved.id)).approved
    assert await freed(scoring, user, account_id) == ["CAUSE_RESERVATION_ENDED"]
    assert not (await check(2000, reserved.id)).approved
    assert not (await check(2000, waiting.id)).approved
    assert await freed(scoring, user, account_id) == ["CAUSE_RESERVATION_ENDED"] * 2


async def all_ends_looked_at(scoring: Running, user: User) -> None:
    """Wait until no reservation of the tenant is to run out that has not been looked at."""

    async def none_is_left() -> bool:
        async with scoring.unit_of_work(user.tenant_id) as work:
            return not await work.all(ENDS)

    await eventually(none_is_left)
