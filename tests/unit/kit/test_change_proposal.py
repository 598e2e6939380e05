"""Proposals as pure rules: each field is decided once, the state says what became of all, and leaders come in turn."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

import pytest
from crm_kit.change_proposals.model import (
    MAX_PENDING,
    ChangeProposal,
    Outcome,
    State,
    answered_by,
    check_conflicts,
    check_room,
)
from crm_kit.change_proposals.proposable import content_of
from crm_kit.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from crm_kit.working_time.model import DatedException, DayHours, Hours, Weekday, WorkingCalendar
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2027, 3, 19, 8, 30, tzinfo=UTC)
# There it is always eight hours later than in UTC.
CHINA = timezone(timedelta(hours=8))
CLERK, OWNER, LEADER, HEAD = (UUID(int=number) for number in range(1, 5))
FIELDS = ("industry", "website", "custom.contract_no", "short_name")


def proposal(fields: Sequence[str] = FIELDS) -> ChangeProposal:
    return ChangeProposal(
        id=UUID(int=9),
        collection="accounts",
        record_id=UUID(int=8),
        values=dict.fromkeys(fields, "new"),
        old_values=dict.fromkeys(fields, "old"),
        reason="they told me",
        proposer_id=CLERK,
        create_time=NOW,
        update_time=NOW,
        escalate_time=NOW + timedelta(days=3),
    )


def expected_state(outcomes: Sequence[Outcome], waiting: int) -> State:
    """As the documentation has it, by counting."""
    if waiting:
        return State.PENDING
    found = Counter(outcomes)
    accepted, rest = found[Outcome.ACCEPTED], len(outcomes) - found[Outcome.ACCEPTED]
    if accepted:
        return State.PARTLY_ACCEPTED if rest else State.ACCEPTED
    if found[Outcome.DECLINED]:
        return State.DECLINED
    return State.WITHDRAWN if found[Outcome.WITHDRAWN] else State.SUPERSEDED


@given(st.lists(st.tuples(st.sampled_from(FIELDS), st.sampled_from(Outcome)), max_size=12))
def test_however_fields_are_decided_each_is_once_and_the_state_says_what_became_of_all(
    attempts: list[tuple[str, Outcome]],
) -> None:
    now, decided = proposal(), dict[str, Outcome]()
    for field, outcome in attempts:
        if field in decided or len(decided) == len(FIELDS):
            with pytest.raises(FailedPrecondition):
                now.chosen([field], hidden=(), done="decided")
            continue
        now = now.decide(now.chosen([field], hidden=(), done="decided"), outcome, OWNER, comment=None, now=NOW)
        decided[field] = outcome
    assert {each.field: each.outcome for each in now.decisions} == decided
    assert now.state is expected_state(list(decided.values()), len(FIELDS) - len(decided))
    assert (now.end_time is None) == (now.state is State.PENDING)
    assert (now.escalate_time is None) == (now.state is not State.PENDING)


@given(st.sets(st.sampled_from(FIELDS)), st.sets(st.sampled_from(FIELDS)))
def test_who_does_not_see_fields_decides_the_others_alone(hidden: set[str], decided: set[str]) -> None:
    before = proposal()
    if decided:
        before = before.decide(sorted(decided), Outcome.DECLINED, OWNER, comment="no", now=NOW)
    left = [name for name in FIELDS if name not in hidden | decided]
    if not left:
        with pytest.raises(FailedPrecondition):
            before.chosen((), hidden=hidden, done="accepted")
    else:
        assert before.chosen((), hidden=hidden, done="accepted") == left
    for name in hidden:
        with pytest.raises((InvalidArgument, FailedPrecondition)) as refusal:
            before.chosen([name], hidden=hidden, done="accepted")
        assert name not in str(refusal.value)


def test_only_who_proposed_it_takes_it_back_and_only_what_waits() -> None:
    with pytest.raises(PermissionDenied):
        proposal().withdraw(OWNER, comment=None, now=NOW)
    part = proposal().decide(["industry"], Outcome.ACCEPTED, OWNER, comment=None, now=NOW)
    after = part.withdraw(CLERK, comment="another customer", now=NOW)
    assert after.state is State.PARTLY_ACCEPTED
    with pytest.raises(FailedPrecondition):
        after.withdraw(CLERK, comment=None, now=NOW)


def test_what_is_said_anew_of_a_field_ends_what_waits_of_it_and_nothing_else() -> None:
    part = proposal().decide(["industry"], Outcome.ACCEPTED, OWNER, comment=None, now=NOW)
    assert part.supersede(["industry", "fax"], now=NOW) is part
    after = part.supersede(["industry", "website"], now=NOW)
    assert [(each.field, each.outcome) for each in after.decisions] == [
        ("industry", Outcome.ACCEPTED),
        ("website", Outcome.SUPERSEDED),
    ]


@given(st.lists(st.sampled_from([CLERK, OWNER, LEADER, HEAD]), max_size=8))
def test_it_goes_up_to_each_leader_once_and_never_to_its_owner_or_proposer(leaders: list[UUID]) -> None:
    now, asked = proposal(), list[UUID]()
    while (to := now.next_above(leaders, owner_id=OWNER)) is not None:
        now = now.escalate(to, until=NOW + timedelta(days=1))
        asked.append(to)
    assert asked == [id for id in dict.fromkeys(leaders) if id in (LEADER, HEAD)]
    assert list(now.escalated_to_ids) == asked


def test_it_is_due_from_the_moment_on_that_it_says() -> None:
    due = NOW + timedelta(days=3)
    assert not proposal().is_due(due - timedelta(microseconds=1))
    assert proposal().is_due(due)


@given(
    st.timedeltas(timedelta(0), timedelta(days=1400)).map(lambda passed: datetime(2026, 1, 1, tzinfo=CHINA) + passed),
    st.integers(1, 60),
    st.sets(st.sampled_from(list(Weekday)), min_size=1),
    st.sets(st.dates(date(2026, 1, 1), date(2026, 12, 31)), max_size=20),
)
def test_working_days_are_counted_on_the_clock_of_the_calendar(
    local: datetime, days: int, open_on: set[Weekday], closed: set[date]
) -> None:
    weekly = tuple(DayHours(each, (Hours("09:00", "18:00"),)) for each in open_on)
    holidays = tuple(DatedException(each) for each in closed)
    calendar = WorkingCalendar(UUID(int=1), "Asia/Shanghai", 1, weekly, holidays)
    expected, left = local, days
    while left:
        expected += timedelta(days=1)
        left -= list(Weekday)[expected.weekday()] in open_on and expected.date() not in closed
    assert answered_by(local.astimezone(UTC), days, calendar) == expected


def test_plain_days_are_counted_where_no_day_is_a_working_day() -> None:
    closed = WorkingCalendar(UUID(int=1), "Asia/Shanghai", 1)
    assert answered_by(NOW, 4, closed) == answered_by(NOW, 4, None) == NOW + timedelta(days=4)


def test_conflicts_are_named_but_for_those_that_are_overwritten() -> None:
    check_conflicts(["industry"], ["industry"])
    with pytest.raises(FailedPrecondition) as refusal:
        check_conflicts(["industry", "website"], ["industry"])
    assert (refusal.value.reason, refusal.value.metadata["fields"]) == ("CHANGE_PROPOSAL_CONFLICT", "website")


def test_a_record_has_no_more_than_so_many_that_wait() -> None:
    check_room(MAX_PENDING - 1)
    with pytest.raises(FailedPrecondition):
        check_room(MAX_PENDING)


def test_custom_fields_stand_together_in_the_content_of_an_update() -> None:
    values = {"industry": "power", "custom.a": 1, "custom.b": None}
    assert content_of(values) == {"industry": "power", "custom": {"a": 1, "b": None}}
