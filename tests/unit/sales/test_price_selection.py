"""Which price holds, beside an oracle that compares each with each."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from uuid import UUID

from crm_sales.accounts.model import ValueTier
from crm_sales.price_books.model import Audience
from crm_sales.pricing.selection import Candidate, Cause, Sought, choose
from crm_sales.pricing.steps import PriceStep, StepPrice
from hypothesis import given
from hypothesis import strategies as st

DAY = date(2026, 3, 2)
days = st.integers(-3, 3).map(lambda number: DAY + timedelta(days=number))
tiers = st.sampled_from([None, ValueTier.KEY, ValueTier.SMALL])
channels = st.sampled_from([None, "ONLINE", "SHOP"])
currencies = st.sampled_from(["CNY", "EUR"])


@st.composite
def candidates(draw: st.DrawFn) -> Candidate:
    id = UUID(int=draw(st.integers(1, 10**6)))
    audience = draw(st.sampled_from(list(Audience)))
    step = PriceStep(Decimal(draw(st.sampled_from([0, 1, 50]))), Decimal(draw(st.integers(1, 9))))
    return Candidate(
        price_id=id,
        price_book_id=id,
        currency_code=draw(currencies),
        audience=audience,
        valid_from_date=draw(days),
        price=StepPrice((step,)),
        value_tier=draw(tiers.filter(bool)) if audience is Audience.VALUE_TIER else None,
        channel=draw(channels),
        valid_to_date=draw(st.none() | days),
    )


several = st.lists(candidates(), max_size=8, unique_by=lambda candidate: candidate.price_id)
questions = st.builds(Sought, currencies, st.just(DAY), tiers, channels)
quantities = st.sampled_from([Decimal(1), Decimal(49), Decimal(50), Decimal(-50)])


def true_causes(each: Candidate, sought: Sought, quantity: Decimal) -> set[Cause]:
    """All that is in the way of a price."""
    last = each.valid_to_date or date.max
    found = {
        Cause.OTHER_CURRENCY: each.currency_code != sought.currency_code,
        Cause.NOT_YET_VALID: each.valid_from_date > DAY,
        Cause.EXPIRED: last < DAY,
        Cause.OTHER_TIER: each.audience is Audience.VALUE_TIER and each.value_tier != sought.value_tier,
        Cause.OTHER_CHANNEL: each.channel not in (None, sought.channel),
        Cause.QUANTITY_BELOW_FIRST_STEP: abs(quantity) < each.price.steps[0].from_quantity,
    }
    return {cause for cause, is_true in found.items() if is_true}


def beats(one: Candidate, other: Candidate) -> bool | None:
    """Whether one is more specific than the other; None where nothing tells."""
    order = ["ACCOUNT", "VALUE_TIER", "EVERYONE"]
    if one.audience is not other.audience:
        return order.index(one.audience.value) < order.index(other.audience.value)
    if (one.channel is None) is not (other.channel is None):
        return one.channel is not None
    return None if one.valid_from_date == other.valid_from_date else one.valid_from_date > other.valid_from_date


@given(several, questions, quantities)
def test_no_price_that_holds_is_more_specific_than_the_one_that_is_taken(
    found: list[Candidate], sought: Sought, quantity: Decimal
) -> None:
    choice = choose(found, sought, quantity)
    fitting = [each for each in found if not true_causes(each, sought, quantity)]
    assert (choice.taken is None) == (not fitting)
    if choice.taken is not None:
        assert choice.taken in fitting
        assert not any(beats(each, choice.taken) for each in fitting)


@given(several, questions, quantities)
def test_each_price_is_taken_or_told_with_a_cause_that_is_true(
    found: list[Candidate], sought: Sought, quantity: Decimal
) -> None:
    choice = choose(found, sought, quantity)
    taken = [] if choice.taken is None else [choice.taken.price_book_id]
    by_id = {each.price_book_id: each for each in found}
    assert sorted([*taken, *(each.price_book_id for each in choice.rejected)]) == sorted(by_id)
    for each in choice.rejected:
        causes = true_causes(by_id[each.price_book_id], sought, quantity)
        assert each.cause in causes or (each.cause is Cause.LESS_SPECIFIC and taken and not causes)
    ranked = [by_id[each.price_book_id] for each in choice.rejected]
    assert not any(beats(later, earlier) for earlier, later in pairwise(ranked))


@given(several, questions, quantities, st.randoms())
def test_what_is_chosen_does_not_depend_on_the_order_in_which_prices_are_read(
    found: list[Candidate], sought: Sought, quantity: Decimal, random: Random
) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    assert choose(shuffled, sought, quantity) == choose(found, sought, quantity)
