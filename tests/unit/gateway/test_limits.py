from crm_gateway.limits import Level, Limit, Limiter, take
from hypothesis import given
from hypothesis import strategies as st

LIMIT = Limit(per_second=2.0, burst=5)


def test_a_full_bucket_lets_a_burst_through_and_then_refuses() -> None:
    level, allowed = None, []
    for _ in range(7):
        level, decision = take(level, LIMIT, now=100.0)
        allowed.append(decision.allowed)
    assert allowed == [True] * 5 + [False] * 2
    assert (decision.remaining, decision.retry_after, decision.reset) == (0, 1, 3)


def test_a_permit_comes_back_after_its_time() -> None:
    empty = Level(0.0, 100.0)
    assert not take(empty, LIMIT, now=100.4)[1].allowed
    assert take(empty, LIMIT, now=100.5)[1].allowed


def test_a_slow_limit_says_how_long_to_wait() -> None:
    assert take(Level(0.0, 0.0), Limit(0.1, 1), now=3.0)[1].retry_after == 7


def test_a_clock_that_goes_back_gains_nothing() -> None:
    assert not take(Level(0.0, 100.0), LIMIT, now=50.0)[1].allowed


@given(gaps=st.lists(st.floats(0, 3), min_size=1, max_size=60), per_second=st.floats(0.1, 20), burst=st.integers(1, 10))
def test_no_window_lets_through_more_than_burst_and_rate(gaps: list[float], per_second: float, burst: int) -> None:
    limit, level, now, admitted = Limit(per_second, burst), None, 0.0, []
    for gap in gaps:
        now += gap
        level, decision = take(level, limit, now)
        if decision.allowed:
            admitted.append(now)
    # The definition of a token bucket, counted over every window that begins and ends with an admitted request.
    for first in range(len(admitted)):
        for last in range(first, len(admitted)):
            window = admitted[last] - admitted[first]
            assert last - first + 1 <= burst + window * per_second + 1e-6


def test_a_refusal_by_one_bucket_takes_nothing_from_the_others() -> None:
    limiter = Limiter()
    small, large = ("token a", Limit(1, 1)), ("tenant t", Limit(1, 2))
    first = limiter.admit([small, large], 0.0)
    assert first is not None
    assert first.remaining == 0
    refused = limiter.admit([large, small], 0.0)
    assert refused is not None
    assert not refused.allowed
    other = limiter.admit([("token b", Limit(1, 1)), large], 0.0)
    assert other is not None
    assert other.allowed


def test_a_limit_of_zero_does_not_limit() -> None:
    assert Limiter().admit([("token a", Limit(0, 1))], 0.0) is None


def test_the_oldest_buckets_are_forgotten_first() -> None:
    limiter = Limiter(max_buckets=2)
    limit = Limit(0.001, 1)
    for at, key in enumerate(["a", "b", "c"]):
        limiter.admit([(key, limit)], float(at))
    newest = limiter.admit([("c", limit)], 3.0)
    assert newest is not None
    assert not newest.allowed
    oldest = limiter.admit([("a", limit)], 3.0)
    assert oldest is not None
    assert oldest.allowed
