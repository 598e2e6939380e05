"""What payments do to orders: to very many of them, where somebody pays a whole year at once."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from crm_kit.database.work import UnitOfWork
from crm_kit.errors import Conflict, denied
from crm_kit.money import Money
from crm_kit.resource.reading import in_turns

from crm_sales.orders.commands import pay_order, take_back_payment
from crm_sales.orders.model import OpenItem, Order
from crm_sales.orders.resource import ORDERS
from crm_sales.payments.model import PaymentAllocation

Made = TypeVar("Made")
AT_ONCE = 25
"""Orders that are read and written together: each may have 200 lines, of which little more than these is in memory."""


async def pay_all(
    work: UnitOfWork, shares: Sequence[tuple[OpenItem, Money]], *, payment_id: UUID
) -> tuple[PaymentAllocation, ...]:
    """Gather what a payment does to its orders. Conflict when one of them is no longer what was divided by."""
    versions = {item.order_id: item.version for item, _ in shares}

    def pay(order: Order, amount: Money) -> PaymentAllocation:
        if order.version != versions[order.id]:
            raise Conflict("an order was changed by somebody else at the same time; try again")
        after = pay_order(work, order, amount, payment_id=payment_id)
        return PaymentAllocation(order.id, amount, after.open_item.due_date, after.open_amount)

    return tuple(await each_order(work, {item.order_id: amount for item, amount in shares}, pay))


async def take_back_all(work: UnitOfWork, amounts: Mapping[UUID, Money], *, payment_id: UUID) -> None:
    """Gather that what had gone to orders of a payment is gone again. PermissionDenied unless all are in reach."""

    def take_back(order: Order, amount: Money) -> None:
        take_back_payment(work, order, amount, payment_id=payment_id)

    await each_order(work, amounts, take_back)


async def each_order(
    work: UnitOfWork, amounts: Mapping[UUID, Money], change: Callable[[Order, Money], Made]
) -> list[Made]:
    """Change orders by an amount each, in the one transaction and a few at a time; what was made of each."""
    ids, made = list(amounts), list[Made]()
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        orders = await ORDERS.get_many(work, some)
        if len(orders) < len(some):
            raise denied("orders_beyond", "the payment concerns orders that your payments.write does not reach")
        made += await in_turns([(orders[id], amounts[id]) for id in some], lambda each: change(*each))
        if len(ids) > AT_ONCE:
            await work.flush_many()
    return made
