"""The arithmetic of documents, beside an oracle that reckons in fractions and is written another way."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from crm_kit.money import minor_digits
from crm_sales.pricing.document import (
    Discount,
    DiscountTooHigh,
    DocumentAmounts,
    DocumentLine,
    DocumentPart,
    TaxRounding,
    price_document,
)
from crm_sales.pricing.splitting import split
from crm_sales.pricing.steps import PriceStep, StepMode, StepPrice, price_of
from hypothesis import given
from hypothesis import strategies as st

CURRENCIES = ("JPY", "CNY", "BHD")


def near(exact: Fraction, unit: Fraction) -> Fraction:
    """The multiple of the unit that is nearest; of two that are as near the one further from zero."""
    below = (exact / unit).__floor__()
    candidates = sorted((below * unit, (below + 1) * unit), key=lambda each: (abs(each - exact), -abs(each)))
    return candidates[0]


def unit_of(currency: str) -> Fraction:
    return Fraction(1, 10 ** minor_digits(currency))


def fractions(values: Sequence[Decimal]) -> list[Fraction]:
    return [Fraction(each) for each in values]


percents = st.decimals(0, 100, places=4)
quantities = st.decimals("-1000", "1000", places=4).filter(bool)
prices = st.decimals(0, 10**6, places=10)
rates = st.sampled_from([Decimal(0), Decimal(3), Decimal(6), Decimal("9.5"), Decimal(13)])
discounts = st.builds(Discount, percent=percents, amount=st.decimals(0, 5, places=3))


@st.composite
def lines_of(draw: st.DrawFn) -> list[DocumentLine]:
    price_per = draw(st.sampled_from([1, 10, 100, 1000]))
    made = []
    for _ in range(draw(st.integers(1, 8))):
        amount = price_of(draw(quantities), draw(prices), price_per)
        discount = draw(discounts)
        left = abs(Fraction(amount)) * (100 - Fraction(discount.percent)) / 100
        if left < Fraction(discount.amount):
            discount = Discount(discount.percent)
        made.append(DocumentLine(amount, discount, draw(rates)))
    return made


conventions = st.sampled_from(list(TaxRounding))
documents = st.fixed_dictionaries(
    {
        "lines": lines_of(),
        "currency_code": st.sampled_from(CURRENCIES),
        "discount": st.builds(Discount, percent=percents),
        "tax_rounding": conventions,
        "prices_include_tax": st.booleans(),
    }
)


def oracle_of_line(line: DocumentLine, unit: Fraction) -> tuple[Fraction, Fraction]:
    """What is shown before and after the discount of the line."""
    amount = Fraction(line.amount)
    off = Fraction(line.discount.amount) * (1 if amount >= 0 else -1)
    return near(amount, unit), near(amount * (1 - Fraction(line.discount.percent) / 100) - off, unit)


@given(documents)
def test_every_figure_of_a_document_is_what_fractions_make_it(document: dict[str, Any]) -> None:
    found: DocumentAmounts = price_document(**document)
    lines, unit = document["lines"], unit_of(str(document["currency_code"]))
    discount, included = document["discount"], bool(document["prices_include_tax"])
    before_and_after = [oracle_of_line(line, unit) for line in lines]
    assert [Fraction(each.list_amount) for each in found.lines] == [before for before, _ in before_and_after]
    assert [Fraction(each.discount) for each in found.lines] == [a - b for a, b in before_and_after]
    total = sum(after for _, after in before_and_after)
    assert Fraction(found.document_discount) == near(total * Fraction(discount.percent) / 100, unit)
    assert sum(fractions([each.document_discount for each in found.lines])) == Fraction(found.document_discount)
    for line, priced in zip(lines, found.lines, strict=True):
        left = Fraction(priced.list_amount - priced.discount - priced.document_discount)
        assert Fraction(priced.gross if included else priced.net) == left
        if document["tax_rounding"] is TaxRounding.LINE:
            assert Fraction(priced.tax) == tax_of(left, line.tax_percent, unit, included=included)
    for rate in found.rates:
        of_rate = [each for line, each in zip(lines, found.lines, strict=True) if line.tax_percent == rate.tax_percent]
        assert (sum(each.net for each in of_rate), sum(each.tax for each in of_rate)) == (rate.net, rate.tax)
        if document["tax_rounding"] is TaxRounding.RATE:
            whole = Fraction(rate.net + rate.tax if included else rate.net)
            assert Fraction(rate.tax) == tax_of(whole, rate.tax_percent, unit, included=included)
    assert sum(each.net for each in found.lines) == found.net
    assert sum(each.tax for each in found.lines) == found.tax == sum(each.tax for each in found.rates)


def tax_of(amount: Fraction, percent: Decimal, unit: Fraction, *, included: bool) -> Fraction:
    rate = Fraction(percent) / 100
    return amount - near(amount / (1 + rate), unit) if included else near(amount * rate, unit)


@given(documents)
def test_a_return_is_the_mirror_of_its_sale(document: dict[str, Any]) -> None:
    lines = document["lines"]
    mirrored = [DocumentLine(-line.amount, line.discount, line.tax_percent) for line in lines]
    sale = price_document(**document)
    back = price_document(**document | {"lines": mirrored})
    assert (back.net, back.tax, back.discount) == (-sale.net, -sale.tax, -sale.discount)
    assert [(-each.net, -each.tax, -each.document_discount) for each in back.lines] == [
        (each.net, each.tax, each.document_discount) for each in sale.lines
    ]


@given(documents)
def test_figures_have_no_more_decimals_than_the_currency(document: dict[str, Any]) -> None:
    found = price_document(**document)
    unit = unit_of(str(document["currency_code"]))
    for line in found.lines:
        for figure in (line.list_amount, line.discount, line.document_discount, line.net, line.tax, line.gross):
            assert (Fraction(figure) / unit).denominator == 1


def test_the_two_conventions_differ_as_the_standard_says() -> None:
    lines = [DocumentLine(Decimal("0.35"), tax_percent=Decimal(13))] * 4
    by_line = price_document(lines, "CNY")
    by_rate = price_document(lines, "CNY", tax_rounding=TaxRounding.RATE)
    assert (by_line.tax, by_rate.tax) == (Decimal("0.20"), Decimal("0.18"))
    assert [each.tax for each in by_rate.lines] == [Decimal(each) for each in ("0.04", "0.04", "0.05", "0.05")]


@pytest.mark.parametrize(
    ("amount", "currency", "net"),
    [("2.5", "JPY", "3"), ("-2.5", "JPY", "-3"), ("0.005", "CNY", "0.01"), ("-0.0005", "BHD", "-0.001")],
)
def test_a_tie_goes_away_from_zero_in_every_minor_unit(amount: str, currency: str, net: str) -> None:
    assert price_document([DocumentLine(Decimal(amount))], currency).net == Decimal(net)


def test_a_discounted_price_is_not_rounded_before_it_is_multiplied() -> None:
    line = DocumentLine(price_of(Decimal(1000), Decimal("0.0123456789")), Discount(Decimal(10)))
    assert price_document([line], "CNY").net == Decimal("11.11")


def test_a_price_per_thousand_is_divided_before_anything_is_rounded() -> None:
    assert price_of(Decimal(7), Decimal("0.5"), 1000) == Decimal("0.0035")


@pytest.mark.parametrize("amount", ["100", "-100"])
def test_a_discount_that_is_more_than_its_line_is_refused_by_the_lines_number(amount: str) -> None:
    lines = [DocumentLine(Decimal(1)), DocumentLine(Decimal(amount), Discount(Decimal(50), Decimal("50.01")))]
    with pytest.raises(DiscountTooHigh) as refused:
        price_document(lines, "CNY")
    assert refused.value.line == 1


@pytest.mark.parametrize("amount", ["9.996", "-9.996", "9.995"])
def test_all_that_is_shown_of_a_line_can_be_taken_off_though_it_was_rounded_up(amount: str) -> None:
    found = price_document([DocumentLine(Decimal(amount), Discount(amount=Decimal("10.00")))], "CNY")
    assert not found.net and abs(found.discount) == 10 and found.lines[0].list_amount == found.discount
    with pytest.raises(DiscountTooHigh):
        price_document([DocumentLine(Decimal(amount), Discount(amount=Decimal("10.01")))], "CNY")


@given(documents)
def test_nothing_is_left_of_a_document_that_is_discounted_by_all_of_it(document: dict[str, Any]) -> None:
    found = price_document(**document | {"discount": Discount(Decimal(100))})
    assert not any((found.net, found.tax, found.gross))
    assert not any(figure for each in found.lines for figure in (each.net, each.tax, each.gross))


@pytest.mark.parametrize("total", ["0", "0.01", "-0.01"])
def test_a_percentage_is_taken_off_each_line_though_sales_and_returns_nearly_cancel_out(total: str) -> None:
    lines = [DocumentLine(Decimal(100) + Decimal(total), tax_percent=Decimal(13)), DocumentLine(Decimal(-100))]
    found = price_document(lines, "CNY", discount=Discount(Decimal(50)))
    assert abs(found.lines[0].net - 50) <= Decimal("0.01") and abs(found.lines[1].net + 50) <= Decimal("0.01")
    assert found.tax == Decimal("6.50")


def test_an_amount_off_a_line_is_no_percentage_that_was_rounded() -> None:
    line = DocumentLine(Decimal("84.000"), Discount(amount=Decimal("70.000")), Decimal(19))
    (priced,) = price_document([line], "EUR").lines
    assert [priced.discount, priced.net, priced.tax] == [Decimal(70), Decimal(14), Decimal("2.66")]


def test_taxes_of_three_lines_are_a_cent_more_than_those_of_their_sum() -> None:
    lines = [DocumentLine(Decimal(each), tax_percent=Decimal(20)) for each in ("299.33", "179.33", "99.34")]
    taxes = [price_document(lines, "EUR", tax_rounding=each).tax for each in (TaxRounding.LINE, TaxRounding.RATE)]
    assert taxes == [Decimal("115.61"), Decimal("115.60")]


def test_a_discount_of_more_than_the_whole_document_is_refused() -> None:
    with pytest.raises(DiscountTooHigh) as refused:
        price_document([DocumentLine(Decimal(10))], "CNY", discount=Discount(amount=Decimal("10.01")))
    assert refused.value.line is None


# --- bundles

parts_of = st.lists(st.builds(DocumentPart, st.decimals(0, 1000, places=4), rates), min_size=1, max_size=5).filter(
    lambda parts: any(part.weight for part in parts)
)


@given(documents, parts_of)
def test_a_bundle_comes_to_what_its_parts_come_to_each_at_its_own_rate(
    document: dict[str, Any], parts: list[DocumentPart]
) -> None:
    lines = document["lines"]
    first, *others = lines
    bundle = DocumentLine(first.amount, first.discount, parts=tuple(parts))
    found = price_document(**document | {"lines": [bundle, *others]})
    plain = price_document(**document)
    line, unit, included = found.lines[0], unit_of(str(document["currency_code"])), document["prices_include_tax"]
    assert (line.list_amount, line.discount) == (plain.lines[0].list_amount, plain.lines[0].discount)
    assert (sum(part.net for part in line.parts), sum(part.tax for part in line.parts)) == (line.net, line.tax)
    left, weights = line.list_amount - line.discount - line.document_discount, sum(part.weight for part in parts)
    for part, share in zip(parts, line.parts, strict=True):
        amount = Fraction(share.net + share.tax if included else share.net)
        assert abs(amount - Fraction(left) * Fraction(part.weight) / Fraction(weights)) <= unit * 3 / 2
        assert amount == 0 or part.weight
        if document["tax_rounding"] is TaxRounding.LINE:
            assert Fraction(share.tax) == tax_of(amount, part.tax_percent, unit, included=bool(included))


# --- splitting

positive = st.lists(st.decimals(0, 10**6, places=2), min_size=1, max_size=12).filter(any)
signed = st.lists(st.integers(-1000, 1000), min_size=1, max_size=40).filter(lambda weights: sum(weights) != 0)


@given(st.integers(-(10**9), 10**9), positive)
def test_shares_add_up_keep_their_sign_and_are_near_what_they_should_be(whole: int, weights: list[Decimal]) -> None:
    shares, total = split(whole, weights), sum(fractions(weights))
    assert sum(shares) == whole
    for share, weight in zip(shares, fractions(weights), strict=True):
        assert abs(share - whole * weight / total) <= Fraction(3, 2)
        assert share * whole >= 0
        assert share == 0 or weight != 0


@given(signed, st.data())
def test_a_part_is_split_over_signed_amounts_without_turning_one_around(
    weights: list[int], data: st.DataObject
) -> None:
    total = sum(weights)
    whole = data.draw(st.integers(min(total, 0), max(total, 0)))
    shares = split(whole, weights, within=True)
    assert sum(shares) == whole
    for share, weight in zip(shares, weights, strict=True):
        assert share * weight >= 0
        assert abs(share) <= abs(weight)


@given(st.integers(-(10**9), 10**9), positive)
def test_units_that_are_left_go_to_the_largest_weights_and_of_equals_to_the_first(
    whole: int, weights: list[Decimal]
) -> None:
    shares, total = split(whole, weights), sum(fractions(weights))
    rounded = [near(whole * weight / total, Fraction(1)) for weight in fractions(weights)]
    moved = {index for index, share in enumerate(shares) if share != rounded[index]}
    order = sorted(range(len(weights)), key=lambda index: (-weights[index], index))
    assert moved == set(order[: len(moved)])


def test_one_over_six_equals_takes_from_the_first_two() -> None:
    assert split(100, [1] * 6) == [16, 16, 17, 17, 17, 17]


def test_nothing_is_split_over_weights_that_cancel_out() -> None:
    assert split(0, [1, -1]) == [0, 0]
    with pytest.raises(ValueError, match="zero"):
        split(1, [1, -1])


# --- steps


@st.composite
def step_prices(draw: st.DrawFn, mode: StepMode) -> StepPrice:
    starts = sorted(draw(st.sets(st.decimals(0, 100, places=2), min_size=1, max_size=6)))
    steps = tuple(PriceStep(start, draw(st.decimals(0, 100, places=6))) for start in starts)
    return StepPrice(steps, mode, draw(st.sampled_from([1, 100])))


small = st.decimals("0.01", "150", places=2)


@given(step_prices(StepMode.VOLUME), small)
def test_the_highest_step_that_is_reached_prices_all_of_a_volume(price: StepPrice, quantity: Decimal) -> None:
    reached = [step for step in reversed(price.steps) if quantity >= step.from_quantity]
    if not reached:
        assert price.step_at(quantity) is None
        return
    expected = Fraction(quantity) * Fraction(reached[0].unit_price) / price.price_per
    assert Fraction(price.amount_of(quantity)) == expected
    assert price.amount_of(-quantity) == -price.amount_of(quantity)


@given(step_prices(StepMode.GRADUATED), small)
def test_each_slice_of_a_graduated_price_has_its_own_price(price: StepPrice, quantity: Decimal) -> None:
    if price.step_at(quantity) is None:
        return
    hundredths = range(int(quantity * 100))
    starts = [step.from_quantity * 100 for step in price.steps[1:]]
    cents = [price.steps[sum(start <= each for start in starts)].unit_price for each in hundredths]
    assert Fraction(price.amount_of(quantity)) == sum(fractions(cents)) / 100 / price.price_per
    assert price.amount_of(-quantity) == -price.amount_of(quantity)


def test_more_pieces_that_cost_less_in_all_are_named() -> None:
    price = StepPrice((PriceStep(Decimal(1), Decimal(10)), PriceStep(Decimal(50), Decimal(8))))
    assert (price.cheaper_quantity(Decimal(45)), price.cheaper_quantity(Decimal(40))) == (Decimal(50), None)
