"""Recording money: the payment, what it pays, and the orders it pays, in one transaction."""

from datetime import datetime
from typing import Any

from crm_kit.database.connections import row_of
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import invalid_field
from crm_kit.events.outbox import emit
from crm_kit.ids import new_id
from crm_kit.money import Money

from crm_sales.accounts.commands import require_account
from crm_sales.accounts.wire import Customer
from crm_sales.orders.commands import save
from crm_sales.orders.model import OpenItem, Order, allocate
from crm_sales.orders.queries import open_orders, order_by_id, order_from
from crm_sales.payments.model import Paid, Payment
from crm_sales.payments.queries import stored_paid
from crm_sales.payments.tables import payments
from crm_sales.payments.wire import payment_received


async def record_payment(
    work: UnitOfWork,
    customer: Customer,
    *,
    account_id: str,
    order_id: str,
    amount: Money,
    receive_time: datetime | None,
    reference: str,
) -> Payment:
    """Write money down and divide it over what is open, the oldest due date first."""
    if order_id:
        order = await payable_order(work, order_id, account_id)
        account_id, candidates = order.account_id, [order]
    else:
        await require_account(work, customer, account_id, field="payment.account_id")
        candidates = await open_orders(work, account_id, amount.currency_code)
    by_id = {order.id: order for order in candidates}
    divided = allocate(amount, [open_item(order) for order in candidates])
    paid = [pay(work, by_id[share.item_id], share.amount) for share in divided.shares]
    first = by_id[divided.shares[0].item_id] if divided.shares else None
    payment = Payment(
        id=new_id(),
        account_id=account_id,
        order_id=order_id,
        amount=amount,
        receive_time=receive_time or work.now,
        create_time=work.now,
        reference=reference,
        allocations=tuple(paid),
        unallocated=divided.unallocated,
        owner_id=first.owner_id if first else str(work.actor.user_id),
        owner_team_id=first.owner_team_id if first else str(work.actor.access.team_id or ""),
    )
    work.insert(payments, stored(payment))
    emit(work, payment_received(payment), aggregate_type="payment", id=payment.id, version=1)
    return payment


async def payable_order(work: UnitOfWork, order_id: str, account_id: str) -> Order:
    """The order that is paid; REFERENCE_NOT_FOUND, ORDER_ON_HOLD or ILLEGAL_STATE when it cannot be."""
    row = await work.one(order_by_id(work.scope), id=order_id)
    if row is None:
        raise invalid_field("payment.order_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
    order = order_from(row)
    if account_id and account_id != order.account_id:
        raise invalid_field("payment.account_id", "same_account", "is not the order's account")
    order.require_released()
    return order


def open_item(order: Order) -> OpenItem:
    """What is open of an order that was placed."""
    assert order.due_date is not None
    return OpenItem(order.id, order.due_date, order.open_amount)


def pay(work: UnitOfWork, order: Order, amount: Money) -> Paid:
    """Add money to an order."""
    after = save(work, order, order.pay(amount), "PAID")
    assert after.due_date is not None
    return Paid(order.id, amount, after.due_date, after.open_amount)


def stored(payment: Payment) -> dict[str, Any]:
    """The payment's row."""
    row = row_of(payment)
    amount, unallocated = row.pop("amount"), row.pop("unallocated")
    empty = {name: row[name] or None for name in ("order_id", "owner_team_id")}
    return (
        row
        | empty
        | {
            "amount": amount.amount,
            "currency_code": amount.currency_code,
            "unallocated_amount": unallocated.amount,
            "allocations": [stored_paid(each) for each in payment.allocations],
        }
    )
