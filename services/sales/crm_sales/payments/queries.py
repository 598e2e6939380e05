"""Every SELECT on payments."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.filtering.schema import FilterField, FilterSchema, money_fields, team_field, user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope, visible
from crm_kit.listing import Listing
from crm_kit.money import Money
from crm_kit.paging import OrderColumn
from sqlalchemy import Select, bindparam, select

from crm_sales.payments.model import Payment, PaymentAllocation
from crm_sales.payments.tables import payments

COLUMNS = [column for column in payments.c if column.name != "tenant_id"]


def _listed(scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    return select(*COLUMNS).where(payments.c.tenant_id == bindparam("tenant_id"), visible(payments, scope))


def _of(type: FieldType, *names: str) -> dict[str, FilterField]:
    return {name: FilterField(type, payments.c[name]) for name in names}


LISTING = Listing(
    name="payments",
    rows=_listed,
    fields=FilterSchema(
        {
            **_of(FieldType.UUID, "id", "account_id", "order_id"),
            "owner_id": user_field(payments.c.owner_id),
            "owner_team_id": team_field(payments.c.owner_team_id),
            **_of(FieldType.TEXT, "reference"),
            **_of(FieldType.INSTANT, "receive_time", "create_time"),
            **money_fields("amount", payments.c.amount, payments.c.currency_code),
            **money_fields("unallocated_amount", payments.c.unallocated_amount, payments.c.currency_code),
        }
    ),
    orders={
        "id": OrderColumn(payments.c.id),
        "create_time": OrderColumn(payments.c.create_time),
        "receive_time": OrderColumn(payments.c.receive_time),
    },
)


def payment_from(row: Record) -> Payment:
    """The entity that a row of `COLUMNS` holds."""
    values = dict(row)
    currency = values.pop("currency_code")
    values["amount"] = Money(values["amount"], currency)
    values["unallocated_amount"] = Money(values["unallocated_amount"], currency)
    values["allocations"] = tuple(allocation_from(each) for each in values["allocations"])
    return Payment(**values)


def allocation_from(stored: Mapping[str, Any]) -> PaymentAllocation:
    """An allocation as JSON keeps it: ids, decimals and dates as text."""
    amounts = {name: stored[name] for name in ("amount", "open_amount")}
    return PaymentAllocation(
        order_id=UUID(stored["order_id"]),
        due_date=date.fromisoformat(stored["due_date"]),
        **{name: Money(Decimal(each["amount"]), each["currency_code"]) for name, each in amounts.items()},
    )
