"""An automation rule: what sets it off, for which records, and what it does; and when it runs."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.errors import wrong_state

# What a rule does. Whoever activates it answers for that, so a change of it stops the rule.
DOING = ("trigger", "filter", "filter_before", "actions")


class State(enum.StrEnum):
    DRAFT = "DRAFT"
    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    ARCHIVED = "ARCHIVED"


class StopReason(enum.StrEnum):
    DEACTIVATED = "DEACTIVATED"
    CHANGED = "CHANGED"
    LOST_RIGHTS = "LOST_RIGHTS"
    LOOP = "LOOP"
    FAILURES = "FAILURES"
    BROKEN = "BROKEN"


class Every(enum.StrEnum):
    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"


class Weekday(enum.StrEnum):
    """In the order of `date.weekday`."""

    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"


@dataclass(frozen=True, slots=True)
class DateReached:
    """A date of the record, so much later, is reached; `at` is the time of day, `09:00`."""

    field: str
    offset_days: int = 0
    offset_minutes: int = 0
    at: str = ""
    every_year: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """A time of day, `08:30`, of each day, or on days of each week, or on one of each month."""

    every: Every
    at: str
    weekdays: tuple[Weekday, ...] = ()
    day_of_month: int = 0


@dataclass(frozen=True, slots=True)
class Trigger:
    """One of three.

    What happens to a record, as its history calls it; of an update, to one of these fields, or any. Or what happens to
    a task at it that the filter takes. Or a date, or a schedule.
    """

    events: tuple[str, ...] = ()
    changed_fields: tuple[str, ...] = ()
    date_reached: DateReached | None = None
    schedule: Schedule | None = None
    task_filter: str = ""

    @property
    def timed(self) -> DateReached | Schedule | None:
        """What of the calendar sets it off; None where events do."""
        return self.date_reached or self.schedule


class Recipient(enum.StrEnum):
    """Whom a record tells to be told."""

    OWNER = "OWNER"
    TEAM_LEADER = "TEAM_LEADER"
    ACTIVATOR = "ACTIVATOR"


@dataclass(frozen=True, slots=True)
class Submission:
    """A call on the record that approval is asked for, with what is said to those who decide."""

    verb: str
    request: Mapping[str, object] = field(default_factory=dict)
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Notification:
    """What people are told."""

    text: str
    user_ids: tuple[UUID, ...] = ()
    recipients: tuple[Recipient, ...] = ()


@dataclass(frozen=True, slots=True)
class WebhookCall:
    """What a webhook endpoint is told."""

    endpoint_id: UUID
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Creation:
    """A record of a collection that is created, with what REST would be sent."""

    collection: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Action:
    """One of five.

    A call on the record, or on the one that its field `target` names: the verb as paths have it, and what REST would be
    sent. Or a submission, a notification, a call of a webhook, a new record.
    """

    verb: str = ""
    request: Mapping[str, object] = field(default_factory=dict)
    target: str = ""
    submission: Submission | None = None
    notification: Notification | None = None
    webhook_call: WebhookCall | None = None
    creation: Creation | None = None


@dataclass(frozen=True, slots=True)
class AutomationRule:
    """Fields as in the contract. Methods return the changed one."""

    id: UUID
    collection: str
    display_name: str
    trigger: Trigger
    actions: tuple[Action, ...]
    create_time: datetime
    update_time: datetime
    version: int = 1
    filter: str = ""
    filter_before: str = ""
    state: State = State.DRAFT
    stop_reason: StopReason | None = None
    activator_id: UUID | None = None
    activate_time: datetime | None = None

    def update(self, values: Mapping[str, Any]) -> "AutomationRule":
        """With new values of some properties; stopped, when it is active and they change what it does."""
        if self.state is State.ARCHIVED:
            raise wrong_state(
                "automation_rule", self.state, "changed", legal=[State.DRAFT, State.ACTIVE, State.INACTIVE]
            )
        changed = replace(self, **values)
        does_other = any(getattr(changed, name) != getattr(self, name) for name in DOING)
        return changed.stop(StopReason.CHANGED) if does_other and self.state is State.ACTIVE else changed

    def activate(self, by: UUID, *, now: datetime) -> "AutomationRule":
        """ACTIVE, with the rights of who says so."""
        if self.state not in (State.DRAFT, State.INACTIVE):
            raise wrong_state("automation_rule", self.state, "activated", legal=[State.DRAFT, State.INACTIVE])
        return replace(self, state=State.ACTIVE, stop_reason=None, activator_id=by, activate_time=now)

    def deactivate(self) -> "AutomationRule":
        """INACTIVE, since somebody wants it so."""
        return self.stop(StopReason.DEACTIVATED)

    def stop(self, reason: StopReason) -> "AutomationRule":
        """INACTIVE, for whatever reason."""
        if self.state is not State.ACTIVE:
            raise wrong_state("automation_rule", self.state, "deactivated", legal=[State.ACTIVE])
        return replace(self, state=State.INACTIVE, stop_reason=reason)

    def archive(self) -> "AutomationRule":
        """ARCHIVED."""
        if self.state is State.ARCHIVED:
            raise wrong_state(
                "automation_rule", self.state, "archived", legal=[State.DRAFT, State.ACTIVE, State.INACTIVE]
            )
        stopped = StopReason.DEACTIVATED if self.state is State.ACTIVE else self.stop_reason
        return replace(self, state=State.ARCHIVED, stop_reason=stopped)

    def restore(self) -> "AutomationRule":
        """INACTIVE again, or the draft that it was."""
        if self.state is not State.ARCHIVED:
            raise wrong_state("automation_rule", self.state, "restored", legal=[State.ARCHIVED])
        return replace(self, state=State.DRAFT if self.activator_id is None else State.INACTIVE)
