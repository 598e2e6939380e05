"""Protobuf values <-> plain values, as every resource's `wire.py` needs them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from crm_kit.errors import InvalidArgument
from crm_kit.ids import id_from_text

Entity = TypeVar("Entity")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_from(value: Timestamp) -> datetime:
    """The instant, UTC; InvalidArgument for one that no calendar has."""
    try:
        return value.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument("a time lies outside the years 1 to 9999, or its nanos outside 0 to 999999999") from None


def timestamp(value: datetime | None) -> Timestamp | None:
    """An instant for a message. Protobuf would take it as it is, at three times the cost."""
    if value is None:
        return None
    passed = value - _EPOCH
    return Timestamp(seconds=passed.days * 86_400 + passed.seconds, nanos=passed.microseconds * 1000)


def duration(value: timedelta) -> Duration:
    """A length of time for a message."""
    message = Duration()
    message.FromTimedelta(value)
    return message


def duration_from(value: Duration) -> timedelta:
    """The length of time; InvalidArgument for one that is longer than any calendar."""
    try:
        return value.ToTimedelta()
    except OverflowError:
        raise InvalidArgument("a duration is at most 999999999 days") from None


def id_from(text: str) -> UUID | None:
    """An optional reference: None when empty."""
    return id_from_text(text) if text else None


def id_text(id: UUID | None) -> str:
    """An optional reference as text: empty when there is none."""
    return "" if id is None else str(id)


class EnumNames(Generic[Entity]):
    """A protobuf enum <-> the entity's values, which have the same names without the type's prefix."""

    def __init__(self, enum: Any, prefix: str, entity: Callable[[str], Entity]) -> None:
        self._entities = {number: entity(name.removeprefix(prefix)) for name, number in enum.items() if number}
        self._numbers = {name.removeprefix(prefix): number for name, number in enum.items()}

    def entity(self, number: int) -> Entity:
        """The entity's value; the contract refuses numbers that have none."""
        return self._entities[number]

    def wire(self, value: str) -> Any:
        """The number that goes over the wire."""
        return self._numbers[value]
