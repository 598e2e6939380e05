from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from crm_kit.money import Money
from crm_scoring.scores.model import AccountScores, ReasonCode, RfmScore, ValueTierScore
from crm_scoring.scores.rfm import RfmSegment, RfmUnknown
from crm_scoring.scores.scoring import Business, ScoringRules, score_tenant
from crm_scoring.scores.value_tier import TierThresholds, TierUnknown, ValueTier
from hypothesis import given
from hypothesis import strategies as st

TODAY = date(2026, 3, 1)
RULES = ScoringRules(min_buyers=5, thresholds=TierThresholds(min_accounts=3))
Known = dict[UUID, AccountScores]


def cny(amount: Decimal | int) -> Money:
    return Money(Decimal(amount), "CNY")


amounts = st.decimals(0, 10**6, places=2).map(cny)
in_main_currency: st.SearchStrategy[dict[str, Money]] = st.fixed_dictionaries(
    {"ordered": amounts, "returned": amounts}
) | st.just({})
businesses = st.lists(
    st.builds(
        lambda money, **values: Business(**values, **money),
        money=in_main_currency,
        account_id=st.integers(1, 40).map(lambda number: UUID(int=number)),
        last_order_date=st.integers(0, 300).map(lambda days: TODAY - timedelta(days=days)),
        orders=st.integers(1, 20),
    ),
    max_size=25,
    unique_by=lambda one: one.account_id,
)


def score(known: list[Business], before: Known | None = None) -> Known:
    return {one.id: one for one in score_tenant(known, before or {}, RULES)}


@given(businesses)
def test_reasons_add_up_to_the_scores(known: list[Business]) -> None:
    for scores in score(known).values():
        rfm, tier = scores.rfm, scores.value_tier
        assert sum(int(reason.contribution) for reason in rfm.reasons) == (rfm.value or 0)
        assert (rfm.value is None) == (rfm.unknown_reason is not None)
        contribution = sum((Decimal(reason.contribution) for reason in tier.reasons), Decimal(0))
        assert contribution == (tier.value.amount if tier.value else 0)
        assert (rfm.band is RfmSegment.UNKNOWN) == (rfm.unknown_reason is not None)
        assert (tier.band is ValueTier.UNKNOWN) == (tier.unknown_reason is not None)


@given(businesses)
def test_what_did_not_change_is_not_written_again(known: list[Business]) -> None:
    first = score(known)
    assert set(first) == {one.account_id for one in known}
    assert score(known, first) == {}


@given(businesses, businesses)
def test_from_whatever_came_before_the_scores_become_the_same(known: list[Business], earlier: list[Business]) -> None:
    before = score(earlier)
    after = before | score(known, before)
    for account_id, scores in score(known + gone(earlier, known)).items():
        assert after[account_id] == scores


@given(businesses, businesses)
def test_each_change_shows_in_a_score(known: list[Business], earlier: list[Business]) -> None:
    before = score(earlier)
    for account_id, scores in score(known, before).items():
        if account_id in before:
            was = before[account_id]
            assert (was.rfm, was.value_tier) != (scores.rfm, scores.value_tier)


def gone(earlier: list[Business], known: list[Business]) -> list[Business]:
    """Those who had business and have none any more."""
    still = {one.account_id for one in known}
    return [Business(one.account_id) for one in earlier if one.account_id not in still]


def buyer(number: int) -> Business:
    return Business(UUID(int=number), TODAY, 1, cny(number), cny(0))


def test_an_account_whose_business_is_over_becomes_unknown() -> None:
    known = [buyer(number) for number in range(1, 7)]
    before = score(known)
    assert before[UUID(int=6)].value_tier.band is ValueTier.KEY
    after = score(known[:-1], before)[UUID(int=6)]
    assert (after.value_tier, after.rfm) == (ValueTierScore(), RfmScore())
    assert after.value_tier.unknown_reason is TierUnknown.NO_CONTRIBUTION
    assert after.rfm.unknown_reason is RfmUnknown.NO_ORDER


def test_who_buys_in_another_currency_only_is_unknown() -> None:
    abroad = Business(UUID(int=9), TODAY, 3)
    scores = score([abroad, *(buyer(number) for number in range(1, 6))])[UUID(int=9)]
    assert scores.value_tier == ValueTierScore(unknown_reason=TierUnknown.OTHER_CURRENCY)
    assert scores.rfm == RfmScore(unknown_reason=RfmUnknown.OTHER_CURRENCY)
    assert (scores.value_tier.value, scores.rfm.value) == (None, None)


def test_what_was_returned_is_a_reason_of_its_own() -> None:
    business = Business(UUID(int=1), TODAY, 1, cny(10), cny(12))
    tier = score([business])[UUID(int=1)].value_tier
    assert tier.value == cny(-2)
    assert [(reason.code, reason.contribution) for reason in tier.reasons] == [
        (ReasonCode.ORDERS, "10.00"),
        (ReasonCode.RETURNS, "-12.00"),
    ]


def test_the_window_ends_today() -> None:
    since, until = ScoringRules(window_days=1).window(TODAY)
    assert (since, until) == (TODAY, TODAY + timedelta(days=1))
