"""Telling that credit has become free, for orders that wait for it.

All that changes what is free of an account, or waits for it, happens one after the other, under the account's lock: so
of a payment and an order that was held in the same moment the later one sees the other.
"""

from uuid import UUID

from crm.scoring.v1 import events_pb2 as events
from crm_kit.clock import time_zone_of
from crm_kit.database.locks import advisory_lock
from crm_kit.database.work import UnitOfWork
from crm_kit.events.outbox import emit
from crm_kit.zones import day_in

from crm_scoring.credit.commands import name_of, put_order
from crm_scoring.credit.decisions import decide
from crm_scoring.credit.model import OrderCredit
from crm_scoring.credit.queries import NO_ORDER, held_order, waiting_order
from crm_scoring.credit.rules import CreditRules

Cause = events.CreditFreed.Cause


async def take_turn(work: UnitOfWork, account_id: UUID) -> None:
    """Wait until nobody else changes the account's credit. Call it before anything is gathered for it."""
    await advisory_lock(work, name_of(account_id))


async def tell_freed(work: UnitOfWork, account_id: UUID, cause: Cause.ValueType) -> None:
    """Gather the event, if an order of the account waits for what this unit has made free."""
    await work.flush()
    if await work.one(waiting_order(), account_id=account_id):
        announce(work, account_id, cause)


async def tell_reservation_ended(work: UnitOfWork, account_id: UUID, *, without: UUID = NO_ORDER) -> None:
    """Gather the event, if an order other than the one that had the reservation waits.

    Not for one that may be on its way still: what it finds is looked at when it is heard of.
    """
    await work.flush()
    if await work.one(held_order(), account_id=account_id, without=without):
        announce(work, account_id, Cause.CAUSE_RESERVATION_ENDED)


async def put_held_order(work: UnitOfWork, order: OrderCredit, *, rules: CreditRules) -> None:
    """Gather that an order waits, and that it need not if its credit has become free since it was checked."""
    await take_turn(work, order.account_id)
    put_order(work, order)
    await work.flush()
    # Events do not bring the tenant's calendar.
    today = day_in(await time_zone_of(work), work.now)
    decision, _, _ = await decide(work, order.account_id, order.amount, rules=rules, today=today, without=order.id)
    if decision.approved:
        announce(work, order.account_id, Cause.CAUSE_CREDIT_CHECKED)


def announce(work: UnitOfWork, account_id: UUID, cause: Cause.ValueType) -> None:
    """Gather the event. It says nothing of order: whoever hears it asks how credit is by then."""
    told = events.CreditFreed(account_id=str(account_id), cause=cause)
    emit(work, told, aggregate_type="credit", id=account_id, version=1)
