from decimal import Decimal

import pytest
from crm_kit.errors import InvalidArgument
from crm_scoring.scores.value_tier import (
    Contribution,
    ContributionPart,
    TierThresholds,
    ValueTier,
    ValueTierScore,
    score_value_tiers,
)
from hypothesis import given
from hypothesis import strategies as st

ANY = TierThresholds(least_accounts=1)
ORDER = [ValueTier.KEY, ValueTier.MAJOR, ValueTier.STANDARD, ValueTier.SMALL, ValueTier.NEGATIVE]


def of(*amounts: int | Decimal) -> list[Contribution]:
    return [
        Contribution(f"a{n}", (ContributionPart("margin of orders", Decimal(amount)),))
        for n, amount in enumerate(amounts)
    ]


def tiers(*amounts: int) -> list[ValueTier]:
    return [score.tier for score in score_value_tiers(of(*amounts), ANY)]


def test_key_is_the_smallest_group_that_brings_eighty_percent() -> None:
    assert tiers(50, 30, 15, 4, 1, 0, -5) == [
        ValueTier.KEY,
        ValueTier.KEY,
        ValueTier.MAJOR,
        ValueTier.STANDARD,
        ValueTier.SMALL,
        ValueTier.SMALL,
        ValueTier.NEGATIVE,
    ]
    assert tiers(2, 79, 5, 14) == [ValueTier.STANDARD, ValueTier.KEY, ValueTier.MAJOR, ValueTier.KEY]
    assert tiers(79, 21) == [ValueTier.KEY, ValueTier.KEY]


cents = st.integers(-(10**6), 10**6) | st.sampled_from([0, 100, 500])


@given(
    st.lists(cents, min_size=1, max_size=30),
    st.lists(st.integers(1, 100), min_size=3, max_size=3).map(sorted),
)
def test_tiers_are_filled_from_the_top(amounts: list[int], shares: list[int]) -> None:
    """Oracle: hand out tiers group by group of equal amounts, in whole numbers, until each has its share."""
    key, major, standard = map(Decimal, shares)
    thresholds = TierThresholds(key, major, standard, least_accounts=1)
    scores = score_value_tiers(of(*(Decimal(amount) / 100 for amount in amounts)), thresholds)
    everything = sum(amount for amount in amounts if amount > 0)
    expected: dict[int, ValueTier] = {}
    collected = 0
    for amount in sorted({amount for amount in amounts if amount > 0}, reverse=True):
        full = [share for share in shares if 100 * collected >= share * everything]
        expected[amount] = ORDER[len(full)]
        collected += amount * amounts.count(amount)
    for amount, score in zip(amounts, scores, strict=True):
        if amount < 0:
            assert score.tier is ValueTier.NEGATIVE
        elif everything == 0:
            assert score.tier is ValueTier.UNKNOWN
        else:
            assert score.tier is expected.get(amount, ValueTier.SMALL)
            assert score.rank == 1 + sum(other > amount for other in amounts)
            assert score.share is not None
            assert abs(score.share * everything - 100 * amount) < Decimal("0.000001")
    in_key = sum(amount for amount, score in zip(amounts, scores, strict=True) if score.tier is ValueTier.KEY)
    assert 100 * in_key >= shares[0] * everything


@given(st.lists(st.decimals(-1000, 1000, places=2), min_size=1, max_size=5))
def test_reasons_add_up_to_the_contribution(parts: list[Decimal]) -> None:
    named = tuple(ContributionPart(f"part {n}", amount) for n, amount in enumerate(parts))
    (score,) = score_value_tiers([Contribution("a1", named)], ANY)
    assert sum(reason.amount for reason in score.reasons) == score.contribution == sum(parts)


def test_too_little_data_is_unknown_and_says_so_but_a_loss_is_a_loss() -> None:
    def only(scores: list[ValueTierScore]) -> list[tuple[ValueTier, str]]:
        return [(score.tier, score.explanation) for score in scores]

    few = only(score_value_tiers(of(5, -1), TierThresholds()))
    assert few[0] == (ValueTier.UNKNOWN, "2 accounts with a known contribution; tiers need 10")
    assert few[1] == (ValueTier.NEGATIVE, "it costs 1 more than it brings")
    assert tiers(0, 0) == [ValueTier.UNKNOWN, ValueTier.UNKNOWN]
    silent = score_value_tiers([Contribution("quiet", ()), *of(5)], ANY)
    assert only(silent)[0] == (ValueTier.UNKNOWN, "nothing is known of its contribution")
    assert silent[1].tier is ValueTier.KEY


@pytest.mark.parametrize("shares", [(0, 95, 99), (96, 95, 99), (80, 95, 101)])
def test_thresholds_ascend(shares: tuple[int, int, int]) -> None:
    with pytest.raises(InvalidArgument):
        TierThresholds(Decimal(shares[0]), Decimal(shares[1]), Decimal(shares[2]))
