"""A report: a question that is kept, whose it is and who may run it."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.errors import wrong_state
from crm_kit.sharing.model import Visibility


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
