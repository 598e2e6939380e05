"""Recording money: the payment, what it pays, and the orders it pays, in one transaction."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm.sales.v1 import events_pb2 as events
from crm_kit.accounts import Accounts, require_account
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import may_own
from crm_kit.errors import FailedPrecondition, illegal_state, invalid_field
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.keys import tidied_code
from crm_kit.money import Money, check_minor_unit
from crm_kit.zones import check_plausible

from crm_sales.orders.model import OpenItem, Order
from crm_sales.orders.queries import count_open_beyond, open_items
from crm_sales.orders.resource import ORDERS
from crm_sales.payments.allocation import allocate, amounts_by_order
from crm_sales.payments.model import Payment
from crm_sales.payments.resource import PAYMENTS
from crm_sales.payments.settling import pay_all, take_back_all


async def record_payment(work: UnitOfWork, accounts: Accounts, values: dict[str, Any]) -> Payment:
    """Record money that came in and allocate it to what is open, the oldest due date first."""
    amount: Money = values["amount"]
    check_minor_unit(amount, field="payment.amount")
    receive_time = values.pop("receive_time", work.now)
    check_receive_time(work, receive_time)
    paying, named = values.get("account_id"), values["order_id"]
    account_id, payable = await payer(work, accounts, paying, named, amount.currency_code)
    left_out = 0 if named else await count_open_beyond(work, account_id, amount.currency_code)
    shares = allocate(amount, payable)
    payment = Payment(
        id=new_id(),
        **tidied(values) | {"account_id": account_id},
        receive_time=receive_time,
        unallocated_amount=amount,
        left_out_order_count=left_out,
        create_time=work.now,
        update_time=work.now,
        **await payment_owner(work, shares[0][0] if shares else None),
    )
    if shares:
        payment = payment.allocate(await pay_all(work, shares, payment_id=payment.id))
    return PAYMENTS.create(work, payment)


async def payment_owner(work: UnitOfWork, order: OpenItem | None) -> dict[str, Any]:
    """Whose a payment is: of who has the order that it pays first, or of who records it if that one may not have it."""
    # The order says who sold, whomever the caller may give records to.
    if order and await may_own(work, order.owner_id, permission=PAYMENTS.permission, scope=Scope.ALL):
        return {"owner_id": order.owner_id, "owner_team_id": order.owner_team_id}
    return {"owner_id": work.actor.user_id, "owner_team_id": work.actor.access.team_id}


def check_receive_time(work: UnitOfWork, receive_time: datetime) -> None:
    """InvalidArgument for money of another day than today or a past one since 1970, by the tenant's calendar."""
    check_plausible(receive_time, field="payment.receive_time")
    day_of = work.actor.access.day_of
    if day_of(receive_time) > day_of(work.now):
        raise invalid_field("payment.receive_time", "past", f"{receive_time.isoformat()} is after today")


def tidied(values: dict[str, Any]) -> dict[str, Any]:
    """The values, with what tells a payment from another as codes are kept."""
    return values | {name: tidied_code(values.get(name) or "") or None for name in ("reference", "bank_account")}


async def allocate_payment(work: UnitOfWork, before: Payment, order_id: UUID | None) -> Payment:
    """Allocate the rest of a payment to the order that is named, or to all in reach that are open, the oldest first."""
    before.require_unallocated()
    currency_code, left_out = before.amount.currency_code, before.left_out_order_count
    if order_id is not None:
        order = await payable_order(work, order_id, field="order_id")
        check_fits(order, before.account_id, currency_code, account_field="order_id", currency_field="order_id")
        payable = [order.open_item]
    else:
        payable = await open_items(work, before.account_id, currency_code)
        left_out = await count_open_beyond(work, before.account_id, currency_code)
    shares = allocate(before.unallocated_amount, payable)
    if not shares:
        raise nothing_to_pay(currency_code, left_out)
    allocations = await pay_all(work, shares, payment_id=before.id)
    after = replace(before.allocate(allocations), left_out_order_count=left_out)
    return PAYMENTS.save(work, before, after, events.PaymentAllocated, allocations=allocations)


def nothing_to_pay(currency_code: str, left_out: int) -> FailedPrecondition:
    """The error for a rest that goes nowhere; it says how many open orders the caller's permission does not reach."""
    if left_out:
        detail = f"nothing that you may pay is open in {currency_code}; {left_out} open orders are beyond your reach"
        return illegal_state("only_others_to_pay", detail, currency_code=currency_code, left_out=left_out)
    return illegal_state("nothing_to_pay", f"nothing is to be paid in {currency_code}", currency_code=currency_code)


async def reverse_payment(work: UnitOfWork, before: Payment, reason: str) -> Payment:
    """Reverse a payment: what it paid is open again at once. PermissionDenied unless all of that is in reach."""
    after = before.reverse(reason, now=work.now)
    await take_back_all(work, amounts_by_order(before.allocations), payment_id=before.id)
    return PAYMENTS.save(work, before, after, events.PaymentReversed)


async def payer(
    work: UnitOfWork, accounts: Accounts, account_id: UUID | None, order_id: UUID | None, currency_code: str
) -> tuple[UUID, list[OpenItem]]:
    """The account that pays, and what is open on its orders: on the one that is named, or on all in reach."""
    if order_id is not None:
        order = await payable_order(work, order_id, field="payment.order_id")
        fields = {"account_field": "payment.account_id", "currency_field": "payment.amount.currency_code"}
        check_fits(order, account_id or order.account_id, currency_code, **fields)
        return order.account_id, [order.open_item]
    if account_id is None:
        raise invalid_field("payment.account_id", "required", "name an account or an order")
    await require_account(work, accounts, account_id, field="payment.account_id")
    return account_id, await open_items(work, account_id, currency_code)


async def payable_order(work: UnitOfWork, order_id: UUID, *, field: str) -> Order:
    """The order that is to be paid; REFERENCE_NOT_FOUND, ORDER_ON_HOLD or ILLEGAL_STATE when it cannot be."""
    found = await ORDERS.get_referred(work, [order_id])
    if order_id not in found:
        raise invalid_field(field, "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
    order = found[order_id]
    order.require_released()
    return order


def check_fits(order: Order, account_id: UUID, currency_code: str, *, account_field: str, currency_field: str) -> None:
    """InvalidArgument unless the order is of the account and in the currency that the payment is in."""
    if account_id != order.account_id:
        raise invalid_field(account_field, "same_account", "is not the account of both payment and order")
    if currency_code != order.currency_code:
        detail = f"the payment is in {currency_code}, the order in {order.currency_code}"
        raise invalid_field(currency_field, "same_currency", detail)
