"""A report: a question that is kept, whose it is and who may run it."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.automation.rules.model import Schedule
from crm_kit.errors import illegal_state, wrong_state
from crm_kit.sharing.model import Visibility

# Of a report, and to how many people each; as the contract has it.
MAX_SUBSCRIPTIONS, MAX_RECIPIENTS = 5, 50


class Chart(enum.StrEnum):
    TABLE = "TABLE"
    BAR = "BAR"
    LINE = "LINE"
    PIE = "PIE"
    FUNNEL = "FUNNEL"
    NUMBER = "NUMBER"


class State(enum.StrEnum):
    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"


class Span(enum.StrEnum):
    TODAY = "TODAY"
    YESTERDAY = "YESTERDAY"
    THIS_WEEK = "THIS_WEEK"
    LAST_WEEK = "LAST_WEEK"
    THIS_MONTH = "THIS_MONTH"
    LAST_MONTH = "LAST_MONTH"
    THIS_QUARTER = "THIS_QUARTER"
    LAST_QUARTER = "LAST_QUARTER"
    THIS_YEAR = "THIS_YEAR"
    LAST_YEAR = "LAST_YEAR"
    LAST_7_DAYS = "LAST_7_DAYS"
    LAST_30_DAYS = "LAST_30_DAYS"
    LAST_12_MONTHS = "LAST_12_MONTHS"


class Compare(enum.StrEnum):
    PREVIOUS_PERIOD = "PREVIOUS_PERIOD"
    SAME_PERIOD_LAST_YEAR = "SAME_PERIOD_LAST_YEAR"


@dataclass(frozen=True, slots=True)
class Period:
    """The date or instant `field` is within a span of the calendar; its figures are compared with those of another."""

    field: str
    span: Span
    compare: Compare | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, in the texts of `crm_kit.resource.questions`; a `limit` of 0 is the most that is possible."""

    filter: str = ""
    group_by: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    order_by: str = ""
    limit: int = 0
    period: Period | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """All that names fields, but for the filter."""
        return (*self.group_by, *self.measures, self.period.field if self.period else "")


@dataclass(frozen=True, slots=True)
class Names:
    """What a built-in report is called."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """That a report is sent to people on a schedule; the id is None until it is kept."""

    schedule: Schedule
    user_ids: tuple[UUID, ...]
    id: UUID | None = None
    language: str = ""
    format: str = ""

    def is_like(self, other: "Subscription") -> bool:
        """Whether the same is sent at the same times."""
        return replace(self, id=None, user_ids=()) == replace(other, id=None, user_ids=())

    def without(self, user_id: UUID) -> "Subscription":
        """To all others."""
        return replace(self, user_ids=tuple(each for each in self.user_ids if each != user_id))

    def next_recipient(self, after_id: UUID | None) -> UUID | None:
        """The next to whom it is sent, by their ids; None when it was sent to all."""
        return min((each for each in self.user_ids if after_id is None or each > after_id), default=None)


@dataclass(frozen=True, slots=True)
class Report:
    """Fields as in the contract. Methods return the changed one."""

    id: UUID
    collection: str
    display_name: str
    question: Question
    owner_id: UUID
    create_time: datetime
    update_time: datetime
    version: int = 1
    chart: Chart = Chart.TABLE
    visibility: Visibility = Visibility.PRIVATE
    role_ids: tuple[UUID, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    state: State = State.ACTIVE

    @property
    def built_in(self) -> bool:
        """Those that are built in are no records."""
        return False

    @property
    def names(self) -> Names | None:
        return None

    def update(self, values: Mapping[str, Any]) -> "Report":
        """With new values of some properties."""
        if self.state is State.ARCHIVED:
            raise wrong_state("report", self.state, "changed", legal=[State.ACTIVE])
        return replace(self, **values)

    @property
    def sent(self) -> Mapping[UUID, Subscription]:
        """What is sent of it, by id: nothing while it is put away."""
        return {each.id: each for each in self.subscriptions if each.id} if self.state is State.ACTIVE else {}

    def with_ids(self, before: "Report | None", new_id: Callable[[], UUID]) -> "Report":
        """Its subscriptions with ids: those that it had, and new ones for all others."""
        known = {each.id for each in before.subscriptions} if before else set()
        told: set[UUID | None] = set()
        kept = []
        for each in self.subscriptions:
            id = each.id if each.id in known - told else new_id()
            told.add(id)
            kept.append(replace(each, id=id))
        return replace(self, subscriptions=tuple(kept))

    def with_recipient(self, wanted: Subscription, user_id: UUID) -> "Report":
        """With somebody more to whom it is sent: in a subscription that is like the one wanted, or in one more.

        FailedPrecondition where there is room in neither.
        """
        alike = [each for each in self.subscriptions if each.is_like(wanted)]
        if any(user_id in each.user_ids for each in alike):
            return self
        if joined := next((each for each in alike if len(each.user_ids) < MAX_RECIPIENTS), None):
            more = replace(joined, user_ids=(*joined.user_ids, user_id))
            rest = [more if each is joined else each for each in self.subscriptions]
            return self.update({"subscriptions": tuple(rest)})
        if len(self.subscriptions) >= MAX_SUBSCRIPTIONS:
            detail = f"the report has {MAX_SUBSCRIPTIONS} subscriptions already: choose the schedule of one, or copy it"
            raise illegal_state("subscriptions_full", detail, most=MAX_SUBSCRIPTIONS)
        return self.update({"subscriptions": (*self.subscriptions, replace(wanted, user_ids=(user_id,)))})

    def without_recipient_anywhere(self, user_id: UUID) -> "Report":
        """Sent to somebody no longer, on no schedule."""
        rest = tuple(kept for each in self.subscriptions if (kept := each.without(user_id)).user_ids)
        return self if rest == self.subscriptions else self.update({"subscriptions": rest})

    def without_recipient(self, subscription_id: UUID, user_id: UUID) -> "Report":
        """With somebody less to whom it is sent; a subscription of nobody ends."""
        rest = [each.without(user_id) if each.id == subscription_id else each for each in self.subscriptions]
        return replace(self, subscriptions=tuple(each for each in rest if each.user_ids))

    def archive(self) -> "Report":
        """ARCHIVED."""
        if self.state is State.ARCHIVED:
            raise wrong_state("report", self.state, "archived", legal=[State.ACTIVE])
        return replace(self, state=State.ARCHIVED)

    def restore(self) -> "Report":
        """ACTIVE again."""
        if self.state is State.ACTIVE:
            raise wrong_state("report", self.state, "restored", legal=[State.ARCHIVED])
        return replace(self, state=State.ACTIVE)
