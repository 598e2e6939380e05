"""Values of entities <-> protobuf, columns and JSON: compiled once per field, from its annotation and the contract.

| annotation | contract | column | JSON |
|---|---|---|---|
| str, int, bool | the same | the same | the same |
| UUID | string | uuid | text |
| date | string, ISO | date | text |
| datetime | Timestamp | timestamptz | text |
| timedelta | Duration | interval | text, as protobuf has it |
| Decimal | string | numeric | text |
| Money | crm.type.v1.Money | numeric, beside `currency_code` | object |
| StrEnum | enum with the type's prefix | text | text |
| frozen dataclass | message with the same fields | jsonb | object |
| tuple[X, ...] | repeated X | array, or jsonb | array |
| Mapping[str, str] | map<string, string> | jsonb | object |
| CustomValues | map<string, google.protobuf.Value> | jsonb | object |
| X or None | unset: empty text, 0 of an enum, no message | null | null |
"""

import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from crm_kit.errors import InvalidArgument
from crm_kit.resource.contract import own_fields
from crm_kit.resource.values import (
    PLAIN,
    VALUE_MAP,
    Codec,
    Convert,
    DeclarationError,
    Field,
    enum_codec,
    expect,
    is_value_map,
)
from crm_kit.resource.violations import below

Built = TypeVar("Built", bound=Message)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a field of an entity holds: `kind`, or None too, or several."""

    kind: Any
    optional: bool = False
    repeated: bool = False


def annotation_of(hint: Any) -> Annotation:
    """The annotation apart: `tuple[Role, ...]` is several Role, `UUID | None` is an optional UUID."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [each for each in typing.get_args(hint) if each is not types.NoneType]
        if len(kinds) == 1:
            return dataclasses.replace(annotation_of(kinds[0]), optional=True)
    if typing.get_origin(hint) is tuple:
        item, *rest = typing.get_args(hint)
        if rest == [Ellipsis]:
            return Annotation(item, repeated=True)
    return Annotation(hint)


def codec_of(kind: Any, field: Field | None, where: str) -> Codec:
    """The codec of one value; `field` is the contract's, None for what no contract shows.

    DeclarationError where the contract's type is another.
    """
    if isinstance(kind, type) and issubclass(kind, enum.StrEnum):
        return enum_codec(kind, field, where)
    if typing.get_origin(kind) is not None and issubclass(typing.get_origin(kind), Mapping):
        return VALUE_MAP if field is not None and is_value_map(field) else Codec(dict, dict)
    # Before the other dataclasses: Money is one too.
    if kind in PLAIN:
        name, is_right, codec = PLAIN[kind]
        expect(field, where, name, is_right)
        return codec
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _message_codec(kind, field, where)
    raise DeclarationError(f"{where}: {kind!r} is no type that an entity's field can have; see crm_kit/resource/codecs")


def value_in(message: Message, name: str, kind: type[Value]) -> Value:
    """The value of an enum or a message in a request; InvalidArgument for an enum that is not set."""
    codec = codec_of(kind, message.DESCRIPTOR.fields_by_name[name], name)
    assert codec.from_message is not None
    try:
        return cast("Value", codec.from_message(getattr(message, name)))
    except InvalidArgument as error:
        raise below(error, name) from None


def values_in(message: Message, name: str, kind: type[Value]) -> tuple[Value, ...]:
    """The several values in a request."""
    codec = codec_of(kind, message.DESCRIPTOR.fields_by_name[name], name)
    assert codec.from_message is not None
    return tuple(cast("Value", codec.from_message(each)) for each in getattr(message, name))


# --- messages


def hints_of(kind: Any) -> dict[str, Any]:
    """The annotations of a dataclass, as types."""
    return typing.get_type_hints(kind)


def _message_codec(kind: Any, field: Field | None, where: str) -> Codec:
    if field is None:
        return Codec(from_json=json_reader(kind, where))
    expect(field, where, "a message", lambda each: each.message_type is not None)
    shown = own_fields(field.message_type)
    names = [each.name for each in dataclasses.fields(kind)]
    hints = hints_of(kind) | property_hints(kind)
    for name in shown:
        if name not in hints:
            raise DeclarationError(f"{where}.{name}: the contract has it, {kind.__name__} has not; add it there")
    readers = {name: Reading.of(kind, name, shown[name], f"{where}.{name}") for name in names if name in shown}
    writers = {name: writer_of(hints[name], each, f"{where}.{name}") for name, each in shown.items()}
    message = GetMessageClass(field.message_type)

    def to_message(value: Any) -> Any:
        written = {name: getattr(value, name) for name in writers}
        return message(**{name: write(written[name]) if write else written[name] for name, write in writers.items()})

    def from_message(value: Any) -> Any:
        return kind(**read_all(readers, value))

    short = None
    if shown.keys() <= set(names) and not any(map(_default_of, dataclasses.fields(kind))):
        # What JSON leaves out is empty in the value as it is in the message.
        short = _json_writer(message, {name: json_writer_of(hints[name], shown[name], where) for name in shown})
    return Codec(to_message, from_message, json_reader(kind, where), json_to_message=short)


