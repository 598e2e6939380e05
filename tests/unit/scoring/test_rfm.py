from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from math import floor

from crm_scoring.facts.model import FactEvent, FactKind, fold
from crm_scoring.scores.rfm import (
    SEGMENTS,
    Purchases,
    RfmSegment,
    purchases_of,
    quintiles,
    score_rfm,
    segment_of,
)
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
    cells = [segment_of(r, f, m) for r in range(1, 6) for f in range(1, 6) for m in range(1, 6)]
    assert set(cells) == set(RfmSegment) - {RfmSegment.UNKNOWN}
    assert len(set(cells)) == 11
    assert [len(row) for row in SEGMENTS] == [5] * 5


def test_the_corners_have_their_names() -> None:
    assert segment_of(5, 5, 5) is RfmSegment.CHAMPIONS
    assert segment_of(5, 1, 1) is RfmSegment.NEW_CUSTOMERS
    assert segment_of(1, 5, 5) is RfmSegment.CANNOT_LOSE_THEM
    assert segment_of(1, 1, 1) is RfmSegment.LOST
    assert segment_of(3, 3, 3) is RfmSegment.NEED_ATTENTION
    assert segment_of(1, 4, 5) is RfmSegment.CANNOT_LOSE_THEM


def buyers(number: int) -> list[Purchases]:
    return [Purchases(f"a{n}", recency_days=n, frequency=number - n, monetary=Decimal(n)) for n in range(number)]


def test_the_newest_and_most_frequent_get_five() -> None:
    scores = {score.account_id: score for score in score_rfm(buyers(20))}
    assert (scores["a0"].recency, scores["a0"].frequency, scores["a0"].monetary) == (5, 5, 1)
    assert (scores["a19"].recency, scores["a19"].frequency, scores["a19"].monetary) == (1, 1, 5)
    assert scores["a0"].reasons == ("last order 0 days ago: 5 of 5", "20 orders: 5 of 5", "0 spent: 1 of 5")


def test_too_little_data_is_unknown_and_says_so() -> None:
    few = score_rfm(buyers(19))
    assert {score.segment for score in few} == {RfmSegment.UNKNOWN}
    assert few[0].reasons == ("19 accounts bought in the window; quintiles need 20",)
    silent = Purchases("quiet", None, 0, Decimal(0))
    scores = score_rfm([silent, *buyers(20)])
    assert (scores[0].segment, scores[0].reasons) == (RfmSegment.UNKNOWN, ("no order in the window",))
    assert scores[1:] == score_rfm(buyers(20))


def test_only_the_window_counts_and_returns_are_taken_off() -> None:
    def event(id: str, day: int, kind: FactKind, amount: int) -> FactEvent:
        return FactEvent(id, "a1", datetime(2026, 3, day, 12, tzinfo=UTC), kind, Decimal(amount))

    facts = fold(
        "a1",
        [
            event("before", 1, FactKind.ORDER, 1000),
            event("first", 2, FactKind.ORDER, 100),
            event("back", 9, FactKind.RETURN, 30),
            event("last", 8, FactKind.ORDER, 10),
            event("after", 12, FactKind.ORDER, 5000),
        ],
    )
    assert purchases_of(facts, date(2026, 3, 11), 10) == Purchases("a1", 3, 2, Decimal(80))
    assert purchases_of(facts, date(2026, 3, 11), 2) == Purchases("a1", None, 0, Decimal(0))
