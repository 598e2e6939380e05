"""Every write on orders. Each function is one transaction's work."""

from functools import partial
from typing import Any
from uuid import UUID

from crm_kit.database.connections import row_of
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import owner_team
from crm_kit.errors import invalid_field
from crm_kit.etags import check_etag
from crm_kit.ids import new_id
from crm_kit.money import Money

from crm_sales.accounts.client import CustomerClient
from crm_sales.accounts.commands import require_account
from crm_sales.credit.client import CreditClient
from crm_sales.opportunities.queries import opportunity_by_id
from crm_sales.orders.model import HoldReason, Order, hold_reasons
from crm_sales.orders.queries import get_order
from crm_sales.orders.tables import orders
from crm_sales.orders.wire import (
    order_cancelled,
    order_created,
    order_payment_allocated,
    order_placed,
    order_released,
)
from crm_sales.saving import Records


def stored(order: Order) -> dict[str, Any]:
    """The order's row."""
    return row_of(order) | {
        "paid_amount": order.paid_amount.amount,
        "gross_amount": order.gross_amount.amount,
        "due_date": order.due_date,
    }


RECORDS = Records("order", orders, stored)


async def create_order(work: UnitOfWork, customer: CustomerClient, values: dict[str, Any]) -> Order:
    """Draft an order for an account, or for the account of an opportunity."""
    values["account_id"] = await buyer(work, customer, values["account_id"], values["opportunity_id"])
    values["owner_id"] = values["owner_id"] or work.actor.user_id
    values["owner_team_id"] = await owner_team(work, values["owner_id"], field="order.owner_id")
    nothing_paid = Money.zero(values["currency_code"])
    order = Order(id=new_id(), paid_amount=nothing_paid, create_time=work.now, update_time=work.now, **values)
    RECORDS.create(work, order, order_created(order))
    return order


async def buyer(
    work: UnitOfWork, customer: CustomerClient, account_id: UUID | None, opportunity_id: UUID | None
) -> UUID:
    """The account that buys: the opportunity's, or the one named if it exists for the caller."""
    if opportunity_id is not None:
        scope = work.actor.access.scope("opportunities.read")
        row = await work.one(opportunity_by_id(scope), id=opportunity_id)
        if row is None:
            raise invalid_field("order.opportunity_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
        of_opportunity: UUID = row["account_id"]
        if account_id not in (None, of_opportunity):
            raise invalid_field("order.account_id", "same_account", "is not the opportunity's account")
        return of_opportunity
    if account_id is None:
        raise invalid_field("order.account_id", "required", "name an account or an opportunity")
    await require_account(work, customer, account_id, field="order.account_id")
    return account_id


async def place_order(work: UnitOfWork, credit: CreditClient, id: UUID, *, etag: str = "") -> Order:
    """Place a draft. No connection is held while scoring is asked for credit."""
    before = await get_order(work, id)
    check_etag(etag, before.version)
    before.require_draft()
    await work.release()
    after = before.place(await asked(credit, before), now=work.now)
    return RECORDS.save(work, before, after, order_placed)


async def asked(credit: CreditClient, order: Order) -> tuple[HoldReason, ...]:
    """Why the order has to wait, by the credit of its account; a return takes no credit."""
    if order.gross_amount.amount <= 0:
        return ()
    decision = await credit.check(account_id=order.account_id, order_id=order.id, amount=order.gross_amount)
    return hold_reasons(decision)


async def release_order(work: UnitOfWork, id: UUID, reason: str, *, etag: str = "") -> Order:
    """Release an order from its hold."""
    before = await get_order(work, id)
    check_etag(etag, before.version)
    after = before.release_hold(reason, now=work.now, actor_id=work.actor.user_id)
    return RECORDS.save(work, before, after, order_released)


async def cancel_order(work: UnitOfWork, id: UUID, reason: str, *, etag: str = "") -> Order:
    """Cancel an order."""
    before = await get_order(work, id)
    check_etag(etag, before.version)
    return RECORDS.save(work, before, before.cancel(reason), order_cancelled)


def pay_order(work: UnitOfWork, before: Order, amount: Money, *, payment_id: UUID) -> Order:
    """Gather that some of a payment goes to an order."""
    event = partial(order_payment_allocated, payment_id=payment_id, amount=amount)
    return RECORDS.save(work, before, before.pay(amount), event)
