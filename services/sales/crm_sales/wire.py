"""Values that several resources share, between protobuf and Python."""

from datetime import date
from decimal import Decimal

from crm.type.v1 import money_pb2
from crm_kit.errors import invalid_field
from crm_kit.money import Money, parse_money

NOTHING = Money(Decimal(0), "CNY")


def money_from(value: money_pb2.Money, *, field: str, exact: bool = False) -> Money:
    """Money of the contract; not finer than the currency's minor unit unless it is an unrounded price."""
    money = parse_money(value.amount, value.currency_code, field=field)
    if not exact and money.rounded() != money:
        raise invalid_field(f"{field}.amount", "minor_unit", f"{money} is finer than the currency's smallest unit")
    return money


def money_or_nothing(value: money_pb2.Money, *, field: str) -> Money:
    """Optional money: 0 CNY when it is not set."""
    return money_from(value, field=field) if value.currency_code else NOTHING


def money_to_pb(money: Money) -> money_pb2.Money:
    return money_pb2.Money(amount=money.text(), currency_code=money.currency_code)


def date_from(text: str, *, field: str) -> date | None:
    """A civil date; None when empty. InvalidArgument when there is no such day."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise invalid_field(field, "date", f"{text} is not a day of the calendar") from error
