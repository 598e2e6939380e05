"""A task: what somebody is to do about a record, until when it is in time, and who is told when it is not done."""

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from crm_kit.errors import denied, invalid_field, wrong_state
from crm_kit.filtering.words import midnight
from crm_kit.zones import check_plausible

_DAY = timedelta(days=1)


class State(enum.StrEnum):
    OPEN = "OPEN"
    DONE = "DONE"
    CANCELLED = "CANCELLED"


class Priority(enum.StrEnum):
    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"


class Source(enum.StrEnum):
    MANUAL = "MANUAL"
    RULE = "RULE"


class Moment(enum.StrEnum):
    """What a timer is for."""

    REMINDER = "REMINDER"
    DEADLINE = "DEADLINE"


@dataclass(frozen=True, slots=True)
class Task:
    """Fields as in the contract. Methods return the changed one."""

    id: UUID
    collection: str
    record_id: UUID
    title: str
    creator_id: UUID
    create_time: datetime
    update_time: datetime
    version: int = 1
    note: str | None = None
    assignee_id: UUID | None = None
    due_date: date | None = None
    due_time: datetime | None = None
    deadline_time: datetime | None = None
    reminder_time: datetime | None = None
    priority: Priority | None = Priority.NORMAL
    state: State = State.OPEN
    outcome: str | None = None
    source: Source = Source.MANUAL
    rule_id: UUID | None = None
    end_time: datetime | None = None
    ended_by_id: UUID | None = None
    # As it is when it is read, and of nobody where it is stored or told of.
    overdue: bool = False
    assignee_missing: bool = False

    def check_changed_by(self, by: UUID, *, changes_record: bool) -> None:
        """PermissionDenied for who has nothing to do with it. What is nobody's is changed by whoever reads it."""
        concerned = {self.creator_id, self.assignee_id}
        if self.assignee_id is not None and by not in concerned and not changes_record:
            detail = "a task is changed by its creator, its assignee, and whoever may change the record"
            raise denied("not_concerned", detail)

    def change(self, values: Mapping[str, Any], zone: ZoneInfo, *, now: datetime) -> "Task":
        """With other values, while it is open. InvalidArgument for times that do not go together."""
        self._require_open("changed")
        return replace(self, **values).timed(zone, now=now, before=self)

    def timed(self, zone: ZoneInfo, *, now: datetime, before: "Task | None" = None) -> "Task":
        """With its deadline, and the priority of most where none is given. InvalidArgument for impossible times.

        Only what is new is asked for: a reminder of yesterday may stay.
        """
        if self.due_date is not None and self.due_time is not None:
            raise invalid_field("task.due_time", "one_due", "a task has a due_date or a due_time, and not both")
        deadline = deadline_of(self.due_date, self.due_time, zone)
        if deadline is not None:
            check_plausible(deadline, field="task.due_date" if self.due_date else "task.due_time")
        self._check_reminder(deadline, now=now, before=before)
        return replace(self, deadline_time=deadline, priority=self.priority or Priority.NORMAL)

    def _check_reminder(self, deadline: datetime | None, *, now: datetime, before: "Task | None") -> None:
        reminder = self.reminder_time
        if reminder is None or (before and (reminder, deadline) == (before.reminder_time, before.deadline_time)):
            return
        if deadline is not None and reminder >= deadline:
            detail = "must be before the task is overdue; move it, or take it away with null"
            raise invalid_field("task.reminder_time", "before_deadline", detail)
        if (before is None or reminder != before.reminder_time) and reminder <= now:
            raise invalid_field("task.reminder_time", "to_come", "must be in the future")

    def end(self, state: State, by: UUID, outcome: str | None, *, now: datetime) -> "Task":
        """Done, or cancelled."""
        self._require_open("completed" if state is State.DONE else "cancelled")
        return replace(self, state=state, outcome=outcome, end_time=now, ended_by_id=by)

    def reopen(self) -> "Task":
        """To be done again."""
        if self.state is State.OPEN:
            raise wrong_state("task", self.state, "reopened", legal=[State.DONE, State.CANCELLED])
        return replace(self, state=State.OPEN, outcome=None, end_time=None, ended_by_id=None)

    def timers(self) -> dict[Moment, datetime]:
        """When people are to be told of it; never of one that has ended."""
        if self.state is not State.OPEN:
            return {}
        times = {Moment.REMINDER: self.reminder_time, Moment.DEADLINE: self.deadline_time}
        return {moment: time for moment, time in times.items() if time is not None}

    def seen(self, now: datetime) -> "Task":
        """As it is at an instant to who has just changed it, and given it to somebody active or nobody."""
        is_open = self.state is State.OPEN
        overdue = is_open and self.deadline_time is not None and self.deadline_time <= now
        return replace(self, overdue=overdue, assignee_missing=is_open and self.assignee_id is None)

    def _require_open(self, done: str) -> None:
        if self.state is not State.OPEN:
            raise wrong_state("task", self.state, done, legal=[State.OPEN])


def deadline_of(due_date: date | None, due_time: datetime | None, zone: ZoneInfo) -> datetime | None:
    """From when on it is overdue: its due time, or the first instant of the day after its due date in the zone.

    InvalidArgument for a day that calendars end before.
    """
    if due_date is None:
        return due_time
    try:
        return midnight(due_date + _DAY, zone)
    except OverflowError:
        raise invalid_field("task.due_date", "too_late", "is too far away") from None


def timers_to_set(
    before: Mapping[Moment, datetime], after: Mapping[Moment, datetime], *, now: datetime
) -> dict[Moment, datetime | None]:
    """What changes of the timers: a time that is new and to come is set, and one that is no more is taken away.

    What stays as it is keeps its timer, if people have not been told: it may be due this very moment.
    """
    changed = {moment for moment in Moment if before.get(moment) != after.get(moment)}
    to_come = {moment: time for moment in changed if (time := after.get(moment)) is not None and time > now}
    return {moment: to_come.get(moment) for moment in Moment if moment in changed}


def says(moment: Moment, task: Task, now: datetime) -> Moment | None:
    """What people are told when a timer is found: not of what is no more, and of one time the later alone."""
    time = task.timers().get(moment)
    if time is None or time > now:
        return None
    is_late = task.deadline_time is not None and task.deadline_time <= now
    return None if moment is Moment.REMINDER and is_late else moment


def held_by(task: Task, owner_id: UUID | None, readers: Collection[UUID]) -> UUID | None:
    """Who is told of a task that is not done: who has it, else who owns the record, else who created it.

    The first of them who is active and may read the record; nobody, where none may.
    """
    return next((id for id in (task.assignee_id, owner_id, task.creator_id) if id in readers), None)
