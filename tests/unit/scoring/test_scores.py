from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from crm_scoring.scores.model import Business, Scores, ScoringRules, score_tenant
from crm_scoring.scores.rfm import RfmSegment
from crm_scoring.scores.value_tier import TierThresholds, ValueTier
from hypothesis import given
from hypothesis import strategies as st

TODAY = date(2026, 3, 1)
RULES = ScoringRules(least_buyers=5, thresholds=TierThresholds(least_accounts=3))

amounts = st.decimals(0, 10**6, places=2)
businesses = st.lists(
    st.builds(
        Business,
        account_id=st.integers(1, 40).map(lambda number: UUID(int=number)),
        last_order_date=st.integers(0, 300).map(lambda days: TODAY - timedelta(days=days)),
        orders=st.integers(1, 20),
        revenue=amounts,
        returned=amounts,
        valued=st.integers(0, 1),
    ),
    max_size=25,
    unique_by=lambda one: one.account_id,
)


def score(known: list[Business], before: dict[UUID, Scores] | None = None) -> dict[UUID, Scores]:
    return {one.account_id: one for one in score_tenant(known, before or {}, "CNY", TODAY, RULES)}


@given(businesses)
def test_reasons_add_up_to_the_scores(known: list[Business]) -> None:
    for scores in score(known).values():
        assert sum((part.amount for part in scores.parts), Decimal(0)) == scores.contribution
        assert sum(quintile for _, quintile in scores.rfm_reasons(TODAY)) == scores.rfm
        assert (scores.segment is RfmSegment.UNKNOWN) == bool(scores.rfm_unknown_reason)
        assert (scores.tier is ValueTier.UNKNOWN) == bool(scores.tier_unknown_reason)


@given(businesses)
def test_what_did_not_change_is_not_written_again(known: list[Business]) -> None:
    first = score(known)
    assert set(first) == {one.account_id for one in known}
    assert score(known, first) == {}


@given(businesses, businesses)
def test_from_whatever_came_before_the_scores_become_the_same(known: list[Business], earlier: list[Business]) -> None:
    before = score(earlier)
    changed = score(known, before)
    after = before | changed
    for account_id, scores in score(known + gone(earlier, known)).items():
        assert replace(after[account_id], version=0) == replace(scores, version=0)
    for account_id, scores in changed.items():
        assert scores.version == (before[account_id].version if account_id in before else 0) + 1


def gone(earlier: list[Business], known: list[Business]) -> list[Business]:
    """Those who had business and have none any more."""
    still = {one.account_id for one in known}
    return [Business(one.account_id) for one in earlier if one.account_id not in still]


def test_an_account_whose_business_is_over_becomes_unknown() -> None:
    known = [Business(UUID(int=n), TODAY, 1, Decimal(n), Decimal(0), 1) for n in range(1, 7)]
    before = score(known)
    assert before[UUID(int=6)].tier is ValueTier.KEY
    after = score(known[:-1], before)[UUID(int=6)]
    assert (after.tier, after.segment) == (ValueTier.UNKNOWN, RfmSegment.UNKNOWN)
    assert (after.tier_unknown_reason, after.rfm_unknown_reason) == (
        "nothing is known of its contribution",
        "no order in the window",
    )


def test_the_window_ends_today() -> None:
    since, until = ScoringRules(window_days=1).window(TODAY)
    assert (since, until) == (TODAY, TODAY + timedelta(days=1))