def _default_of(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _json_writer(message: type[Message], writers: Mapping[str, Convert | None]) -> Convert:
    """From an object as JSON has it to a message; what no contract shows is left out."""

    def write(stored: Mapping[str, Any]) -> Message:
        values = {name: value for name, value in stored.items() if name in writers}
        for name, value in values.items():
            writer = writers[name]
            if writer is not None:
                values[name] = writer(value)
        return message(**values)

    return write


def json_writer_of(hint: Any, field: Field, where: str) -> Convert | None:
    """How a value that is kept as JSON goes into a message's field, as `from_json_of` and `writer_of` together."""
    annotation = annotation_of(hint)
    codec = codec_of(annotation.kind, field, where)
    single = codec.json_to_message or _one_after_the_other(codec.from_json, codec.to_message)
    if single is not None and annotation.repeated:
        return lambda values: [single(value) for value in values]
    if single is not None and annotation.optional:
        return lambda value: None if value is None else single(value)
    return single


def _one_after_the_other(read: Convert | None, write: Convert | None) -> Convert | None:
    if read is None or write is None:
        return read or write
    return lambda stored: write(read(stored))


def json_reader(kind: Any, where: str) -> Convert:
    """How a dataclass is read from the JSON object that `orjson` makes of it."""
    hints = hints_of(kind)
    readers: dict[str, Convert] = {}
    for each in dataclasses.fields(kind):
        convert = from_json_of(hints[each.name], f"{where}.{each.name}")
        if convert is not None:
            readers[each.name] = convert

    def read(stored: Mapping[str, Any]) -> Any:
        return kind(**{name: readers[name](value) if name in readers else value for name, value in stored.items()})

    return read


def from_json_of(hint: Any, where: str) -> Convert | None:
    """How a value is read from JSON; None when it is there as it is."""
    annotation = annotation_of(hint)
    single = codec_of(annotation.kind, None, where).from_json
    return around(annotation, single)


def around(annotation: Annotation, single: Convert | None) -> Convert | None:
    """The conversion of what may be missing or several, from that of one value."""
    if annotation.repeated:
        if single is None:
            return tuple
        return lambda values: tuple(map(single, values))
    if single is None or not annotation.optional:
        return single
    return lambda value: None if value is None else single(value)


def property_hints(kind: Any) -> dict[str, Any]:
    """What the properties of a class return."""
    found: dict[str, Any] = {}
    for name in dir(kind):
        each = getattr(kind, name)
        if isinstance(each, property):
            found[name] = typing.get_type_hints(each.fget).get("return", Any)
    return found


def writer_of(hint: Any, field: Field, where: str) -> Convert | None:
    """How a value goes into a message's field; None when it goes as it is. What is missing is left out."""
    annotation = annotation_of(hint)
    is_several = field.is_repeated and not is_map(field)
    if annotation.repeated != is_several:
        raise DeclarationError(f"{where}: it is repeated in the contract or in the entity, not in both")
    single = codec_of(annotation.kind, field, where).to_message
    if single is None:
        return None
    if annotation.repeated:
        return lambda values: [single(value) for value in values]
    if annotation.optional:
        return lambda value: None if value is None else single(value)
    return single


def to_field(value: Any, field: Field) -> Any:
    """A value of an entity as a message's field takes it; a message is taken as it is."""
    if isinstance(value, list | tuple):
        return [to_field(each, field) for each in value]
    if isinstance(value, Message):
        return value
    # The database driver's UUIDs are of a type of its own.
    kind = UUID if isinstance(value, UUID) else type(value)
    write = None if value is None else _codec_of(cast("Hashable", kind), field).to_message
    return value if write is None else write(value)


def build(message: type[Built], **values: Any) -> Built:
    """A message of these fields, from values of entities."""
    fields = message.DESCRIPTOR.fields_by_name
    return message(**{name: to_field(value, fields[name]) for name, value in values.items()})


@functools.cache
def _codec_of(kind: Hashable, field: Any) -> Codec:
    return codec_of(kind, field, str(field.full_name))


def is_map(field: Field) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


# --- from messages


class Unset(enum.Enum):
    """What a caller has not given, where the entity has a default of its own."""

    UNSET = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """How one field of a message becomes a value of an entity.

    What is not set is None where the entity allows it, and left to the entity or to the command (UNSET) where not;
    text, numbers and enums without a default are what they are when empty.
    """

    name: str
    convert: Convert | None
    repeated: bool
    presence: bool
    unset: Any
    # Whether the empty value, 0 or "", means that nothing was given.
    empty_is_unset: bool

    @classmethod
    def of(cls, kind: Any, name: str, field: Field, where: str) -> "Reading":
        """The reading of a dataclass's field."""
        return cls.of_hint(hints_of(kind)[name], name, field, where)

    @classmethod
    def of_hint(cls, hint: Any, name: str, field: Field, where: str) -> "Reading":
        """The reading of a field with this annotation."""
        annotation = annotation_of(hint)
        codec = codec_of(annotation.kind, field, where)
        unset = None if annotation.optional else Unset.UNSET
        plain = codec.from_message is None and not annotation.optional
        return cls(
            name,
            codec.from_message,
            annotation.repeated,
            bool(field.has_presence),
            unset,
            empty_is_unset=not plain,
        )

    def read(self, message: Any) -> Any:
        """The value; InvalidArgument with a path below the field."""
        if self.presence and not message.HasField(self.name):
            return self.unset
        value = getattr(message, self.name)
        if self.repeated:
            return self._several(value)
        if self.empty_is_unset and not self.presence and not value:
            return self.unset
        return value if self.convert is None else self.convert(value)

    def _several(self, values: Any) -> tuple[Any, ...]:
        if self.convert is None:
            return tuple(values)
        found = []
        for index, value in enumerate(values):
            try:
                found.append(self.convert(value))
            except InvalidArgument as error:
                raise below(error, f"[{index}]") from None
        return tuple(found)


def read_all(readers: Mapping[str, Reading], message: Any) -> dict[str, Any]:
    """The values of several fields by name, those left to the entity's defaults not among them."""
    found: dict[str, Any] = {}
    for name, reader in readers.items():
        try:
            value = reader.read(message)
        except InvalidArgument as error:
            raise below(error, name) from None
        if value is not Unset.UNSET:
            found[name] = value
    return found
