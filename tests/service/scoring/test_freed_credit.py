"""What becomes free of an account's credit is told while orders wait for it."""

import asyncio
from uuid import UUID

from crm.event.v1 import event_pb2
from crm.scoring.v1 import events_pb2
from crm_kit.database.statements import compile_statement
from crm_kit.plumbing import outbox
from crm_scoring.credit.freed import take_turn
from sqlalchemy import bindparam, column, func, select, table

from tests.service.eventually import eventually
from tests.service.running import Running, User
from tests.service.scoring.business import Order, order, tell
from tests.service.scoring.credit import SetLimit

WAITING = compile_statement(
    select(func.count().label("sessions"))
    .select_from(table("pg_stat_activity", column("datname"), column("wait_event")))
    .where(column("datname") == func.current_database(), column("wait_event") == "advisory")
)


async def freed(scoring: Running, user: User, account_id: UUID) -> list[str]:
    """By what the account's credit became free, as far as it was told."""
    query = compile_statement(
        select(outbox.c.event)
        .where(outbox.c.tenant_id == bindparam("tenant_id"), outbox.c.subject.endswith("CreditFreed"))
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
