"""Which orders a payment pays, and how much of each."""

from collections.abc import Iterable, Mapping
from datetime import date
from uuid import UUID

from crm_kit.errors import invalid_field
from crm_kit.money import Money

from crm_sales.orders.model import Order
from crm_sales.payments.model import PaymentAllocation


def allocate(payment: Money, orders: Iterable[Order]) -> list[tuple[Order, Money]]:
    """Divide a payment over orders with open amounts: the oldest due date first, ties by id.

    What is more than is open is in no share. All are in the payment's currency. InvalidArgument for a payment
    that is not above zero.
    """
    if payment.amount <= 0:
        raise invalid_field("payment.amount", "positive", f"{payment} is not above zero")
    shares = []
    left = payment
    for order in sorted(orders, key=lambda order: (order.due_date or date.max, order.id)):
        if not left:
            break
        share = min(left, order.open_amount)
        if share:
            shares.append((order, share))
            left -= share
    return shares


def amounts_by_order(allocations: Iterable[PaymentAllocation]) -> Mapping[UUID, Money]:
    """What went to each order, in the order in which they came first: one may have been paid more than once."""
    amounts: dict[UUID, Money] = {}
    for each in allocations:
        amounts[each.order_id] = amounts[each.order_id] + each.amount if each.order_id in amounts else each.amount
    return amounts
