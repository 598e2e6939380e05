"""What a telephone system tells of a call adds up to one call, in whatever order and however often it is told."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from crm_kit.errors import FailedPrecondition, InvalidArgument
from crm_service_desk.addresses.model import Sender
from crm_service_desk.calls.facts import MAX_FACTS, CallFact, Cause, Direction, FactKind, State, check_fits, told_by
from crm_service_desk.calls.model import TOLD_ONCE_WITHIN, Call, Match, Outcome, is_told
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
WANG, LI = UUID(int=1), UUID(int=2)
EXTENSIONS = {"801": WANG, "802": LI}
HEARD = [kind for kind in FactKind if kind is not FactKind.EXPIRED]


def at(second: float, kind: FactKind, **fields: Any) -> CallFact:
    return CallFact(kind, NOON + timedelta(seconds=second), fields.pop("direction", Direction.INBOUND), **fields)


def ringing(second: float, extension: str | None = None, **fields: Any) -> CallFact:
    return at(second, FactKind.RINGING, extension=extension, **fields)


def answered(second: float, extension: str | None = None, **fields: Any) -> CallFact:
    return at(second, FactKind.ANSWERED, extension=extension, **fields)


def ended(second: float, cause: Cause | None = None, **fields: Any) -> CallFact:
    return at(second, FactKind.ENDED, cause=cause, **fields)


def call_of(*facts: CallFact) -> Call:
    begun = Call(
        id=UUID(int=9),
        channel_id=UUID(int=8),
        source_id="1",
        direction=facts[0].direction,
        state=State.RINGING,
        match=Match.UNKNOWN,
        begin_time=facts[0].happen_time,
        create_time=NOON,
        update_time=NOON,
    )
    return begun.after(facts, EXTENSIONS)


# Few instants and few values, so that ties and contradictions are frequent.
FACTS = st.builds(
    at,
    st.integers(0, 6),
    st.sampled_from(list(FactKind)),
    direction=st.sampled_from(Direction),
    from_number=st.sampled_from([None, "+8613800138000", "+8613800138001"]),
    to_number=st.sampled_from([None, "+8675586661234"]),
    extension=st.sampled_from([None, "801", "802", "899"]),
    queue=st.sampled_from([None, "sales", "repair"]),
    menu_choice=st.sampled_from([None, "1", "2"]),
    cause=st.sampled_from([None, Cause.COMPLETED, Cause.ABANDONED]),
    recording_url=st.sampled_from([None, "https://r.example/1"]),
)
CALLS = st.lists(FACTS, min_size=1, max_size=8)


def heard(facts: Sequence[CallFact]) -> Call:
    """The call as it is kept while the facts come one by one, known ones changing nothing."""
    known: list[CallFact] = []
    for fact in facts:
        if fact not in known:
            known.append(fact)
            call = call_of(*known)
    return call


@given(CALLS, st.data())
def test_every_order_and_repetition_gives_the_same_call(facts: list[CallFact], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(facts), max_size=5))
    other = data.draw(st.permutations([*facts, *again]))
    assert heard(other).after(other, EXTENSIONS) == heard(facts).after(facts, EXTENSIONS)
    assert told_by(other, EXTENSIONS) == told_by(set(facts), EXTENSIONS)


def oracle(facts: list[CallFact]) -> dict[str, Any]:
    """The same said by what is true of each instant, and not by sorting."""
    times = {kind: [fact.happen_time for fact in facts if fact.kind is kind] for kind in FactKind}
    ends = times[FactKind.ENDED] or times[FactKind.EXPIRED]
    last_answer = max(times[FactKind.ANSWERED], default=None)
    holding = [end for end in ends if not any(answer > end for answer in times[FactKind.ANSWERED])]
    begin = min(
        (time for kind in HEARD if kind is not FactKind.RECORDING for time in times[kind]),
        default=min(fact.happen_time for fact in facts),
    )
    end = max(min(holding), begin) if holding else (last_answer if ends else None)
    only_asked_for = len(times[FactKind.REQUESTED]) == len(facts)
    if ends:
        state = State.ENDED
    elif times[FactKind.ANSWERED]:
        state = State.ANSWERED
    else:
        state = State.REQUESTED if only_asked_for else State.RINGING
    return {
        "state": state,
        "begin_time": begin,
        "ring_time": min(times[FactKind.RINGING], default=None),
        "answer_time": min(times[FactKind.ANSWERED], default=None),
        "end_time": end,
    }


@given(CALLS)
def test_how_far_a_call_has_come_and_when_is_what_a_reader_of_the_events_would_say(facts: list[CallFact]) -> None:
    told = told_by(facts, EXTENSIONS)
    assert {name: getattr(told, name) for name in oracle(facts)} == oracle(facts)


@given(CALLS)
def test_a_call_never_goes_back_and_no_time_in_it_is_negative(facts: list[CallFact]) -> None:
    order = list(State)
    for length in range(1, len(facts)):
        assert order.index(call_of(*facts[:length]).state) <= order.index(call_of(*facts[: length + 1]).state)
    call = call_of(*facts)
    for seconds in (call.waiting_seconds, call.talk_seconds):
        assert seconds is None or seconds >= 0
    if call.end_time is not None:
        assert call.begin_time <= call.end_time
        assert call.answer_time is None or call.answer_time <= call.end_time
    assert (call.outcome is None) == (call.state is not State.ENDED)
    assert not (call.missed and call.reached)


def test_an_answered_call_tells_how_long_it_waited_and_how_long_they_talked() -> None:
    call = call_of(at(0, FactKind.IVR, menu_choice="报修"), ringing(10, "801"), answered(25, "801"), ended(85.9))
    assert (call.waiting_seconds, call.talk_seconds, call.outcome) == (15, 60, Outcome.ANSWERED)
    assert (call.user_id, call.menu_choices) == (WANG, ("报修",))


def test_a_transfer_is_one_call_of_who_answered_last() -> None:
    parts = (ringing(0, "801"), answered(5, "801"), ended(60), ringing(61, "802"), answered(70, "802"))
    assert call_of(*parts[:4]).user_id == WANG
    assert call_of(*(part for part in parts[:4] if part.kind is not FactKind.ENDED)).user_id == LI
    call = call_of(*parts, ended(130, Cause.COMPLETED))
    assert (call.user_id, call.talk_seconds, call.cause) == (LI, 125, Cause.COMPLETED)


def test_of_a_transfer_that_nobody_took_the_first_keeps_the_call() -> None:
    assert call_of(ringing(0, "801"), answered(5, "801"), ringing(61, "802"), ended(80)).user_id == WANG


def test_of_ends_that_contradict_each_other_the_first_that_no_answer_follows_holds() -> None:
    call = call_of(ringing(0), answered(5), ended(30, Cause.COMPLETED), ended(31, Cause.FAILED))
    assert (call.talk_seconds, call.cause) == (25, Cause.COMPLETED)


def test_a_call_that_ends_before_it_was_answered_by_a_wrong_clock_took_no_time() -> None:
    call = call_of(ringing(0), answered(10), ended(8))
    assert (call.state, call.outcome, call.talk_seconds) == (State.ENDED, Outcome.ANSWERED, 0)


def test_an_end_that_is_told_late_takes_the_place_of_that_which_nobody_told() -> None:
    silent = (ringing(0, "801"), answered(5, "801"), at(5, FactKind.EXPIRED))
    assert (call_of(*silent).cause, call_of(*silent).talk_seconds) == (Cause.EXPIRED, 0)
    late = call_of(*silent, ended(65, Cause.COMPLETED))
    assert (late.cause, late.talk_seconds) == (Cause.COMPLETED, 60)


def test_a_call_that_nobody_answers_is_missed_when_it_comes_in_and_not_reached_when_it_goes_out() -> None:
    assert call_of(ringing(0), ended(20, Cause.ABANDONED)).missed
    out = call_of(ringing(0, direction=Direction.OUTBOUND), ended(20, Cause.BUSY, direction=Direction.OUTBOUND))
    assert (out.outcome, out.missed, out.reached) == (Outcome.NOT_REACHED, False, False)
    for match in (Match.INTERNAL, Match.IGNORED):
        assert not call_of(ringing(0), ended(20)).of_nobody(match).missed


def test_what_lies_a_day_apart_or_too_far_from_now_is_no_part_of_a_call() -> None:
    day = 86_400
    for second, fits in ((-day, True), (day, True), (-day - 1, False), (day + 1, False)):
        fact = ringing(second)
        if fits:
            check_fits(fact, [ended(0)], now=NOON)
        else:
            with pytest.raises(InvalidArgument):
                check_fits(fact, [ended(0)], now=NOON)
            # Whichever comes first, the other does not fit to it.
            with pytest.raises(InvalidArgument):
                check_fits(ended(0), [fact], now=NOON)
    check_fits(ringing(-30 * day), [], now=NOON)
    for second in (-30 * day - 1, day + 1):
        with pytest.raises(InvalidArgument):
            check_fits(ringing(second), [], now=NOON)


def test_a_call_rings_so_often_and_can_still_end() -> None:
    rings = [ringing(second) for second in range(MAX_FACTS)]
    with pytest.raises(InvalidArgument):
        check_fits(ringing(99), rings, now=NOON)
    check_fits(ended(99), rings, now=NOON)


def test_whose_a_call_is_can_be_said_of_all_but_those_between_our_own_telephones() -> None:
    call = call_of(ringing(0, from_number="+8613800138000"))
    known = call.of(Sender(WANG, LI))
    assert (known.match, known.account_id, known.contact_id) == (Match.KNOWN, LI, WANG)
    assert call.of(Sender(WANG)).match is Match.UNKNOWN
    assert call.of(Sender(ambiguous=True)).match is Match.AMBIGUOUS
    open_ones = (call, call.of_nobody(Match.WITHHELD), call.ignore(), call.of(Sender(ambiguous=True)))
    for waiting in (*open_ones, known, call.assign(WANG, None)):
        assert waiting.assign(LI, None).match is Match.BY_HAND
    with pytest.raises(FailedPrecondition):
        call.of_nobody(Match.INTERNAL).assign(WANG, None)
    for settled in (known, call.of_nobody(Match.INTERNAL), call.assign(LI, None)):
        with pytest.raises(FailedPrecondition):
            settled.ignore()


@given(st.lists(st.integers(0, 600), min_size=1, max_size=30))
def test_missed_calls_of_a_number_are_told_once_an_hour_as_long_as_they_come(minutes: list[int]) -> None:
    times = [NOON + timedelta(minutes=each) for each in sorted(minutes)]
    told = [time for count, time in enumerate(times) if is_told(time, times[:count])]
    assert all(later - earlier >= TOLD_ONCE_WITHIN for earlier, later in pairwise(told))
    # Nobody calls for an hour without anybody being told.
    assert all(any(timedelta(0) <= time - each < TOLD_ONCE_WITHIN for each in told) for time in times)
