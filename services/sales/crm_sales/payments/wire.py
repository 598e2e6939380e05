"""What of a payment is told to whom: nothing of orders that they may not read."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from crm.type.v1.change_pb2 import Change, FieldChange
from crm_kit.database.work import Reader
from google.protobuf.struct_pb2 import NULL_VALUE, Value

from crm_sales.orders.queries import unreadable_among

ORDER, ALLOCATIONS = "order_id", "allocations"


class OrdersInReach:
    """Leaves out the order that a payment names, and what it paid of orders, where the reader may not read them."""

    async def withhold(self, reader: Reader, records: Sequence[Any]) -> None:
        """Take them out of payments. What they come to is the amount less what is told and what is unallocated."""
        beyond = await beyond_reach(reader, {id for payment in records for id in orders_of(payment)})
        if not beyond:
            return
        for payment in records:
            if payment.order_id in beyond:
                payment.ClearField(ORDER)
            told = [each for each in payment.allocations if each.order_id not in beyond]
            if len(told) < len(payment.allocations):
                del payment.allocations[:]
                payment.allocations.extend(told)

    async def withhold_from_changes(self, reader: Reader, changes: Sequence[Change]) -> None:
        """Take them out of what was changed."""
        fields = [field for change in changes for field in change.fields]
        values = {name: list(values_of(fields, name)) for name in (ORDER, ALLOCATIONS)}
        paid = [part for value in values[ALLOCATIONS] for part in value.list_value.values]
        named = {value.string_value for value in values[ORDER]} | {order_in(part) for part in paid}
        beyond = await beyond_reach(reader, named - {""})
        for value in values[ORDER]:
            if value.string_value in beyond:
                value.null_value = NULL_VALUE
        for value in values[ALLOCATIONS]:
            told = [part for part in value.list_value.values if order_in(part) not in beyond]
            if len(told) < len(value.list_value.values):
                del value.list_value.values[:]
                value.list_value.values.extend(told)


def orders_of(payment: Any) -> Iterator[str]:
    """The orders that the message of a payment speaks of."""
    if payment.order_id:
        yield payment.order_id
    for each in payment.allocations:
        yield each.order_id


def values_of(fields: Sequence[FieldChange], name: str) -> Iterator[Value]:
    """The old and new values of a field that changed."""
    for field in fields:
        if field.field == name:
            yield from (field.old_value, field.new_value)


def order_in(part: Value) -> str:
    """The order of an allocation as a history has it."""
    return part.struct_value.fields[ORDER].string_value


async def beyond_reach(reader: Reader, ids: set[str]) -> set[str]:
    """Those of the orders that the reader may not read."""
    return {str(id) for id in await unreadable_among(reader, {UUID(id) for id in ids})}
