"""Single values between entities and messages."""

from decimal import Decimal

import pytest
from crm.sales.v1 import opportunities_pb2
from crm.type.v1 import money_pb2
from crm_kit.errors import InvalidArgument
from crm_kit.money import Money
from crm_kit.resource.codecs import codec_of, value_in
from hypothesis import given
from hypothesis import strategies as st

AMOUNT = opportunities_pb2.Opportunity.DESCRIPTOR.fields_by_name["amount"]


@given(
    st.integers(-(10**19) + 1, 10**19 - 1).map(lambda units: Decimal(units).scaleb(-4)), st.sampled_from(["CNY", "JPY"])
)
def test_an_amount_of_money_is_told_with_the_decimals_of_its_currency(amount: Decimal, currency: str) -> None:
    codec = codec_of(Money, AMOUNT, "amount")
    assert codec.to_message is not None and codec.from_message is not None
    message = codec.to_message(Money(amount, currency))
    assert message == money_pb2.Money(amount=Money(amount, currency).text(), currency_code=currency)
    assert codec.from_message(message) == Money(amount, currency)


@pytest.mark.parametrize(
    ("amount", "currency", "field"),
    [
        ("1e3", "CNY", "amount.amount"),
        ("NaN", "CNY", "amount.amount"),
        ("", "CNY", "amount.amount"),
        ("1.23456", "CNY", "amount.amount"),
        ("9" * 16, "CNY", "amount.amount"),
        ("1", "yuan", "amount.currency_code"),
    ],
)
def test_what_is_no_amount_of_money_is_refused_by_its_path(amount: str, currency: str, field: str) -> None:
    opportunity = opportunities_pb2.Opportunity(amount=money_pb2.Money(amount=amount, currency_code=currency))
    with pytest.raises(InvalidArgument) as caught:
        value_in(opportunity, "amount", Money)
    assert [each.field for each in caught.value.violations] == [field]
