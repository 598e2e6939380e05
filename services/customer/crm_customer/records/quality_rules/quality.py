"""How complete a record is, and how old what is known of it: pure rules over any record with these fields.

A value is known since it was changed or confirmed last; what was never changed is known since the record's creation.
"""

import enum
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from crm_kit.errors import FieldViolation, InvalidArgument
from crm_kit.proposed import Proposed

from crm_customer.records.account_kinds import Kind, ValueTier
from crm_customer.records.quality_rules.model import ExpectedField, QualityRule

CUSTOM = "custom."


@dataclass(frozen=True, slots=True)
class FieldCheck:
    """That a value was found to be right, when and by whom; where it is from, and what proves it."""

    field: str
    check_time: datetime
    checker_id: UUID
    source: str | None = None
    proof: str | None = None


MAX_SOURCE, MAX_PROOF = 100, 500
"""Characters of a check, as the contract has them for who confirms."""


def proposed_check(field: str, proposed: Proposed, *, now: datetime) -> FieldCheck:
    """How a value is known that somebody proposed with evidence: they found it, and said why and by what."""
    source, proof = shortened(proposed.source, MAX_SOURCE), shortened(proposed.proof, MAX_PROOF)
    return FieldCheck(field, now, proposed.proposer_id, source or None, proof or None)


def shortened(text: str, most: int) -> str:
    """The text, or its beginning where it has more characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


@dataclass(frozen=True, slots=True)
class FieldTime:
    """When a field was changed last."""

    field: str
    time: datetime


class Described(Protocol):
    """A record as these rules see it."""

    @property
    def create_time(self) -> datetime: ...
    @property
    def custom(self) -> Mapping[str, Any]: ...
    @property
    def field_checks(self) -> tuple[FieldCheck, ...]: ...
    @property
    def field_times(self) -> tuple[FieldTime, ...]: ...
    @property
    def conflicting_fields(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Quality:
    """What is stored of it with a record; all unset where no rule fits."""

    completeness: int | None = None
    missing_fields: tuple[str, ...] = ()
    next_stale_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules in use of a collection in their order; `basis` is another text whenever they are others."""

    basis: str
    rules: Sequence[QualityRule]

    def fitting(self, record: object) -> QualityRule | None:
        """The rule that speaks of a record."""
        kind: Kind | None = getattr(record, "kind", None)
        tier: ValueTier | None = getattr(record, "value_tier", None)
        return next((rule for rule in self.rules if rule.fits(kind, tier)), None)


def value_of(record: Described, field: str) -> Any:
    """The value of a field, or of a custom field by `custom.key`."""
    return record.custom.get(field.removeprefix(CUSTOM)) if field.startswith(CUSTOM) else getattr(record, field)


def is_filled(value: Any) -> bool:
    """Whether something is known: 0 and False are, an empty text or list is not."""
    return value is not None and value != "" and not (isinstance(value, Collection) and not value)


def quality_of(record: Described, rule: QualityRule | None) -> Quality:
    """How a record stands by the rule that fits it."""
    if rule is None:
        return Quality()
    missing = [each for each in rule.expected_fields if not is_filled(value_of(record, each.field))]
    stale = [time for each in rule.expected_fields if (time := stale_time(record, each)) is not None]
    by_weight = sorted(missing, key=lambda each: -each.weight)
    return Quality(
        completeness(rule.expected_fields, missing),
        tuple(each.field for each in by_weight),
        min(stale, default=None),
    )


def completeness(expected: Sequence[ExpectedField], missing: Collection[ExpectedField]) -> int:
    """The share of the weights that is there, from 0 to 100, rounded down: 100 only where nothing is missing."""
    total = sum(each.weight for each in expected)
    return 100 * (total - sum(each.weight for each in missing)) // total


def known_time(record: Described, field: str) -> datetime:
    """When a field was changed or confirmed last."""
    times = [each.time for each in record.field_times if each.field == field]
    checks = [each.check_time for each in record.field_checks if each.field == field]
    return max([*times, *checks], default=record.create_time)


def stale_time(record: Described, expected: ExpectedField) -> datetime | None:
    """When the value of a field is stale; None where there is none, or where it does not age."""
    if not expected.max_age_days or not is_filled(value_of(record, expected.field)):
        return None
    return known_time(record, expected.field) + timedelta(days=expected.max_age_days)


def changed_times(record: Described, changed: Collection[str], *, now: datetime) -> tuple[FieldTime, ...]:
    """When each field was changed last, some having been changed now."""
    kept = [each for each in record.field_times if each.field not in changed]
    return (*kept, *(FieldTime(field, now) for field in changed))


def checks_left(record: Described, changed: Collection[str]) -> tuple[FieldCheck, ...]:
    """The checks that still hold when some fields have changed."""
    return tuple(each for each in record.field_checks if each.field not in changed)


def confirmed(record: Described, checks: Sequence[FieldCheck], known: Collection[str]) -> tuple[FieldCheck, ...]:
    """The record's checks with new ones. InvalidArgument for a field that is not `known`, or has no value."""
    violations = []
    for index, each in enumerate(checks):
        path = f"fields[{index}]"
        if each.field not in known:
            violations.append(FieldViolation(path, "expectable", f"there is no field {each.field} that people fill in"))
        elif not is_filled(value_of(record, each.field)):
            violations.append(FieldViolation(path, "filled", f"{each.field} has no value to confirm"))
    if violations:
        raise InvalidArgument("; ".join(f"{each.field}: {each.detail}" for each in violations), violations=violations)
    return (*checks_left(record, [each.field for each in checks]), *checks)


class Standing(enum.StrEnum):
    MISSING = "MISSING"
    DISAGREES = "DISAGREES"
    STALE = "STALE"
    CURRENT = "CURRENT"


@dataclass(frozen=True, slots=True)
class FieldQuality:
    """How the value of one field stands; its weight is 0 where the field is not expected."""

    field: str
    standing: Standing
    weight: int
    known_time: datetime | None = None
    stale_time: datetime | None = None
    check: FieldCheck | None = None


def field_qualities(record: Described, rule: QualityRule | None, *, now: datetime) -> tuple[FieldQuality, ...]:
    """Field by field: what the rule expects, in its order, then what was confirmed or is in conflict besides."""
    expected = rule.expected_fields if rule is not None else ()
    names = {each.field for each in expected}
    others = dict.fromkeys([*(each.field for each in record.field_checks), *record.conflicting_fields])
    besides = [ExpectedField(field, 0) for field in others if field not in names]
    return tuple(_field_quality(record, each, now) for each in (*expected, *besides))


def _field_quality(record: Described, expected: ExpectedField, now: datetime) -> FieldQuality:
    field = expected.field
    if not is_filled(value_of(record, field)):
        return FieldQuality(field, Standing.MISSING, expected.weight)
    stale = stale_time(record, expected)
    standing = Standing.STALE if stale is not None and stale <= now else Standing.CURRENT
    if field in record.conflicting_fields:
        standing = Standing.DISAGREES
    check = next((each for each in record.field_checks if each.field == field), None)
    return FieldQuality(field, standing, expected.weight, known_time(record, field), stale, check)
