"""A visit to a customer: the plan, and what became of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from crm_kit.errors import FieldViolation, InvalidArgument, wrong_state
from crm_kit.zones import check_plausible

PLACE = "visit"
# So long after its planned end a visit waits to be told of, until it counts as missed.
GRACE = timedelta(days=2)
MAX_LENGTH = timedelta(days=7)


class State(StrEnum):
    """What became of it."""

    PLANNED = "PLANNED"
    DONE = "DONE"
    MISSED = "MISSED"
    CANCELLED = "CANCELLED"


COMPLETION = {State.DONE: 100, State.MISSED: 0}


@dataclass(frozen=True, slots=True)
class Visit:
    """Fields as in the contract. Methods return the changed one; a wrong state raises FailedPrecondition."""

    id: UUID
    display_name: str
    account_id: UUID
    owner_id: UUID
    planned_time: datetime
    create_time: datetime
    update_time: datetime
    version: int = 1
    state: State = State.PLANNED
    owner_team_id: UUID | None = None
    contact_ids: tuple[UUID, ...] = ()
    planned_end_time: datetime | None = None
    location: str | None = None
    objective: str | None = None
    information_to_bring: str | None = None
    information_to_collect: str | None = None
    interaction_id: UUID | None = None
    close_time: datetime | None = None
    close_reason: str | None = None

    @property
    def overdue_time(self) -> datetime:
        """From when on it counts as missed unless it is told of."""
        return (self.planned_end_time or self.planned_time) + GRACE

    @property
    def completion(self) -> int | None:
        """In percent: 100 when it was made, 0 when it was missed, None where neither counts."""
        return COMPLETION.get(self.state)

    def checked(self) -> "Visit":
        """The visit itself. InvalidArgument for an end before the beginning, or long after it."""
        check_plausible(self.planned_time, field=f"{PLACE}.planned_time")
        if violations := list(self._violations()):
            detail = "; ".join(f"{each.field}: {each.detail}" for each in violations)
            raise InvalidArgument(detail, violations=violations)
        return self

    def update(self, values: Mapping[str, Any]) -> "Visit":
        """With new values of some fields."""
        self._require("changed", State.PLANNED)
        return replace(self, **values)

    def require_completable(self) -> None:
        """FailedPrecondition unless it can be told of. It may have counted as missed."""
        self._require("completed", State.PLANNED, State.MISSED)

    def complete(self, interaction_id: UUID, now: datetime) -> "Visit":
        """It was made, as the interaction tells."""
        self.require_completable()
        return replace(self, state=State.DONE, interaction_id=interaction_id, close_time=now, close_reason=None)

    def miss(self, now: datetime, reason: str | None = None) -> "Visit":
        """It was not made."""
        self._require("missed", State.PLANNED)
        return replace(self, state=State.MISSED, close_time=now, close_reason=reason)

    def cancel(self, now: datetime, reason: str | None = None) -> "Visit":
        """It was called off."""
        self._require("cancelled", State.PLANNED)
        return replace(self, state=State.CANCELLED, close_time=now, close_reason=reason)

    def is_overdue(self, now: datetime) -> bool:
        """Whether it counts as missed by now, since nobody has told of it."""
        return self.state is State.PLANNED and self.overdue_time <= now

    def _violations(self) -> Iterator[FieldViolation]:
        end = self.planned_end_time
        if end is not None and not timedelta() < end - self.planned_time <= MAX_LENGTH:
            detail = "must be after the beginning, and at most a week after it"
            yield FieldViolation(f"{PLACE}.planned_end_time", "ends_after", detail)

    def _require(self, done: str, *legal: State) -> None:
        if self.state not in legal:
            raise wrong_state(PLACE, self.state, done, legal=legal)
