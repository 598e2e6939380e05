"""An approval policy: a matrix of amounts and roles that says who does something alone, and who approves it if not."""

import enum
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm_kit.errors import FieldViolation, InvalidArgument, wrong_state
from crm_kit.money import Money
from crm_kit.working_time.model import WorkingCalendar
from crm_kit.working_time.timeline import MICROSECOND, timeline_of, to_instant, to_micros

MAX_WORKING_HOURS = 2000
_HOUR = timedelta(hours=1)


class Outcome(enum.StrEnum):
    ALLOW = "ALLOW"
    ASK = "ASK"
    REFUSE = "REFUSE"


class Mode(enum.StrEnum):
    ANY = "ANY"
    ALL = "ALL"


class HoursCounted(enum.StrEnum):
    ELAPSED = "ELAPSED"
    WORKING = "WORKING"


class Party(enum.StrEnum):
    SUBMITTER = "SUBMITTER"
    OWNER = "OWNER"


class State(enum.StrEnum):
    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"


@dataclass(frozen=True, slots=True)
class Step:
    """Who is asked at once: users, whoever has one of the roles at the time, and the leaders of somebody's teams.

    In an approval the leaders are among the users.
    """

    mode: Mode
    user_ids: tuple[UUID, ...] = ()
    role_ids: tuple[UUID, ...] = ()
    team_leaders_of: tuple[Party, ...] = ()
    due_hours: int = 0
    hours_counted: HoursCounted = HoursCounted.ELAPSED
    reminder_hours: int = 0

    @property
    def goes_by_calendar(self) -> bool:
        """Whether it depends on working hours when it is due."""
        return self.due_hours > 0 and self.hours_counted is HoursCounted.WORKING

    @property
    def asked_ids(self) -> tuple[UUID, ...]:
        """All that are asked, users and roles alike."""
        return (*self.user_ids, *self.role_ids)

    def due_time(self, begin_time: datetime, calendar: WorkingCalendar | None = None) -> datetime | None:
        """Until when it should be decided; None where that does not matter.

        The calendar says which hours count; it takes one where it `goes_by_calendar`.
        """
        return self._after(begin_time, self.due_hours, calendar) if self.due_hours else None

    def reminder_time(self, begin_time: datetime, calendar: WorkingCalendar | None = None) -> datetime | None:
        """When those who are asked are reminded of it, by the same hours as `due_time`; None where nobody is."""
        hours = self.due_hours - self.reminder_hours
        return self._after(begin_time, hours, calendar) if self.reminder_hours else None

    def _after(self, begin_time: datetime, hours: int, calendar: WorkingCalendar | None) -> datetime:
        """So many of the hours that are counted later."""
        if not self.goes_by_calendar:
            return begin_time + hours * _HOUR
        if calendar is None:
            raise ValueError("it is due in working hours, and no calendar says which these are")
        working = timeline_of(calendar.business_hours)
        return to_instant(working.advance(to_micros(begin_time), hours * _HOUR // MICROSECOND))

    def asking_also(self, user_ids: Iterable[UUID]) -> "Step":
        """With more users, each once."""
        return replace(self, user_ids=tuple(dict.fromkeys((*self.user_ids, *user_ids))))

    def asking_instead(self, of_ids: Collection[UUID], user_id: UUID) -> "Step":
        """With a user in place of other users and roles."""
        users = tuple(id for id in self.user_ids if id not in of_ids)
        roles = tuple(id for id in self.role_ids if id not in of_ids)
        return replace(self, user_ids=(*users, user_id), role_ids=roles)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a policy goes by; None where the verb has no amount, or no discount."""

    amount: Money | None = None
    discount_percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """What holds up to an amount and a discount, any where None, for callers with one of the roles, for all without."""

    outcome: Outcome
    up_to: Money | None = None
    role_ids: tuple[UUID, ...] = ()
    steps: tuple[Step, ...] = ()
    up_to_discount_percent: Decimal | None = None

    def applies(self, measured: Measured, role_ids: Collection[UUID]) -> bool:
        """Amounts in another currency are not converted, so that a bound in it does not take them."""
        if self.role_ids and not set(self.role_ids) & set(role_ids):
            return False
        return self._takes_amount(measured.amount) and self._takes_discount(measured.discount_percent)

    def _takes_amount(self, amount: Money | None) -> bool:
        if self.up_to is None:
            return True
        same = amount is not None and amount.currency_code == self.up_to.currency_code
        return same and amount is not None and amount.amount <= self.up_to.amount

    def _takes_discount(self, discount_percent: Decimal | None) -> bool:
        if self.up_to_discount_percent is None:
            return True
        return discount_percent is not None and discount_percent <= self.up_to_discount_percent

    @property
    def is_for_all(self) -> bool:
        return self.up_to is None and self.up_to_discount_percent is None and not self.role_ids


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """Fields as in the contract. Methods return the changed one."""

    id: UUID
    collection: str
    verb: str
    display_name: str
    rows: tuple[Row, ...]
    create_time: datetime
    update_time: datetime
    version: int = 1
    state: State = State.ACTIVE

    def row_for(self, measured: Measured, role_ids: Collection[UUID]) -> Row:
        """The first row that applies."""
        return next(row for row in self.rows if row.applies(measured, role_ids))

    def may_ask(self, role_ids: Collection[UUID]) -> bool:
        """Whether some amount and discount of a caller with these roles needs approval."""
        # Up to a bound the same rows apply to all amounts that the bounds below it leave, and so it is with discounts.
        discounts = {row.up_to_discount_percent for row in self.rows}
        bounds = (Measured(row.up_to, percent) for row in self.rows for percent in discounts)
        return any(self.row_for(bound, role_ids).outcome is Outcome.ASK for bound in bounds)

    def update(self, values: Mapping[str, Any]) -> "ApprovalPolicy":
        """With new values of some properties."""
        self._require_active("changed")
        return replace(self, **values).checked()

    def archive(self) -> "ApprovalPolicy":
        """Put it away."""
        self._require_active("archived")
        return replace(self, state=State.ARCHIVED)

    def restore(self) -> "ApprovalPolicy":
        """Bring it back."""
        if self.state is State.ACTIVE:
            raise wrong_state("approval_policy", self.state, "restored", legal=[State.ARCHIVED])
        return replace(self, state=State.ACTIVE)

    def checked(self) -> "ApprovalPolicy":
        """The policy itself. InvalidArgument for what breaks a rule over more than one property.

        The last row, and no other, is for everybody and any amount, so that just one row holds for each call.
        """
        violations = list(self._violations())
        if violations:
            detail = "; ".join(f"{each.field}: {each.detail}" for each in violations)
            raise InvalidArgument(detail, violations=violations)
        return self

    def _violations(self) -> Iterator[FieldViolation]:
        for index, row in enumerate(self.rows):
            path, is_last = f"approval_policy.rows[{index}]", index == len(self.rows) - 1
            if row.is_for_all and not is_last:
                detail = "is for everybody and whatever is measured, so that the rows below it never apply"
                yield FieldViolation(path, "rows_below", detail)
            if is_last and not row.is_for_all:
                detail = "the last row has neither bounds nor roles, so that one always applies"
                yield FieldViolation(path, "last_row", detail)
            yield from _violations_of_steps(row, f"{path}.steps")

    def _require_active(self, done: str) -> None:
        if self.state is not State.ACTIVE:
            raise wrong_state("approval_policy", self.state, done, legal=[State.ACTIVE])


def all_asked(steps: Iterable[Step]) -> tuple[UUID, ...]:
    """Users and roles of all steps, each once."""
    return tuple(dict.fromkeys(id for step in steps for id in step.asked_ids))


def _violations_of_steps(row: Row, path: str) -> Iterator[FieldViolation]:
    if row.outcome is Outcome.ASK and not row.steps:
        yield FieldViolation(path, "required", "somebody has to be asked")
    if row.outcome is not Outcome.ASK and row.steps:
        yield FieldViolation(path, "empty", f"nobody is asked where the outcome is {row.outcome}")
    for number, step in enumerate(row.steps):
        if not (step.asked_ids or step.team_leaders_of):
            detail = "a step asks users, roles or the leaders of teams"
            yield FieldViolation(f"{path}[{number}].user_ids", "somebody_asked", detail)
        yield from _violations_of_hours(step, f"{path}[{number}].due_hours")
        if step.reminder_hours and step.reminder_hours >= step.due_hours:
            detail = f"is {step.reminder_hours}: has to be less than due_hours, which is {step.due_hours}"
            yield FieldViolation(f"{path}[{number}].reminder_hours", "before_due", detail)


def _violations_of_hours(step: Step, path: str) -> Iterator[FieldViolation]:
    if step.hours_counted is not HoursCounted.WORKING:
        return
    if not step.due_hours:
        yield FieldViolation(path, "hours_to_count", "is required where working hours are counted")
    if step.due_hours > MAX_WORKING_HOURS:
        detail = f"is {step.due_hours}: of working hours at most {MAX_WORKING_HOURS}"
        yield FieldViolation(path, "max_working_hours", detail)
