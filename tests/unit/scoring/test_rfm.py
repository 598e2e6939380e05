from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor

from crm_scoring.scores.rfm import SEGMENTS, Purchases, Quintiles, RfmSegment, RfmUnknown, quintiles, score_rfm
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60))
def test_a_quintile_is_the_fifth_in_which_the_middle_of_the_ties_lies(values: list[int]) -> None:
    """Oracle: lay all places side by side on [0, 1) and look where the mean place of the ties falls."""
    places = sorted(values)
    got = quintiles(values)
    assert set(got) == set(values)
    for value, score in got.items():
        mine = [Fraction(2 * index + 1, 2 * len(places)) for index, other in enumerate(places) if other == value]
        assert score == floor(5 * sum(mine) / len(mine)) + 1


@given(st.integers(1, 40))
def test_without_ties_the_fifths_are_equally_full(fifth: int) -> None:
    assert Counter(quintiles(range(5 * fifth)).values()) == dict.fromkeys(range(1, 6), fifth)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60))
def test_more_is_never_less_and_ties_stay_together(values: list[int]) -> None:
    in_order = [score for _, score in sorted(quintiles(values).items())]
    assert in_order == sorted(in_order)
    assert set(in_order) <= {1, 2, 3, 4, 5}


def test_every_place_of_the_grid_has_a_segment_and_all_eleven_are_used() -> None:
    cells = [Quintiles(r, f, m).segment for r in range(1, 6) for f in range(1, 6) for m in range(1, 6)]
    assert set(cells) == set(RfmSegment) - {RfmSegment.UNKNOWN}
    assert len(set(cells)) == 11
    assert [len(row) for row in SEGMENTS] == [5] * 5


def test_the_corners_have_their_names() -> None:
    assert Quintiles(5, 5, 5).segment is RfmSegment.CHAMPIONS
    assert Quintiles(5, 1, 1).segment is RfmSegment.NEW_CUSTOMERS
    assert Quintiles(1, 5, 5).segment is RfmSegment.CANNOT_LOSE_THEM
    assert Quintiles(1, 1, 1).segment is RfmSegment.LOST
    assert Quintiles(3, 3, 3).segment is RfmSegment.NEED_ATTENTION
    assert Quintiles(1, 4, 5).segment is RfmSegment.CANNOT_LOSE_THEM


def buyers(number: int) -> list[Purchases]:
    """The first has bought last and most often, and for least."""
    today = date(2026, 3, 1)
    return [Purchases(today - timedelta(days=n), orders=number - n, spent=Decimal(n)) for n in range(number)]


def test_the_newest_and_most_frequent_get_five() -> None:
    scores = score_rfm(buyers(20))
    assert (scores[0], scores[19]) == (Quintiles(5, 5, 1), Quintiles(1, 1, 5))


def test_too_little_data_is_unknown_and_says_so() -> None:
    silent = Purchases()
    assert score_rfm([*buyers(19), silent]) == [RfmUnknown.TOO_FEW_BUYERS] * 19 + [RfmUnknown.NO_ORDER]
    scores = score_rfm([silent, *buyers(20)])
    assert scores[0] is RfmUnknown.NO_ORDER
    assert scores[1:] == score_rfm(buyers(20))


def test_who_buys_in_another_currency_only_is_unknown_and_puts_nobody_else_elsewhere() -> None:
    abroad = Purchases(date(2026, 3, 1), orders=100)
    assert score_rfm([abroad, *buyers(19)])[0] is RfmUnknown.OTHER_CURRENCY
    scores = score_rfm([abroad, *buyers(20)])
    assert scores == [RfmUnknown.OTHER_CURRENCY, *score_rfm(buyers(20))]
