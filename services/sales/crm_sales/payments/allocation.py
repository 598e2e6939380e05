"""Which orders a payment pays, and how much of each."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from crm_kit.errors import invalid_field
from crm_kit.money import Money

from crm_sales.orders.model import OpenItem
from crm_sales.payments.model import PaymentAllocation


def allocate(payment: Money, items: Iterable[OpenItem]) -> list[tuple[OpenItem, Money]]:
    """Divide a payment over what is open on orders: the oldest due date first, ties by id.

    What is more than is open is in no share. All are in the payment's currency. InvalidArgument for a payment
    that is not above zero.
    """
    if payment.amount <= 0:
        raise invalid_field("payment.amount", "positive", f"{payment} is not above zero")
    shares = []
    left = payment
    for item in sorted(items, key=lambda item: (item.due_date, item.order_id)):
        if not left:
            break
        share = min(left, item.open_amount)
        if share:
            shares.append((item, share))
            left -= share
    return shares


def amounts_by_order(allocations: Iterable[PaymentAllocation]) -> Mapping[UUID, Money]:
    """What went to each order, in the order in which they came first: one may have been paid more than once."""
    amounts: dict[UUID, Money] = {}
    for each in allocations:
        amounts[each.order_id] = amounts[each.order_id] + each.amount if each.order_id in amounts else each.amount
    return amounts
