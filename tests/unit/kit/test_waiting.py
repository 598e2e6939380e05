from crm_kit.events.waiting import LATER_SECONDS, MAX_RETRIES, OVERDUE_SECONDS, REMEMBERED_SECONDS, Waiting
from hypothesis import given
from hypothesis import strategies as st

DUE = 100.0


def waiting(*sequences: int, failed: bool = True) -> Waiting:
    made = Waiting()
    for sequence in sequences:
        made.put("a", sequence, due=DUE, failed=failed)
    return made


def test_a_later_event_waits_until_an_earlier_one_is_due() -> None:
    assert waiting(5).seconds_to_wait("a", 6, now=90.0) == 10.0


def test_an_event_waits_behind_no_later_one_and_not_behind_itself() -> None:
    assert waiting(5, 6).seconds_to_wait("a", 5, now=90.0) == 0.0


def test_an_event_of_another_aggregate_does_not_wait() -> None:
    assert waiting(5).seconds_to_wait("b", 6, now=90.0) == 0.0
    assert "b" not in waiting(5)


def test_what_does_not_come_back_in_time_is_waited_for_no_more() -> None:
    held = waiting(5)
    assert held.seconds_to_wait("a", 6, now=DUE + 0.9 * OVERDUE_SECONDS) > 0.0
    assert held.seconds_to_wait("a", 6, now=DUE + OVERDUE_SECONDS) == 0.0


def test_failures_are_counted_and_other_waits_are_not() -> None:
    held = waiting(5)
    held.put("a", 5, due=DUE, failed=False)
    assert held.failures("a", 5) == 1
    held.put("a", 5, due=DUE, failed=True)
    assert held.failures("a", 5) == 2
    assert held.failures("a", 6) == 0


def test_of_many_that_failed_only_some_are_tried_again_in_a_batch() -> None:
    held = Waiting()
    failed = [f"a{number}" for number in range(MAX_RETRIES + 5)]
    for id in failed:
        held.put(id, 1, due=DUE, failed=True)
    for now in (DUE, DUE + LATER_SECONDS):
        held.begin_batch(now)
        waits = [held.seconds_to_wait(id, 1, now) for id in failed]
        assert waits == [0.0] * MAX_RETRIES + [LATER_SECONDS] * 5
        assert held.seconds_to_wait("b", 2, now) == 0.0


def test_what_had_its_effect_waits_no_more() -> None:
    held = waiting(5)
    held.remove("a", 5)
    held.remove("a", 5)
    assert "a" not in held


def test_what_went_to_another_process_is_forgotten_after_a_while_and_not_before() -> None:
    held = waiting(5)
    held.begin_batch(DUE)
    held.begin_batch(DUE + REMEMBERED_SECONDS)
    assert held.failures("a", 5) == 1
    held.begin_batch(DUE + 2 * REMEMBERED_SECONDS)
    assert "a" not in held


@given(st.dictionaries(st.integers(1, 20), st.floats(0, 50), max_size=6), st.integers(1, 20), st.floats(0, 60))
def test_it_is_an_events_turn_when_no_earlier_one_is_awaited(waits: dict[int, float], mine: int, now: float) -> None:
    held = Waiting()
    for sequence, due in waits.items():
        held.put("a", sequence, due=due, failed=False)
    awaited = [sequence for sequence, due in waits.items() if due > now - OVERDUE_SECONDS and sequence < mine]
    # Sums of floats differ in their last digit depending on the side of the comparison they stand on.
    if all(abs(due + OVERDUE_SECONDS - now) > 1e-9 for due in waits.values()):
        assert (held.seconds_to_wait("a", mine, now) == 0.0) == (not awaited)
