from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from crm_kit import currencies
from crm_kit.errors import InvalidArgument
from crm_kit.money import (
    Money,
    check_currency,
    check_range,
    format_amount,
    minor_digits,
    parse_amount,
    parse_money,
    total,
)
from hypothesis import given
from hypothesis import strategies as st

AMOUNTS = st.integers(-(10**19) + 1, 10**19 - 1).map(lambda units: Decimal(units).scaleb(-4))
PERCENTS = st.integers(-9_999_999, 9_999_999).map(lambda units: Decimal(units).scaleb(-4))
CURRENCIES = st.sampled_from(["CNY", "USD", "JPY", "BHD", "CLF"])


def cny(amount: str) -> Money:
    return Money(Decimal(amount), "CNY")


def rounded_half_away_from_zero(exact: Fraction, digits: int) -> Fraction:
    """The oracle: the multiple of the unit next to the value; of two equally near the one farther from zero."""
    unit = Fraction(1, 10**digits)
    below = exact // unit * unit
    return min((below, below + unit), key=lambda near: (abs(near - exact), -abs(near)))


@pytest.mark.parametrize(
    ("currency", "digits"), [("CNY", 2), ("EUR", 2), ("JPY", 0), ("KRW", 0), ("VND", 0), ("BHD", 3), ("CLF", 4)]
)
def test_minor_units_are_those_of_iso_4217(currency: str, digits: int) -> None:
    assert minor_digits(currency) == digits


@given(AMOUNTS, AMOUNTS, CURRENCIES)
def test_sums_and_differences_are_exact(one: Decimal, other: Decimal, currency: str) -> None:
    a, b = Money(one, currency), Money(other, currency)
    assert Fraction((a + b).amount) == Fraction(one) + Fraction(other)
    assert Fraction((a - b).amount) == Fraction(one) - Fraction(other)
    assert a - b == -(b - a)


@given(AMOUNTS, AMOUNTS)
def test_products_are_exact_whatever_the_surrounding_decimal_context(amount: Decimal, factor: Decimal) -> None:
    with localcontext(prec=3):
        product = Money(amount, "CNY") * factor
    assert Fraction(product.amount) == Fraction(amount) * Fraction(factor)


@given(AMOUNTS, CURRENCIES)
def test_rounding_goes_to_the_minor_unit_half_away_from_zero(amount: Decimal, currency: str) -> None:
    expected = rounded_half_away_from_zero(Fraction(amount), minor_digits(currency))
    assert Fraction(Money(amount, currency).rounded().amount) == expected


@given(AMOUNTS, PERCENTS, CURRENCIES)
def test_a_percentage_is_rounded_once(amount: Decimal, percent: Decimal, currency: str) -> None:
    exact = Fraction(amount) * Fraction(percent) / 100
    expected = rounded_half_away_from_zero(exact, minor_digits(currency))
    assert Fraction(Money(amount, currency).percent(percent).amount) == expected


@pytest.mark.parametrize("amount", ["999999999999999.99", "-999999999999999.99", "0"])
def test_an_amount_that_a_message_can_carry_is_in_range(amount: str) -> None:
    check_range(cny(amount), field="total")


@pytest.mark.parametrize("amount", ["1000000000000000", "-1000000000000000", "1E+40"])
def test_an_amount_that_no_message_can_carry_is_refused(amount: str) -> None:
    with pytest.raises(InvalidArgument, match="15 digits") as refusal:
        check_range(cny(amount), field="total")
    assert [each.field for each in refusal.value.violations] == ["total.amount"]


def test_a_half_cent_goes_up_and_its_credit_mirrors_it() -> None:
    assert cny("1.005").rounded() == cny("1.01")
    assert cny("-1.005").rounded() == cny("-1.01")
    assert Money(Decimal("0.5"), "JPY").rounded() == Money(Decimal(1), "JPY")
    assert Money(Decimal("1.0005"), "BHD").rounded() == Money(Decimal("1.001"), "BHD")


