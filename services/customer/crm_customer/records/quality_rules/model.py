"""A quality rule: what is expected to be known of some records, how much each field counts, and how fast it ages."""

import enum
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.errors import FieldViolation, InvalidArgument, wrong_state

from crm_customer.records.account_kinds import Kind, ValueTier

PLACE = "quality_rule"
ACCOUNTS = "accounts"
# In use, of one collection.
MAX_IN_USE = 50


class State(enum.StrEnum):
    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"


class Assessment(enum.StrEnum):
    CURRENT = "CURRENT"
    PENDING = "PENDING"


@dataclass(frozen=True, slots=True)
class ExpectedField:
    """A field that should have a value; `max_age_days` after it was changed or confirmed it is stale, never when 0."""

    field: str
    weight: int
    max_age_days: int = 0


@dataclass(frozen=True, slots=True)
class QualityRule:
    """Fields as in the contract. Methods return the changed one."""

    id: UUID
    display_name: str
    collection: str
    expected_fields: tuple[ExpectedField, ...]
    create_time: datetime
    update_time: datetime
    version: int = 1
    position: int = 0
    kinds: tuple[Kind, ...] = ()
    value_tiers: tuple[ValueTier, ...] = ()
    state: State = State.ACTIVE
    # Of all records of the collection, from the job that assesses them.
    assessment: Assessment = Assessment.PENDING
    assessed_count: int = 0

    def fits(self, kind: Kind | None, value_tier: ValueTier | None) -> bool:
        """Whether it speaks of a record of this kind and tier; of contacts, which have neither, a rule names none."""
        return (not self.kinds or kind in self.kinds) and (not self.value_tiers or value_tier in self.value_tiers)

    def without(self, hidden: Collection[str]) -> "QualityRule | None":
        """As it is for who does not see some fields; None where it expects nothing else."""
        expected = tuple(each for each in self.expected_fields if each.field not in hidden)
        return replace(self, expected_fields=expected) if expected else None

    def update(self, values: Mapping[str, Any]) -> "QualityRule":
        """With new values of some fields. FailedPrecondition when it is archived."""
        if self.state is not State.ACTIVE:
            raise wrong_state(PLACE, self.state, "changed", legal=[State.ACTIVE])
        return replace(self, **values)

    def archive(self) -> "QualityRule":
        """Put away."""
        if self.state is not State.ACTIVE:
            raise wrong_state(PLACE, self.state, "archived", legal=[State.ACTIVE])
        return replace(self, state=State.ARCHIVED)

    def restore(self) -> "QualityRule":
        """In use again."""
        if self.state is not State.ARCHIVED:
            raise wrong_state(PLACE, self.state, "restored", legal=[State.ARCHIVED])
        return replace(self, state=State.ACTIVE)

    def checked(self, known: Collection[str]) -> "QualityRule":
        """The rule itself. InvalidArgument for fields that are not `known` or there twice, and kinds of contacts."""
        violations = list(self._violations(known))
        if violations:
            detail = "; ".join(f"{each.field}: {each.detail}" for each in violations)
            raise InvalidArgument(detail, violations=violations)
        return self

    def _violations(self, known: Collection[str]) -> Iterator[FieldViolation]:
        seen: set[str] = set()
        for index, each in enumerate(self.expected_fields):
            path = f"{PLACE}.expected_fields[{index}].field"
            if each.field in seen:
                yield FieldViolation(path, "unique", f"{each.field} is there twice")
            elif each.field not in known:
                detail = f"{self.collection} have no field {each.field} that people fill in"
                yield FieldViolation(path, "expectable", detail)
            seen.add(each.field)
        if self.collection != ACCOUNTS:
            for name in ("kinds", "value_tiers"):
                if getattr(self, name):
                    yield FieldViolation(f"{PLACE}.{name}", "of_accounts", "only accounts are told apart by it")
