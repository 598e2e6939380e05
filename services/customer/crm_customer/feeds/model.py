"""A feed: how the files of another system are read, when one is expected, and by whose rights rows are written."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from crm_kit.errors import invalid_field, wrong_state
from crm_kit.phone_numbers import check_phone_country
from crm_kit.regions import DEFAULT_REGION

from crm_customer.feeds.schedule import Schedule
from crm_customer.imports.model import ImportColumn, Mode, check_source
from crm_customer.imports.spreadsheets.layout import Layout
from crm_customer.imports.spreadsheets.mapping import Field, check_given

ACCOUNTS = "accounts"
# Whoever changes one of these has rows written by their own rights: nobody has another's write what they have not seen.
APPLYING = (
    "mode",
    "columns",
    "layout",
    "default_region",
    "skip_invalid_cells",
    "keep_opportunities",
    "account_owner_id",
    "value_source",
    "keep_values",
)


class State(enum.StrEnum):
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"


class PauseReason(enum.StrEnum):
    REQUESTED = "REQUESTED"
    LOST_RIGHTS = "LOST_RIGHTS"


class Health(enum.StrEnum):
    OK = "OK"
    LATE = "LATE"
    FAILED = "FAILED"
    HELD = "HELD"


@dataclass(frozen=True, slots=True)
class Feed:
    """Fields as in the contract. Methods return the changed one; a wrong state raises FailedPrecondition.

    What is known of its deliveries, from `health` on, is written beside it by who carries them out.
    """

    id: UUID
    display_name: str
    external_source: str
    mode: Mode
    responsible_id: UUID
    activator_id: UUID
    create_time: datetime
    update_time: datetime
    version: int = 1
    collection: str = ACCOUNTS
    columns: tuple[ImportColumn, ...] = ()
    layout: Layout | None = None
    default_region: str = DEFAULT_REGION
    skip_invalid_cells: bool = False
    keep_opportunities: bool = False
    account_owner_id: UUID | None = None
    schedule: Schedule | None = None
    least_rows: int = 0
    least_percent: int = 0
    value_source: str = ""
    keep_values: bool = False
    state: State = State.ACTIVE
    pause_reason: PauseReason | None = None
    health: Health = Health.OK
    last_delivery_time: datetime | None = None
    last_data_date: date | None = None
    next_due_time: datetime | None = None
    missing_date: date | None = None

    @property
    def is_active(self) -> bool:
        """Whether what arrives is carried out."""
        return self.state is State.ACTIVE

    def checked(self) -> "Feed":
        """The feed itself. InvalidArgument for columns that make no sense; which there are, only a file knows."""
        check_given([(each.column, each.field) for each in self.columns], path="feed.columns")
        check_phone_country(self.default_region, field="feed.default_region")
        at = next((at for at, each in enumerate(self.columns) if each.field == Field.ID), None)
        if self.mode is Mode.CREATE and at is not None:
            detail = "an id names an account that is there, and mode CREATE makes new ones; use UPSERT or UPDATE"
            raise invalid_field(f"feed.columns[{at}].field", "mapping.mode", detail)
        check_source(self.value_source, place="feed", keep_values=self.keep_values)
        return self

    def update(self, values: Mapping[str, Any], *, by: UUID) -> "Feed":
        """With new values of some fields, by somebody, by whose rights rows are written if that changes them."""
        changed = replace(self, **values)
        return replace(changed, activator_id=by) if changed.applies_other_than(self) else changed

    def applies_other_than(self, before: "Feed") -> bool:
        """Whether something else becomes of the same rows than before."""
        return any(getattr(self, name) != getattr(before, name) for name in APPLYING)

    def pause(self, reason: PauseReason) -> "Feed":
        """PAUSED, for whatever reason."""
        self._require(State.ACTIVE, "paused")
        return replace(self, state=State.PAUSED, pause_reason=reason)

    def resume(self, *, by: UUID) -> "Feed":
        """ACTIVE, by the rights of who says so."""
        self._require(State.PAUSED, "resumed")
        return replace(self, state=State.ACTIVE, pause_reason=None, activator_id=by)

    def is_short(self, rows: int, rows_before: int | None) -> bool:
        """Whether a delivery has fewer rows than are expected at least; `rows_before` had the one before it."""
        share = self.least_percent * (rows_before or 0)
        return rows < self.least_rows or rows * 100 < share

    def _require(self, state: State, done: str) -> None:
        if self.state is not state:
            raise wrong_state("feed", self.state, done, legal=[state])


def health_of(*, holds: bool, failed: bool, missing_date: date | None) -> Health:
    """Whether somebody has to look after it: what waits for a person first, then what they can only look into."""
    if holds:
        return Health.HELD
    if failed:
        return Health.FAILED
    return Health.OK if missing_date is None else Health.LATE
