"""Quotes: what they come to beside an oracle in fractions, what approvals go by, and what is frozen. Pure rules."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from crm_kit.errors import FailedPrecondition, InvalidArgument
from crm_kit.money import Money, minor_digits
from crm_sales.price_books.model import Audience
from crm_sales.priced_lines.answers import Answers, reckoned
from crm_sales.priced_lines.model import Draft, LineToPrice, Part, Question
from crm_sales.pricing.document import Discount, TaxRounding
from crm_sales.pricing.selection import Candidate, Choice, Sought
from crm_sales.pricing.steps import PriceStep, StepPrice
from crm_sales.products.model import Product, ProductKind, ProductVersion
from crm_sales.quotes.comparing import compared
from crm_sales.quotes.figures import figures_of
from crm_sales.quotes.measures import OfferedLine, deepest_discount_percent
from crm_sales.quotes.model import REVISABLE, Quote, QuoteState, quote_number
from crm_sales.quotes.ordering import order_of, require_orderable
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2027, 3, 1, 4, tzinfo=UTC)
DAY = date(2027, 3, 1)
ID, OTHER_ID = UUID(int=1), UUID(int=2)
SOLD = Product(ID, "配电变压器", "TR-400", ProductKind.GOODS, NOW, NOW)
VERSION = ProductVersion(DAY, "台", "STANDARD", number=1)
CURRENCIES = ("JPY", "CNY", "BHD")
# What says where a version stands; all else of it is content.
STANDING = ("state", "is_current", "send_time", "close_time", "reject_reason", "order_id")

percents = st.decimals(0, 100, places=4)
quantities = st.decimals("0.0001", 1000, places=4)
prices = st.decimals("0.01", 10**5, places=6)
rates = st.sampled_from([Decimal(0), Decimal(6), Decimal("9.5"), Decimal(13)])


def half_up(value: Fraction, digits: int) -> Fraction:
    """Of a value that is not below zero."""
    return Fraction((value * 10**digits + Fraction(1, 2)).__floor__(), 10**digits)


def draft_of(
    quantity: Decimal, listed: Decimal, own: Decimal | None, off: Discount, rate: Decimal, parts: tuple[Part, ...] = ()
) -> Draft:
    price = StepPrice([PriceStep(Decimal(0), listed)])
    taken = Candidate(ID, OTHER_ID, "CNY", Audience.EVERYONE, DAY, price)
    asked = LineToPrice(ID, quantity, own, off.percent, off.amount)
    amount = quantity * (listed if own is None else own)
    return Draft(SOLD, VERSION, asked, Choice(taken, ()), amount, None if parts else rate, None, parts)


discounts = st.builds(Discount, percent=percents)
parts_of = st.lists(st.builds(Part, st.just(SOLD), st.just(VERSION), quantities, prices, rates, st.none()), max_size=3)
drafts = st.builds(
    draft_of, quantities, prices, st.none() | prices, discounts, rates, st.one_of(st.just(()), parts_of.map(tuple))
)


def answers_of(lines: list[Draft], currency: str, discount: Discount, *, included: bool = False) -> Answers:
    asked = [line.asked for line in lines]
    return reckoned(Question(asked, Sought(currency, DAY), discount, TaxRounding.LINE, included), lines)


def quote_of(answers: Answers) -> Quote:
    question = answers.question
    quote = Quote(
        id=ID,
        display_name="配电房改造",
        number=quote_number(2027, 7),
        account_id=OTHER_ID,
        owner_id=OTHER_ID,
        currency_code=question.sought.currency_code,
        valid_until_date=DAY,
        lines=tuple(question.lines),
        pricing_date=DAY,
        prices_include_tax=question.prices_include_tax,
        create_time=NOW,
        update_time=NOW,
    )
    lines = tuple(map(answers.line, range(len(answers.drafts))))
    return replace(quote, priced_lines=lines, **{**figures_of(answers), "pricing_date": DAY})


questions = st.tuples(st.lists(drafts, min_size=1, max_size=6), st.sampled_from(CURRENCIES), discounts)


@given(questions)
def test_the_totals_of_a_quote_are_what_fractions_make_them(question: tuple[list[Draft], str, Discount]) -> None:
    lines, currency, discount = question
    quote, digits = quote_of(answers_of(lines, currency, discount)), minor_digits(currency)
    own = [
        half_up(Fraction(line.amount) * (100 - Fraction(line.asked.discount_percent)) / 100, digits) for line in lines
    ]
    whole = half_up(sum(own, Fraction(0)) * Fraction(discount.percent) / 100, digits)
    assert Fraction(quote.document_discount_amount.amount) == whole
    assert sum(Fraction(each.document_discount_amount.amount) for each in quote.priced_lines) == whole
    assert Fraction(quote.net_amount.amount) == sum(own) - whole
    for line, before in zip(quote.priced_lines, own, strict=True):
        net = before - Fraction(line.document_discount_amount.amount)
        assert Fraction(line.net_amount.amount) == net >= 0
        taxed = [(part.net_amount, part.tax_percent) for part in line.parts]
        taxed = taxed or [(line.net_amount, line.tax_percent or Decimal(0))]
        tax = sum(half_up(Fraction(each.amount) * Fraction(rate) / 100, digits) for each, rate in taxed)
        assert Fraction(line.tax_amount.amount) == tax
    assert quote.gross_amount == quote.net_amount + quote.tax_amount
    for name in ("net_amount", "tax_amount"):
        assert sum(getattr(each, name).amount for each in quote.rates) == getattr(quote, name).amount


@given(questions, st.booleans())
def test_the_order_of_a_quote_has_its_amounts_to_the_last_unit(
    question: tuple[list[Draft], str, Discount], included: bool
) -> None:
    quote = quote_of(answers_of(*question, included=included))
    order = order_of(quote, OTHER_ID, owner_team_id=None, now=NOW).checked()
    assert (order.net_amount, order.tax_amount, order.gross_amount) == (
        quote.net_amount,
        quote.tax_amount,
        quote.gross_amount,
    )
    taxed = [each for line in quote.priced_lines for each in (line.parts or (line,))]
    assert [(line.net_amount, line.tax_amount, line.quantity) for line in order.lines] == [
        (each.net_amount, each.tax_amount, each.quantity) for each in taxed
    ]
    for line in order.lines:
        exponent = line.unit_price.amount.as_tuple().exponent
        assert isinstance(exponent, int) and exponent >= -4
        assert 0 <= line.discount_percent <= 100


def bundled(quantity: str, price: str, count: int = 1) -> Quote:
    """Of one bundle with so many parts."""
    parts = (Part(SOLD, VERSION, Decimal(quantity), Decimal(1), Decimal(13), None),) * count
    line = draft_of(Decimal(1), Decimal(price), None, Discount(), Decimal(13), parts)
    return quote_of(answers_of([line], "CNY", Discount()))


@pytest.mark.parametrize(
    ("quantity", "price"), [("0.18755", "10"), ("1E-8", "10"), ("1E9", "10"), ("0.0001", "999999999999")]
)
def test_what_an_order_has_no_room_for_is_refused_before_the_customer_agrees(quantity: str, price: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        require_orderable(bundled(quantity, price))
    assert [(each.field, each.rule) for each in refused.value.violations] == [("lines", "not_orderable")]
    assert require_orderable(bundled("0.18750", "10")).priced_lines


def test_a_quote_becomes_no_more_lines_than_an_order_has() -> None:
    most, more = bundled("1", "9", 200), bundled("1", "9", 201)
    assert require_orderable(most) is most
    with pytest.raises(InvalidArgument) as refused:
        require_orderable(more)
    assert [each.rule for each in refused.value.violations] == ["too_many_order_lines"]


# --- what approvals go by

listed_lines = st.builds(
    OfferedLine,
    list_amount=st.decimals("0.01", 10**6, places=4),
    amount=st.decimals("0.01", 10**6, places=4),
    discount=discounts,
)


@given(st.lists(listed_lines, min_size=1, max_size=5), percents)
def test_the_deepest_discount_is_over_a_limit_exactly_when_a_line_is(
    lines: list[OfferedLine], document: Decimal
) -> None:
    found = deepest_discount_percent(lines, Discount(document))
    kept = 1 - Fraction(document) / 100
    exact = max(
        1 - Fraction(each.amount) * (1 - Fraction(each.discount.percent) / 100) * kept / Fraction(each.list_amount or 1)
        for each in lines
    )
    exact = max(exact * 100, Fraction(0))
    for limit in (found, found - Decimal("0.0001"), Decimal(15), Decimal("15.0001")):
        assert (found > limit) == (exact > Fraction(limit)), limit


@pytest.mark.parametrize(
    ("lines", "document", "deepest"),
    [
        ([OfferedLine(Decimal(100), Decimal(100), Discount(Decimal(15)))], Discount(), "15.0000"),
        ([OfferedLine(Decimal(100), Decimal("84.996"), Discount())], Discount(), "15.0040"),
        # A third of a cent over it is over it.
        ([OfferedLine(Decimal(3), Decimal("2.5499999"), Discount())], Discount(), "15.0001"),
        # What rounds to more at the till was not offered for less.
        ([OfferedLine(Decimal("0.33"), Decimal("0.33"), Discount(Decimal(15)))], Discount(), "15.0000"),
        ([OfferedLine(Decimal(100), Decimal(100), Discount(Decimal(10)))], Discount(Decimal(10)), "19.0000"),
        ([OfferedLine(Decimal(100), Decimal(100), Discount())] * 2, Discount(amount=Decimal(30)), "15.0000"),
        ([OfferedLine(Decimal(100), Decimal(130), Discount())], Discount(), "0.0000"),
        # Nothing says how much is taken off a price that no price book has.
        ([OfferedLine(None, Decimal(130), Discount())], Discount(), "100.0000"),
        ([OfferedLine(Decimal(0), Decimal(0), Discount())], Discount(), "0.0000"),
        ([OfferedLine(None, Decimal(0), Discount())], Discount(), "100.0000"),
        # A return is no discount, unless more is given back than it costs.
        ([OfferedLine(Decimal(-100), Decimal(-10), Discount())], Discount(), "0.0000"),
        ([OfferedLine(Decimal(-100), Decimal(-100), Discount())], Discount(), "0.0000"),
        ([OfferedLine(Decimal(-100), Decimal(-125), Discount())], Discount(), "20.0000"),
        (
            [
                OfferedLine(Decimal(1000), Decimal(1000), Discount()),
                OfferedLine(Decimal(-1), Decimal(-500), Discount()),
            ],
            Discount(),
            "99.8000",
        ),
        ([OfferedLine(None, Decimal(-5), Discount())], Discount(), "100.0000"),
        ([OfferedLine(Decimal(0), Decimal(-5), Discount())], Discount(), "100.0000"),
        ([OfferedLine(Decimal(100), Decimal(0), Discount())], Discount(), "100.0000"),
    ],
)
def test_discounts_are_measured_against_the_price_books(
    lines: list[OfferedLine], document: Discount, deepest: str
) -> None:
    assert str(deepest_discount_percent(lines, document)) == deepest


# --- states

PLAIN = quote_of(answers_of([draft_of(Decimal(2), Decimal(100), None, Discount(), Decimal(13))], "CNY", Discount()))
Verb = Callable[[Quote], Quote]
VERBS: dict[str, Verb] = {
    "submit": lambda quote: quote.submit(),
    "send": lambda quote: quote.send(now=NOW, today=DAY),
    "accept": lambda quote: quote.accept(OTHER_ID, now=NOW, today=DAY),
    "reject": lambda quote: quote.reject("too dear", now=NOW),
    "expire": lambda quote: quote.expire(now=NOW),
    "supersede": lambda quote: quote.supersede(now=NOW),
    "revised": lambda quote: quote.revised(now=NOW),
    "update": lambda quote: quote.update({"terms": "ex works"}, today=DAY),
    "price": lambda quote: quote.update({"discount_percent": Decimal(5)}, today=DAY),
}
MOVES = {
    QuoteState.DRAFT: {"submit"},
    QuoteState.APPROVED: {"send", "supersede", "revised"},
    QuoteState.SENT: {"accept", "reject", "expire", "supersede", "revised"},
    QuoteState.REJECTED: {"revised"},
    QuoteState.EXPIRED: {"revised"},
    QuoteState.ACCEPTED: set(),
    QuoteState.SUPERSEDED: set(),
}


@given(st.lists(st.sampled_from(sorted(VERBS)), max_size=8))
def test_no_content_changes_after_a_version_was_a_draft(verbs: list[str]) -> None:
    quote = PLAIN
    for verb in verbs:
        before = quote
        try:
            quote = VERBS[verb](before)
        except FailedPrecondition:
            legal = MOVES[before.state] | ({"update", "price"} if before.state is QuoteState.DRAFT else set())
            assert verb not in legal or (verb == "revised" and not before.is_current)
            continue
        if before.state is not QuoteState.DRAFT:
            standing: dict[str, Any] = {name: getattr(before, name) for name in STANDING}
            assert replace(quote, **standing) == before
            assert verb in MOVES[before.state]


@pytest.mark.parametrize("state", REVISABLE)
def test_a_next_version_has_the_same_content_and_stands_at_the_beginning(state: QuoteState) -> None:
    before = replace(PLAIN, state=state, close_time=NOW, send_time=NOW, reject_reason="too dear", version=9)
    after = before.next_version(OTHER_ID, now=NOW + timedelta(1))
    assert (after.id, after.version_number, after.state, after.is_current) == (OTHER_ID, 2, QuoteState.DRAFT, True)
    begun: dict[str, Any] = {"id": ID, "version_number": 1, "create_time": NOW, "update_time": NOW}
    assert replace(after, **begun) == PLAIN


@pytest.mark.parametrize(("days", "accepted"), [(-1, True), (0, True), (1, False), (400, False)])
def test_a_quote_is_accepted_up_to_its_last_day(days: int, accepted: bool) -> None:
    sent, today = replace(PLAIN, state=QuoteState.SENT), DAY + timedelta(days)
    assert sent.has_expired(today) is not accepted
    if accepted:
        assert sent.accept(OTHER_ID, now=NOW, today=today).state is QuoteState.ACCEPTED
        return
    with pytest.raises(FailedPrecondition) as refused:
        sent.accept(OTHER_ID, now=NOW, today=today)
    assert (refused.value.reason, refused.value.metadata) == ("QUOTE_EXPIRED", {"valid_until_date": "2027-03-01"})


def test_prices_are_compared_line_by_line() -> None:
    (line,) = PLAIN.priced_lines
    dearer = replace(line, unit_price=Decimal(120), net_amount=Money(Decimal(240), "CNY"))
    found = compared(PLAIN, replace(PLAIN, priced_lines=(dearer,)))
    assert found["differs"]
    (beside,) = found["lines"]
    assert (beside.old_unit_price, beside.new_unit_price) == (Decimal(100), Decimal(120))
    assert not compared(PLAIN, PLAIN)["differs"]
    # An option that has gone is beside nothing.
    gone = compared(replace(PLAIN, priced_lines=(line, replace(line, product_id=OTHER_ID))), PLAIN)["lines"]
    assert [(each.old_net_amount is None, each.new_net_amount is None) for each in gone] == [
        (True, False),
        (False, True),
        (False, True),
    ]
