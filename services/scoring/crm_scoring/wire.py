"""Values that several resources share, between protobuf and Python."""

from crm.type.v1 import money_pb2
from crm_kit.money import Money, parse_money


def money_from_pb(value: money_pb2.Money, *, field: str) -> Money:
    return parse_money(value.amount, value.currency_code, field=field)


def money_to_pb(value: Money | None) -> money_pb2.Money | None:
    return None if value is None else money_pb2.Money(amount=value.text(), currency_code=value.currency_code)
