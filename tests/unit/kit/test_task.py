"""Tasks as pure rules: until when they are in time, when people are told of them, whom, and who changes them."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from crm.resource.v1 import my_tasks_pb2, tasks_pb2
from crm_gateway.channels import Reply
from crm_gateway.problems import ProblemError
from crm_gateway.routes.tasks import merged, put_place, token_behind
from crm_kit.errors import CrmError, FailedPrecondition, InvalidArgument, PermissionDenied
from crm_kit.tasks.model import Moment, Priority, State, Task, deadline_of, held_by, says, timers_to_set
from crm_kit.wire import timestamp
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2027, 3, 19, 8, 30, tzinfo=UTC)
CREATOR, ASSIGNEE, OWNER, OTHER = (UUID(int=number) for number in range(1, 5))
ZONES = ("Asia/Shanghai", "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia", "America/Sao_Paulo")
HOURS = st.integers(-72, 72).map(lambda hours: NOW + timedelta(hours=hours))
MAYBE = st.none() | HOURS


def task(**values: Any) -> Task:
    own: dict[str, Any] = {"assignee_id": ASSIGNEE} | values
    return Task(UUID(int=9), "accounts", UUID(int=8), "call", CREATOR, NOW, NOW, **own)


@given(st.dates(date(1971, 1, 1), date(2100, 1, 1)), st.sampled_from(ZONES))
def test_a_task_is_in_time_to_the_end_of_its_day_where_the_tenant_is(day: date, name: str) -> None:
    zone = ZoneInfo(name)
    deadline = deadline_of(day, None, zone)
    assert deadline is not None
    last, first = (deadline - timedelta(seconds=1)).astimezone(zone), deadline.astimezone(zone)
    # Where a day is left out, as in Apia, the next one is another.
    assert last.date() <= day < first.date()
    midday = datetime.combine(day, time(12), zone).astimezone(UTC)
    assert midday < deadline or midday.astimezone(zone).date() != day


def test_of_a_due_time_the_zone_does_not_matter_and_without_either_it_is_never_late() -> None:
    for name in ZONES:
        assert deadline_of(None, NOW, ZoneInfo(name)) == NOW
        assert deadline_of(None, None, ZoneInfo(name)) is None
    with pytest.raises(InvalidArgument):
        deadline_of(date(9999, 12, 31), None, ZoneInfo("Asia/Shanghai"))


@given(MAYBE, MAYBE, MAYBE, MAYBE, st.booleans())
def test_however_times_are_moved_a_timer_is_there_for_what_is_to_come_and_was_not_told(
    old_due: datetime | None,
    old_reminder: datetime | None,
    new_due: datetime | None,
    new_reminder: datetime | None,
    ended: bool,
) -> None:
    """As by a table of timers in which what is past has been told and deleted."""
    before = task(deadline_time=old_due, reminder_time=old_reminder)
    after = task(deadline_time=new_due, reminder_time=new_reminder, state=State.DONE if ended else State.OPEN)
    table = {moment: at for moment, at in before.timers().items() if at > NOW}
    for moment, at in timers_to_set(before.timers(), after.timers(), now=NOW).items():
        table.pop(moment, None)
        if at is not None:
            table[moment] = at
    assert table == {moment: at for moment, at in after.timers().items() if at > NOW}
    # What is due this very moment and was not told yet keeps its timer, whatever else changes.
    assert not timers_to_set(before.timers(), task(deadline_time=old_due, reminder_time=old_reminder).timers(), now=NOW)


@given(st.sampled_from(Moment), MAYBE, MAYBE, HOURS, st.sampled_from(State))
def test_people_are_told_of_an_open_task_when_it_is_time_and_of_its_deadline_rather_than_its_reminder(
    moment: Moment, due: datetime | None, reminder: datetime | None, now: datetime, state: State
) -> None:
    said = says(moment, task(deadline_time=due, reminder_time=reminder, state=state), now)
    is_late = due is not None and due <= now
    is_reminded = reminder is not None and reminder <= now
    expected = is_late if moment is Moment.DEADLINE else is_reminded and not is_late
    assert said == (moment if expected and state is State.OPEN else None)


@given(
    st.none() | st.sampled_from([ASSIGNEE, OWNER]),
    st.none() | st.just(OWNER),
    st.sets(st.sampled_from([ASSIGNEE, OWNER, CREATOR, OTHER])),
)
def test_who_is_told_is_the_first_of_assignee_owner_and_creator_who_may_read_the_record(
    assignee_id: UUID | None, owner_id: UUID | None, readers: set[UUID]
) -> None:
    told = held_by(task(assignee_id=assignee_id), owner_id, readers)
    for id in (assignee_id, owner_id, CREATOR):
        if id in readers:
            assert told == id
            return
    assert told is None


def test_it_is_changed_by_who_has_to_do_with_it_and_what_is_nobodys_by_everybody() -> None:
    for by in (CREATOR, ASSIGNEE):
        task().check_changed_by(by, changes_record=False)
    task().check_changed_by(OTHER, changes_record=True)
    task(assignee_id=None).check_changed_by(OTHER, changes_record=False)
    with pytest.raises(PermissionDenied):
        task().check_changed_by(OTHER, changes_record=False)


@given(st.lists(st.sampled_from(["done", "cancelled", "reopened", "changed"]), max_size=8))
def test_whatever_is_done_in_whatever_order_it_is_open_or_has_an_end(steps: list[str]) -> None:
    now, is_open = task(), True
    for step in steps:
        try:
            if step == "reopened":
                now = now.reopen()
                assert not is_open
                is_open = True
            elif step == "changed":
                now = now.change({"title": "write"}, ZoneInfo("Asia/Shanghai"), now=NOW)
                assert is_open
            else:
                now = now.end(State(step.upper()), OWNER, "so", now=NOW)
                assert is_open
                is_open = False
        except FailedPrecondition:
            assert is_open is (step == "reopened")
        assert (now.state is State.OPEN) is is_open
        assert (now.end_time is None, now.ended_by_id is None, now.outcome is None) == (is_open,) * 3


@given(MAYBE, MAYBE)
def test_a_new_reminder_is_to_come_and_before_the_deadline(due: datetime | None, reminder: datetime | None) -> None:
    new = task(due_time=due, reminder_time=reminder, priority=None)
    fits = reminder is None or (reminder > NOW and (due is None or reminder < due))
    try:
        timed = new.timed(ZoneInfo("Asia/Shanghai"), now=NOW)
    except InvalidArgument as error:
        assert not fits
        assert error.violations[0].field == "task.reminder_time"
        return
    assert fits
    assert (timed.deadline_time, timed.priority) == (due, Priority.NORMAL)
    # Later on it may be past, and stays, as long as nobody moves it.
    later = NOW + timedelta(days=9)
    assert timed.change({"title": "x"}, ZoneInfo("Asia/Shanghai"), now=later).reminder_time == reminder


def shown(number: int, due: datetime | None) -> tasks_pb2.Task:
    return tasks_pb2.Task(id=str(UUID(int=number)), deadline_time=timestamp(due))


@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 10_000), MAYBE), max_size=12, unique_by=lambda each: each[0]), max_size=4
    ),
    st.integers(1, 5),
)
def test_the_lists_of_services_are_one_in_which_pages_neither_double_nor_skip(
    services: list[list[tuple[int, datetime | None]]], size: int
) -> None:
    """As by sorting all there is."""
    numbered = {number: due for service in services for number, due in service}
    owners = {number: at for at, service in enumerate(services) for number, _ in service}
    key = {number: (due is None, due or NOW, number) for number, due in numbered.items()}

    def page_of(service: int, behind: tuple[bool, datetime, int] | None) -> Reply:
        found = sorted((n for n in numbered if owners[n] == service), key=key.__getitem__)
        found = [n for n in found if behind is None or key[n] > behind]
        message = my_tasks_pb2.FindMyTasksResponse(
            tasks=[shown(n, numbered[n]) for n in found[:size]], has_more=len(found) > size
        )
        return Reply(message, 0, False)

    seen: list[int] = []
    behind: tuple[bool, datetime, int] | None = None
    for _ in range(len(numbered) + 2):
        tasks, has_more = merged([page_of(each, behind) for each in range(len(services))], size)
        seen += [UUID(each.id).int for each in tasks]
        if not has_more:
            break
        request = my_tasks_pb2.FindMyTasksRequest()
        put_place(request, token_behind(tasks[-1]))
        number, timed = UUID(request.after_id).int, request.HasField("after_deadline_time")
        due = request.after_deadline_time.ToDatetime(tzinfo=UTC) if timed else NOW
        behind = (not timed, due, number)
    assert seen == sorted(numbered, key=key.__getitem__)


@pytest.mark.parametrize("token", ["x", "W10", "bnVsbA", "e30", "WyJ4IixudWxsXQ", "WzEsMl0", "é"])
def test_a_token_that_nobody_was_given_is_refused(token: str) -> None:
    with pytest.raises((ProblemError, CrmError)):
        put_place(my_tasks_pb2.FindMyTasksRequest(), token)
