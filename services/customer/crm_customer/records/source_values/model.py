"""What a source says of a field of a record, and whether the record has that: pure rules over values as JSON has them.

Of each source and field the newest stands, by when the source was found to say it and not by when we were told, so
that what arrives late, twice or in another order comes to the same.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from crm_kit.collation.keys import MAX_CHARACTERS, collation_key
from crm_kit.errors import FailedPrecondition, denied, invalid_field
from crm_kit.zones import check_plausible

MAX_OF_FIELD = 20
"""Sources that say something of one field of a record."""

MAX_OF_RECORD = 200

MAX_KEPT = 1000
"""Of a record, with those that were withdrawn and are kept so that they do not come back."""

MAX_AHEAD = timedelta(minutes=5)
"""By so much the clock of another system may be before ours."""

Json = object


@dataclass(frozen=True, slots=True)
class SourceValue:
    """What a source says of a field, when it was found to, and who told us; withdrawn ones say nothing any more."""

    id: UUID
    field: str
    source: str
    value: Json
    observed_time: datetime
    user_id: UUID
    state_time: datetime
    proof: str | None = None
    withdraw_time: datetime | None = None

    @property
    def stands(self) -> bool:
        return self.withdraw_time is None

    def gives_way_to(self, other: "SourceValue") -> bool:
        """Whether what the same source was found to say takes its place: of one instant, what was told last.

        What was withdrawn gives way only to what is newer: who tells the same again has not read that it is wrong.
        """
        if self.stands:
            return other.observed_time >= self.observed_time
        return other.observed_time > self.observed_time

    def withdraw(self, by: UUID, *, may_change_record: bool, now: datetime) -> "SourceValue":
        """Said no more. PermissionDenied for who neither told us nor may change the record."""
        if by != self.user_id and not may_change_record:
            detail = "only who said what a source says, or may change the record, withdraws it"
            raise denied("may_not_withdraw", detail)
        return replace(self, withdraw_time=now)


def taken(before: Iterable[SourceValue], stated: Iterable[SourceValue]) -> list[SourceValue]:
    """Those stated that stand from now on, under the ids that their sources have for these fields already.

    FailedPrecondition SOURCE_VALUE_LIMIT_REACHED.
    """
    known = {(each.field, each.source): each for each in before}
    made = []
    for each in stated:
        old = known.get((each.field, each.source))
        if old is None or old.gives_way_to(each):
            made.append(each if old is None else replace(each, id=old.id))
            known[each.field, each.source] = made[-1]
    check_room([each for each in known.values() if each.stands])
    if len(known) > MAX_KEPT:
        detail = f"{MAX_KEPT} things were said of the record within a year; what was withdrawn is forgotten after that"
        raise _full(detail, MAX_KEPT, rule="source_values_kept")
    return made


def check_room(standing: Sequence[SourceValue]) -> None:
    """FailedPrecondition where more sources than possible say something."""
    for field in {each.field for each in standing}:
        if sum(each.field == field for each in standing) > MAX_OF_FIELD:
            raise _full(f"{MAX_OF_FIELD} sources say something of {field} already; withdraw one first", MAX_OF_FIELD)
    if len(standing) > MAX_OF_RECORD:
        raise _full(f"sources say {MAX_OF_RECORD} things of the record already; withdraw one first", MAX_OF_RECORD)


def _full(detail: str, most: int, **rule: str) -> FailedPrecondition:
    return FailedPrecondition(detail, reason="SOURCE_VALUE_LIMIT_REACHED", metadata={"most": str(most), **rule})


def observed(time: datetime | None, *, now: datetime, field: str = "observed_time") -> datetime:
    """When a source was found to say something: now, where that is not told.

    InvalidArgument for what is to come, and for a time that is typed wrongly: as 0026 it would never be the newest.
    """
    if time is not None and time > now + MAX_AHEAD:
        raise invalid_field(field, "past", "lies more than five minutes in the future")
    if time is not None:
        check_plausible(time, field=field)
    return now if time is None else time


def agrees(said: Json, has: Json) -> bool:
    """Whether a record that `has` a value has what is `said`: all of it, where that is a list."""
    return keys_of(said) <= keys_of(has)


def conflicting(values: Iterable[SourceValue], value_of: Callable[[str], Json]) -> tuple[str, ...]:
    """The fields of which a source says what the record does not have, in order."""
    said = ((each.field, each.value) for each in values if each.stands)
    return tuple(sorted({field for field, value in said if not agrees(value, value_of(field))}))


def sourced(values: Iterable[SourceValue]) -> tuple[str, ...]:
    """The fields of which sources say something, in order."""
    return tuple(sorted({each.field for each in values if each.stands}))


def keys_of(value: Json) -> frozenset[str]:
    """What of a value is compared: a key for each member of a list, one for anything else, none for nothing."""
    if value is None or value == "":
        return frozenset()
    if isinstance(value, Collection) and not isinstance(value, str | Mapping):
        return frozenset().union(*map(keys_of, value))
    return frozenset([json.dumps(_key(value), sort_keys=True)])


def _key(value: Json) -> Json:
    """A text without case, accents, width and more blanks than one; of an object what it has."""
    if isinstance(value, str):
        text = " ".join(value.split())
        return collation_key(text) + text[MAX_CHARACTERS:]
    if isinstance(value, Mapping):
        return {name: _key(each) for name, each in value.items() if each not in (None, "")}
    if isinstance(value, list | tuple):
        return [_key(each) for each in value]
    return value
