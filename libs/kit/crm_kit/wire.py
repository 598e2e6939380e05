"""Protobuf values <-> plain values, as every resource's `wire.py` needs them."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from crm_kit.errors import InvalidArgument
from crm_kit.masks import changes_of

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
    return UUID(text) if text else None


def id_text(id: UUID | None) -> str:
    """An optional reference as text: empty when there is none."""
    return "" if id is None else str(id)


class Fields:
    """How the fields of one message become values of an entity, for creates and masked updates.

    `readers` maps a field's name to a function of its value. Fields not in it are output-only and ignored.
    """

    def __init__(self, **readers: Callable[[Any], Any]) -> None:
        self._readers = readers

    def with_more(self, **readers: Callable[[Any], Any]) -> "Fields":
        """These fields and others."""
        return Fields(**self._readers, **readers)

    def all_of(self, message: Message) -> dict[str, Any]:
        """The values of all fields: for a create."""
        return {name: self._value(message, name) for name in self._readers}

    def masked(self, message: Message, mask: FieldMask, current: Message | None = None) -> dict[str, Any]:
        """The values of the fields in the mask, or of all that are set when it is empty (AIP-134).

        A path into a field (`competitor_profile.strengths`) changes this part of `current`, the resource as it is
        now; see `goes_inside`.
        """
        changes = changes_of(message, mask, current=current)
        unset = type(message)()
        return {
            name: self._readers[name](getattr(unset, name) if value is None else value)
            for name, value in changes.items()
            if name in self._readers
        }

    def _value(self, message: Message, name: str) -> Any:
        return self._readers[name](getattr(message, name))


def goes_inside(mask: FieldMask) -> bool:
    """Whether a mask names parts of fields, so that the update needs the resource as it is now."""
    return any("." in path for path in mask.paths)


class EnumNames(Generic[Entity]):
    """A protobuf enum <-> the entity's values, which have the same names without the type's prefix."""

    def __init__(self, enum: Any, prefix: str, entity: Callable[[str], Entity]) -> None:
        self._entities = {number: entity(name.removeprefix(prefix)) for name, number in enum.items() if number}
        self._numbers = {name.removeprefix(prefix): number for name, number in enum.items()}

    def entity(self, number: int) -> Entity:
        """The entity's value; the contract refuses numbers that have none."""
        return self._entities[number]

    def entities(self, numbers: Iterable[int]) -> tuple[Entity, ...]:
        """Several values, in their order."""
        return tuple(self._entities[number] for number in numbers)

    def wire(self, value: str) -> Any:
        """The number that goes over the wire."""
        return self._numbers[value]


def same(value: Any) -> Any:
    """As it is."""
    return value


def text_or_none(value: str) -> str | None:
    """Text that may be missing: None when empty."""
    return value or None
