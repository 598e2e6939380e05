"""How far an outbound message has come, whatever is heard of it, and when."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import pytest
from crm_kit.errors import FailedPrecondition
from crm_service_desk.outbound_messages.model import (
    FIRST_WAIT,
    LONGEST_WAIT,
    Failure,
    OutboundMessage,
    Outcome,
    Report,
    State,
    wait_after,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
CHEN, LI, WU = "chen@kunde.example", "li@kunde.example", "wu@kunde.example"
MESSAGE = OutboundMessage(
    id=UUID(int=1),
    case_id=UUID(int=2),
    channel_id=UUID(int=3),
    to_addresses=(CHEN,),
    cc_addresses=(LI, WU),
    pending_addresses=(CHEN, LI, WU),
    text="x",
    source_id="<1@huaxin.example>",
    writer_id=UUID(int=4),
    create_time=NOW,
    update_time=NOW,
)
# The second attempt is under way.
TAKEN = replace(MESSAGE, state=State.SENDING, attempt_count=2)
REPORTS = st.builds(
    Report,
    st.sampled_from([State.SENT, State.DELIVERED, State.FAILED, State.BOUNCED]),
    detail=st.just("said"),
    attempt=st.sampled_from([1, 2]),
    addresses=st.none() | st.sets(st.sampled_from([CHEN, LI, WU])).map(lambda found: tuple(sorted(found))),
)


def heard_all(message: OutboundMessage, reports: list[Report]) -> OutboundMessage:
    for count, report in enumerate(reports):
        message = message.heard(report, now=NOW + timedelta(minutes=count))
    return message


def expected(reports: list[Report]) -> tuple[State, bool, bool, frozenset[str]]:
    """Said once more, of the reports as a heap: its state, whether it was sent, whether it arrived, whom it missed."""
    counted = [each for each in reports if each.state is not State.FAILED or each.attempt == 2]
    kinds = {each.state for each in counted}
    state = TAKEN.state
    for better in (State.SENT, State.FAILED, State.BOUNCED, State.DELIVERED):
        state = better if better in kinds else state
    missed = [
        address
        for each in counted
        if each.state in (State.FAILED, State.BOUNCED)
        for address in (TAKEN.addresses if each.addresses is None else each.addresses)
    ]
    return state, bool(kinds - {State.FAILED}), State.DELIVERED in kinds, frozenset(missed) - got(counted)


def got(reports: Iterable[Report]) -> set[str]:
    """Who is said to have got it by any of the reports."""
    delivered = [each.addresses for each in reports if each.state is State.DELIVERED]
    return {address for some in delivered for address in (TAKEN.addresses if some is None else some)}


def shown(message: OutboundMessage) -> tuple[State, bool, bool, frozenset[str]]:
    is_sent, is_delivered = message.sent_time is not None, message.delivered_time is not None
    return message.state, is_sent, is_delivered, frozenset(message.refused_addresses)


@given(st.lists(REPORTS, max_size=6), st.randoms(use_true_random=False))
def test_reports_in_any_order_and_as_often_as_they_come_leave_the_same(reports: list[Report], random: Random) -> None:
    again = [*reports, *reports[:2]]
    random.shuffle(again)
    assert shown(heard_all(TAKEN, again)) == shown(heard_all(TAKEN, reports)) == expected(reports)


@given(st.lists(REPORTS, max_size=8))
def test_no_report_moves_a_message_back(reports: list[Report]) -> None:
    order = [State.SENDING, State.SENT, State.FAILED, State.BOUNCED, State.DELIVERED]
    before = TAKEN
    for report in reports:
        after = before.heard(report, now=NOW)
        assert order.index(after.state) >= order.index(before.state)
        assert set(before.refused_addresses) - got([report]) <= set(after.refused_addresses)
        if set(after.refused_addresses) - set(before.refused_addresses):
            assert after.failure_detail == report.detail
        before = after


ANSWERS = st.dictionaries(st.sampled_from([CHEN, LI, WU]), st.sampled_from(["taken", "later", "never"]), min_size=3)


@given(st.lists(ANSWERS, min_size=1, max_size=5))
def test_attempts_reach_everybody_once_or_say_whom_they_did_not(answers: list[dict[str, str]]) -> None:
    message, reached, refused = MESSAGE, set[str](), set[str]()
    for count, answer in enumerate(answers, start=1):
        if not message.is_to_go:
            break
        message = message.begin()
        asked = message.pending_addresses
        said = {kind: {each: kind for each in asked if answer[each] == kind} for kind in ("later", "never")}
        assert not reached & set(asked)
        reached |= {each for each in asked if answer[each] == "taken"}
        refused |= set(said["never"])
        message = message.after(Outcome(said["later"], said["never"]), attempt=count, now=NOW)
        assert set(message.refused_addresses) == refused
        assert set(message.pending_addresses) == {CHEN, LI, WU} - reached - refused
        waits = State.QUEUED if message.pending_addresses else State.FAILED
        assert message.state is (State.SENT if reached else waits)


def test_an_attempt_that_was_overtaken_counts_for_whom_it_reached_alone() -> None:
    outcome = Outcome(later={LI: "450 later"}, never={WU: "550 no"})
    after = TAKEN.after(outcome, attempt=1, now=NOW)
    assert (after.state, after.pending_addresses, after.refused_addresses) == (State.SENT, (LI, WU), ())


def test_what_came_back_before_its_sending_was_noted_is_sent_no_more() -> None:
    returned = TAKEN.heard(Report(State.BOUNCED, "552 full"), now=NOW)
    assert (returned.state, returned.is_to_go, returned.failure) == (State.BOUNCED, False, Failure.RETURNED)
    assert returned.after(Outcome(), attempt=2, now=NOW).state is State.BOUNCED


def test_a_late_failure_of_what_waits_again_or_was_cancelled_means_nothing() -> None:
    failed = TAKEN.reported(Report(State.FAILED, attempt=2), now=NOW)
    waiting = failed.retry()
    assert waiting.heard(Report(State.FAILED, attempt=2), now=NOW) == waiting
    cancelled = waiting.cancel()
    assert cancelled.heard(Report(State.FAILED, attempt=2), now=NOW) == cancelled
    # That it was sent after all is the truth, whatever anybody has decided since.
    assert cancelled.heard(Report(State.SENT, attempt=1), now=NOW).state is State.SENT


def test_who_has_got_it_was_not_missed_whatever_else_is_said_of_them_and_when() -> None:
    alone = replace(TAKEN, cc_addresses=(), pending_addresses=(CHEN,))
    delivered = alone.reported(Report(State.DELIVERED, attempt=2), now=NOW)
    for state in (State.FAILED, State.BOUNCED):
        late = Report(state, "said", attempt=2)
        assert delivered.reported(late, now=NOW) == delivered
        turned = alone.reported(late, now=NOW).reported(Report(State.DELIVERED, attempt=2), now=NOW)
        assert (turned.state, turned.refused_addresses, turned.failure) == (State.DELIVERED, (), None)
    partly = TAKEN.heard(Report(State.DELIVERED, addresses=(CHEN,)), now=NOW)
    missed = partly.heard(Report(State.BOUNCED, "552 full", addresses=(CHEN, LI)), now=NOW)
    told = (missed.state, missed.refused_addresses, missed.failure, missed.failure_detail)
    assert told == (State.DELIVERED, (LI,), Failure.RETURNED, "552 full")


@pytest.mark.parametrize("state", [each for each in State if each is not State.QUEUED])
def test_only_what_waits_can_be_cancelled(state: State) -> None:
    with pytest.raises(FailedPrecondition):
        replace(MESSAGE, state=state).cancel()


@pytest.mark.parametrize("state", [each for each in State if each not in (State.FAILED, State.QUEUED)])
def test_only_what_has_failed_or_waits_is_sent_again(state: State) -> None:
    with pytest.raises(FailedPrecondition):
        replace(MESSAGE, state=state).retry()


@given(st.integers(1, 1_000_000), st.floats(0, 1))
def test_waits_grow_and_have_an_end(attempt: int, jitter: float) -> None:
    assert FIRST_WAIT * 0.75 <= wait_after(attempt, jitter) <= LONGEST_WAIT * 1.25
    assert wait_after(attempt + 1, jitter) >= wait_after(attempt, jitter)


@pytest.mark.parametrize("state", [State.BOUNCED, State.DELIVERED])
def test_who_was_to_get_it_later_gets_it_whatever_became_of_it_for_others_meanwhile(state: State) -> None:
    put_off = TAKEN.after(Outcome(later={LI: "450 later"}), attempt=2, now=NOW)
    heard = put_off.heard(Report(state, "said", addresses=(CHEN,)), now=NOW)
    assert (heard.state, heard.is_to_go, heard.pending_addresses) == (state, True, (LI,))
    reached = heard.begin().after(Outcome(), attempt=3, now=NOW)
    assert (reached.state, reached.is_to_go, LI in reached.refused_addresses) == (state, False, False)
    refused = heard.begin().after(Outcome(never={LI: "550 no"}), attempt=3, now=NOW)
    assert (refused.state, refused.is_to_go, LI in refused.refused_addresses) == (state, False, True)
    for known in ((CHEN, LI), None):
        assert not put_off.heard(Report(state, addresses=known), now=NOW).is_to_go
