"""A segment: a group of accounts, listed one by one or told by a filter."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from crm_kit.errors import FailedPrecondition, FieldViolation, InvalidArgument, wrong_state

PLACE = "segment"
MAX_MEMBERS = 100_000
# Of how many accounts a list is looked through for the first of them.
MAX_BEST = 5000


class Kind(StrEnum):
    """How the members of a segment are told."""

    STATIC = "STATIC"
    DYNAMIC = "DYNAMIC"


class State(StrEnum):
    """Whether it is in use."""

    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"


@dataclass(frozen=True, slots=True)
class Segment:
    """Fields as in the contract. Methods return the changed one; a wrong state raises FailedPrecondition."""

    id: UUID
    display_name: str
    kind: Kind
    owner_id: UUID
    create_time: datetime
    update_time: datetime
    version: int = 1
    state: State = State.ACTIVE
    owner_team_id: UUID | None = None
    description: str | None = None
    filter: str | None = None
    order_by: str | None = None
    max_members: int | None = None
    members_change_time: datetime | None = None
    # The custom fields that filter and order go by, each with its type when that was written: `fleet_size NUMBER`.
    custom_uses: tuple[str, ...] = ()
    unusable_fields: tuple[str, ...] = ()

    def checked(self) -> "Segment":
        """The segment itself. InvalidArgument names what does not go with its kind."""
        if violations := list(self._violations()):
            detail = "; ".join(f"{each.field}: {each.detail}" for each in violations)
            raise InvalidArgument(detail, violations=violations)
        return self

    def update(self, values: Mapping[str, Any]) -> "Segment":
        """With new values of some fields."""
        self._require(State.ACTIVE, "changed")
        return replace(self, **values)

    def members_changed(self, now: datetime) -> "Segment":
        """Other members were added or removed by hand."""
        return replace(self, members_change_time=now)

    def require_static(self) -> None:
        """FailedPrecondition where nobody adds or removes members."""
        self._require(State.ACTIVE, "changed")
        if self.kind is not Kind.STATIC:
            detail = "the members of the segment are told by its filter; nobody adds or removes any"
            raise FailedPrecondition(detail, reason="SEGMENT_NOT_STATIC")

    def archive(self) -> "Segment":
        """Put it away; it keeps its history."""
        self._require(State.ACTIVE, "archived")
        return replace(self, state=State.ARCHIVED)

    def restore(self) -> "Segment":
        """Bring it back."""
        self._require(State.ARCHIVED, "restored")
        return replace(self, state=State.ACTIVE)

    def _violations(self) -> Iterator[FieldViolation]:
        if self.kind is Kind.STATIC:
            for name in ("filter", "order_by", "max_members"):
                if getattr(self, name) is not None:
                    yield FieldViolation(f"{PLACE}.{name}", "dynamic_only", "goes with the kind DYNAMIC only")
            return
        if self.filter is None and self.max_members is None:
            yield FieldViolation(f"{PLACE}.filter", "required", "is needed: it says which accounts are members")
        yield from best_violations(self.order_by, self.max_members, place=f"{PLACE}.")

    def _require(self, state: State, done: str) -> None:
        if self.state is not state:
            raise wrong_state(PLACE, self.state, done, legal=[state])


def best_violations(order_by: str | None, max_members: int | None, *, place: str = "") -> Iterator[FieldViolation]:
    """What is missing where one of both is given alone."""
    if max_members is not None and not order_by:
        yield FieldViolation(f"{place}order_by", "best_order", "is needed: it says which accounts are the best")
    if order_by and max_members is None:
        yield FieldViolation(f"{place}max_members", "best_count", "is needed: lists have an order of their own")
