"""Every write on orders. Each function is one transaction's work."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from crm.sales.v1 import events_pb2 as events
from crm_kit.accounts import Accounts, check_in_use, require_account_in_use
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import owned_by
from crm_kit.errors import FailedPrecondition, illegal_state, invalid_field
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.money import Money

from crm_sales.credit.client import CreditClient
from crm_sales.opportunities.model import Opportunity, OpportunityState
from crm_sales.opportunities.queries import opportunity_not_lost
from crm_sales.opportunities.resource import OPPORTUNITIES
from crm_sales.orders.model import HoldReason, Order, hold_reasons
from crm_sales.orders.resource import ORDERS


async def create_order(work: UnitOfWork, accounts: Accounts, values: dict[str, Any]) -> Order:
    """Draft an order for an account, or for the account of an opportunity."""
    values["account_id"] = await buyer(work, accounts, values.get("account_id"), values["opportunity_id"])
    values |= await owned_by(work, values.get("owner_id"), permission=ORDERS.permission, field="order.owner_id")
    nothing_paid = Money.zero(values["currency_code"])
    order = Order(id=new_id(), paid_amount=nothing_paid, create_time=work.now, update_time=work.now, **values)
    return ORDERS.create(work, order.checked())


def update_order(work: UnitOfWork, before: Order, values: dict[str, Any]) -> Order:
    """Change an order's custom fields; nothing is written when nothing changes."""
    return ORDERS.save(work, before, replace(before, **values), events.OrderUpdated)


async def buyer(
    work: UnitOfWork, accounts: Accounts, account_id: UUID | None, opportunity_id: UUID | None, *, place: str = "order"
) -> UUID:
    """The account that buys: the opportunity's, or the one named if it exists for the caller.

    `place` is the field of the request that names both.
    """
    if opportunity_id is not None:
        scope = work.actor.access.scope("opportunities.read")
        found = await OPPORTUNITIES.get_many(work, [opportunity_id], scope=scope)
        if opportunity_id not in found:
            raise invalid_field(f"{place}.opportunity_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
        require_not_lost(work, found[opportunity_id])
        of_opportunity = found[opportunity_id].account_id
        if account_id not in (None, of_opportunity):
            raise invalid_field(f"{place}.account_id", "same_account", "is not the opportunity's account")
        await check_in_use(work, accounts, of_opportunity)
        return of_opportunity
    if account_id is None:
        raise invalid_field(f"{place}.account_id", "required", "name an account or an opportunity")
    await require_account_in_use(work, accounts, account_id, field=f"{place}.account_id")
    return account_id


def require_not_lost(work: UnitOfWork, opportunity: Opportunity) -> None:
    """Nothing is ordered of a deal that will not be made, nor of one that is lost before the unit commits."""
    if opportunity.state is OpportunityState.LOST:
        raise opportunity_lost()
    work.execute(opportunity_not_lost(), unmet=opportunity_lost, id=opportunity.id)


def opportunity_lost() -> FailedPrecondition:
    """The error for an order of a lost opportunity."""
    return illegal_state("opportunity_lost", "an opportunity that is LOST has no orders; reopen it first")


async def require_live(work: UnitOfWork, accounts: Accounts, order: Order) -> None:
    """What an order comes from still stands: ACCOUNT_ARCHIVED, or ILLEGAL_STATE when the opportunity is LOST."""
    await check_in_use(work, accounts, order.account_id)
    if order.opportunity_id is not None:
        require_not_lost(work, await OPPORTUNITIES.get(work, order.opportunity_id, scope=Scope.ALL))


async def place_order(work: UnitOfWork, accounts: Accounts, credit: CreditClient, before: Order) -> Order:
    """Place a draft. No connection is held while scoring is asked for credit."""
    before.require_draft()
    await require_live(work, accounts, before)
    await work.release()
    hold_reasons = await asked(credit, work.tenant_id, before)
    after = before.place(hold_reasons, now=work.now, today=work.actor.access.day_of(work.now))
    return ORDERS.save(work, before, after, events.OrderPlaced)


async def asked(credit: CreditClient, tenant_id: UUID, order: Order) -> tuple[HoldReason, ...]:
    """Why the order has to wait, by the credit of its account; a return takes no credit."""
    if order.gross_amount.amount <= 0:
        return ()
    decision = await credit.check(
        tenant_id=tenant_id,
        account_id=order.account_id,
        order_id=order.id,
        order_version=order.version,
        amount=order.gross_amount,
    )
    return hold_reasons(decision)


async def release_order(work: UnitOfWork, accounts: Accounts, before: Order, reason: str) -> Order:
    """Release an order from its hold."""
    before.require_on_hold()
    await require_live(work, accounts, before)
    after = before.release_hold(reason, now=work.now, actor_id=work.actor.user_id)
    return ORDERS.save(work, before, after, events.OrderReleased)


def cancel_order(work: UnitOfWork, before: Order, reason: str) -> Order:
    """Cancel an order."""
    return ORDERS.save(work, before, before.cancel(reason), events.OrderCancelled)


def pay_order(work: UnitOfWork, before: Order, amount: Money, *, payment_id: UUID) -> Order:
    """Gather that some of a payment goes to an order."""
    event = events.OrderPaymentAllocated
    return ORDERS.save(work, before, before.pay(amount), event, payment_id=payment_id, amount=amount)


def take_back_payment(work: UnitOfWork, before: Order, amount: Money, *, payment_id: UUID) -> Order:
    """Gather that what had gone to an order of a payment is gone again."""
    event = events.OrderPaymentReversed
    return ORDERS.save(work, before, before.take_back(amount), event, payment_id=payment_id, amount=amount)