@given(st.lists(AMOUNTS), CURRENCIES)
def test_a_total_is_the_exact_sum_and_zero_of_nothing(amounts: list[Decimal], currency: str) -> None:
    summed = total((Money(amount, currency) for amount in amounts), currency)
    assert Fraction(summed.amount) == sum((Fraction(amount) for amount in amounts), Fraction(0))
    assert summed.currency_code == currency


@given(AMOUNTS, AMOUNTS)
def test_amounts_of_one_currency_compare_as_their_numbers(one: Decimal, other: Decimal) -> None:
    a, b = Money(one, "CNY"), Money(other, "CNY")
    assert (a < b, a <= b, a > b, a >= b, a == b) == (
        one < other,
        one <= other,
        one > other,
        one >= other,
        one == other,
    )


def test_two_currencies_neither_add_nor_compare() -> None:
    yuan, yen = Money(Decimal(1), "CNY"), Money(Decimal(1), "JPY")
    for together in (
        lambda: yuan + yen,
        lambda: yuan - yen,
        lambda: yuan < yen,
        lambda: yuan >= yen,
        lambda: total([yuan, yen], "CNY"),
    ):
        with pytest.raises(ValueError, match="CNY and JPY"):
            together()
    assert yuan != yen


@pytest.mark.parametrize("wrong", [1.5, 1, "1", Decimal("NaN"), Decimal("Infinity")])
def test_an_amount_is_a_finite_decimal_and_never_a_float(wrong: Any) -> None:
    with pytest.raises(TypeError):
        Money(wrong, "CNY")


@pytest.mark.parametrize("wrong", [0.1, True, "2"])
def test_money_is_not_multiplied_by_floats(wrong: Any) -> None:
    with pytest.raises(TypeError):
        cny("1") * wrong


def test_a_number_is_not_money() -> None:
    other: Any = Decimal(1)
    with pytest.raises(TypeError):
        cny("1") + other


@given(AMOUNTS, CURRENCIES)
def test_text_reads_back_as_the_same_money(amount: Decimal, currency: str) -> None:
    money = Money(amount, currency)
    assert parse_money(money.text(), currency) == money


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("5", "CNY", "5.00"),
        ("5E+3", "CNY", "5000.00"),
        ("1.2345", "CNY", "1.2345"),
        ("1.50", "JPY", "1.5"),
        ("3.000", "JPY", "3"),
        ("0.1", "BHD", "0.100"),
        ("-0.00", "CNY", "0.00"),
        ("1E-4", "CNY", "0.0001"),
        ("999999999999999.9999", "CNY", "999999999999999.9999"),
    ],
)
def test_text_is_plain_and_has_at_least_the_minor_unit(amount: str, currency: str, text: str) -> None:
    assert format_amount(Decimal(amount), currency) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1e3",
        "+1",
        "1.",
        ".5",
        "1,000",
        " 1",
        "1\n",
        "１",
        "NaN",
        "--1",
        "0x1",
        "1.23456",
        "1234567890123456",
        "1_0",
    ],
)
def test_text_that_is_not_a_plain_decimal_is_refused_by_field(text: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        parse_amount(text, field="total.amount")
    assert [violation.field for violation in raised.value.violations] == ["total.amount"]


@pytest.mark.parametrize("code", ["", "cny", "CN", "CNYY", "C1Y", "CNY\n"])
def test_a_currency_is_three_capitals(code: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        parse_money("1", code, field="total")
    assert [violation.field for violation in raised.value.violations] == ["total.currency_code"]
    with pytest.raises(ValueError, match="ISO 4217"):
        Money(Decimal(1), code)


def test_a_currency_is_one_of_iso_4217_in_which_people_pay() -> None:
    for code in ("CNY", "JPY", "BHD", "CLF", "XCG", "ZWG"):
        check_currency(code, field="currency_code")
    # Withdrawn, no currency, for tests, gold, in small letters, and none at all.
    for code in ("DEM", "ZWL", "XXX", "XTS", "XAU", "cny", "ZZZ", ""):
        with pytest.raises(InvalidArgument) as refused:
            check_currency(code, field="payment.amount.currency_code")
        assert [each.field for each in refused.value.violations] == ["payment.amount.currency_code"]
    assert set(currencies.MINOR_DIGITS) <= currencies.CURRENCIES
