from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from crm_kit.money import Money
from crm_scoring.facts.model import NO_CURRENCY, Bucket, Fact, FactKind

ACCOUNT = UUID(int=1)
EVENING = datetime(2026, 1, 1, 23, 30, tzinfo=UTC)


def test_amounts_of_two_currencies_are_not_added_up_together() -> None:
    def ordered(code: str) -> Fact:
        return Fact(UUID(int=2), FactKind.ORDER, 1, ACCOUNT, EVENING, EVENING.date(), Money(Decimal(10), code))

    assert ordered("CNY").bucket == Bucket(ACCOUNT, date(2026, 1, 1), "CNY")
    assert ordered("USD").bucket != ordered("CNY").bucket


def test_what_is_no_matter_of_money_has_the_code_for_no_currency() -> None:
    assert Fact(UUID(int=2), FactKind.CASE, 1, ACCOUNT, EVENING, EVENING.date()).bucket.currency_code == NO_CURRENCY
