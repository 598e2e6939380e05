from decimal import Decimal

import pytest
from crm_kit.errors import InvalidArgument
from crm_scoring.scores.value_tier import TierThresholds, TierUnknown, ValueTier, score_value_tiers
from hypothesis import given
from hypothesis import strategies as st

ANY = TierThresholds(min_accounts=1)
ORDER = [ValueTier.KEY, ValueTier.MAJOR, ValueTier.STANDARD, ValueTier.SMALL, ValueTier.NEGATIVE]


def tiers(*amounts: int) -> list[ValueTier | TierUnknown]:
    return score_value_tiers([Decimal(amount) for amount in amounts], ANY)


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
    thresholds = TierThresholds(key, major, standard, min_accounts=1)
    scores = score_value_tiers([Decimal(amount) / 100 for amount in amounts], thresholds)
    everything = sum(amount for amount in amounts if amount > 0)
    expected: dict[int, ValueTier] = {}
    collected = 0
    for amount in sorted({amount for amount in amounts if amount > 0}, reverse=True):
        full = [share for share in shares if 100 * collected >= share * everything]
        expected[amount] = ORDER[len(full)]
        collected += amount * amounts.count(amount)
    for amount, score in zip(amounts, scores, strict=True):
        if amount < 0:
            assert score is ValueTier.NEGATIVE
        elif everything == 0:
            assert score is TierUnknown.NONE_POSITIVE
        else:
            assert score is expected.get(amount, ValueTier.SMALL)
    in_key = sum(amount for amount, score in zip(amounts, scores, strict=True) if score is ValueTier.KEY)
    assert 100 * in_key >= shares[0] * everything


def test_too_little_data_is_unknown_and_says_so_but_a_loss_is_a_loss() -> None:
    few = score_value_tiers([Decimal(5), Decimal(-1)], TierThresholds())
    assert few == [TierUnknown.TOO_FEW_ACCOUNTS, ValueTier.NEGATIVE]
    assert tiers(0, 0) == [TierUnknown.NONE_POSITIVE] * 2
    assert score_value_tiers([None, Decimal(5)], ANY) == [TierUnknown.NO_CONTRIBUTION, ValueTier.KEY]


@pytest.mark.parametrize("shares", [(0, 95, 99), (96, 95, 99), (80, 95, 101)])
def test_thresholds_ascend(shares: tuple[int, int, int]) -> None:
    with pytest.raises(InvalidArgument):
        TierThresholds(Decimal(shares[0]), Decimal(shares[1]), Decimal(shares[2]))
