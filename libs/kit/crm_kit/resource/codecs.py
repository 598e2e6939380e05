"""Values of entities <-> protobuf, columns and JSON: compiled once per field, from its annotation and the contract.

| annotation | contract | column | JSON |
|---|---|---|---|
| str, int, bool | the same | the same | the same |
| UUID | string | uuid | text |
| date | string, ISO | date | text |
| datetime | Timestamp | timestamptz | text |
| timedelta | Duration | in JSON only | text, in seconds |
| Decimal | string | numeric | text |
| Money | crm.type.v1.Money | numeric, beside `currency_code` | object |
| StrEnum | enum with the type's prefix | text | text |
| frozen dataclass | message with the same fields | jsonb | object |
| tuple[X, ...] | repeated X | array, or jsonb | array |
| Mapping[str, str] | map<string, string> | jsonb | object |
| X or None | unset: empty text, 0 of an enum, no message | null | null |
"""

import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar, cast
from uuid import UUID

from crm.type.v1 import money_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from crm_kit.errors import FieldViolation, InvalidArgument, invalid_field
from crm_kit.money import Money, parse_money
from crm_kit.wire import time_from, timestamp

Convert = Callable[[Any], Any]
Built = TypeVar("Built", bound=Message)
EnumKind = TypeVar("EnumKind", bound=enum.StrEnum)
# Descriptors are of the C library or of Python, depending on the platform.
Field = Any
TIMESTAMP = "google.protobuf.Timestamp"
DURATION = "google.protobuf.Duration"
MONEY = "crm.type.v1.Money"


class DeclarationError(TypeError):
    """A declaration that does not fit its contract, entity or table; raised at import, naming field and remedy."""


@dataclass(frozen=True, slots=True)
class Codec:
    """The conversions of one type of value that is there. None: the value goes over as it is."""

    to_message: Convert | None = None
    from_message: Convert | None = None
    from_json: Convert | None = None
    # From a column that PostgreSQL knows the type of.
    from_column: Convert | None = None


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
        return _enum_codec(kind, field, where)
    if kind is Money:
        _expect(field, where, "Money", lambda each: _message_name(each) == MONEY)
        return Codec(_money_to_message, _money_from_message, _money_from_json)
    if kind is datetime:
        _expect(field, where, "google.protobuf.Timestamp", lambda each: _message_name(each) == TIMESTAMP)
        return Codec(timestamp, time_from, datetime.fromisoformat)
    if kind is timedelta:
        _expect(field, where, DURATION, lambda each: _message_name(each) == DURATION)
        return Codec(_duration, Duration.ToTimedelta, lambda seconds: timedelta(seconds=float(seconds)))
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _message_codec(kind, field, where)
    if typing.get_origin(kind) is not None and issubclass(typing.get_origin(kind), Mapping):
        return Codec(dict, dict)
    if kind in _PLAIN:
        name, is_right, codec = _PLAIN[kind]
        _expect(field, where, name, is_right)
        return codec
    raise DeclarationError(f"{where}: {kind!r} is no type that an entity's field can have; see crm_kit/resource/codecs")


def _expect(field: Field | None, where: str, name: str, is_right: Callable[[Field], bool]) -> None:
    if field is not None and not is_right(field):
        raise DeclarationError(f"{where}: the contract's type must be {name}")


def _message_name(field: Field) -> str:
    return field.message_type.full_name if field.message_type else ""


def _is_text(field: Field) -> bool:
    return bool(field.type == FieldDescriptor.TYPE_STRING)


def _is_number(field: Field) -> bool:
    return bool(field.cpp_type in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64))


def _date_from(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise invalid_field("", "date", f"{text!r} is not a date; dates are written 2026-01-31") from None


def _decimal_from(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        raise invalid_field("", "decimal", f"{text!r} is not a decimal number") from None


def _uuid_from(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise invalid_field("", "uuid", f"{text!r} is not an id") from None


def _duration(value: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(value)
    return message


_PLAIN: dict[Any, tuple[str, Callable[[Field], bool], Codec]] = {
    str: ("string", _is_text, Codec()),
    UUID: ("string", _is_text, Codec(str, _uuid_from, UUID)),
    date: ("string", _is_text, Codec(date.isoformat, _date_from, date.fromisoformat)),
    Decimal: ("string", _is_text, Codec("{:f}".format, _decimal_from, Decimal)),
    int: ("int32", _is_number, Codec()),
    bool: ("bool", lambda field: bool(field.type == FieldDescriptor.TYPE_BOOL), Codec()),
}


def _money_to_message(money: Money) -> money_pb2.Money:
    return money_pb2.Money(amount=money.text(), currency_code=money.currency_code)


def _money_from_message(message: money_pb2.Money) -> Money:
    try:
        return parse_money(message.amount, message.currency_code, field="")
    except InvalidArgument as error:
        raise below(error, "") from None


def _money_from_json(stored: Mapping[str, str]) -> Money:
    return Money(Decimal(stored["amount"]), stored["currency_code"])


# --- enums


def _enum_codec(kind: type[enum.StrEnum], field: Field | None, where: str) -> Codec:
    if field is None:
        return Codec(from_json=kind, from_column=kind)
    _expect(field, where, "an enum", lambda each: each.enum_type is not None)
    prefix = enum_prefix(field.enum_type.name)
    numbers = {value.name.removeprefix(prefix): value.number for value in field.enum_type.values if value.number}
    if set(numbers) != set(kind):
        odd = ", ".join(sorted(set(numbers) ^ set(kind)))
        raise DeclarationError(f"{where}: {kind.__name__} and the contract's enum differ in {odd}; make them equal")
    values = {number: kind(name) for name, number in numbers.items()}

    def from_message(number: int) -> enum.StrEnum:
        if number not in values:
            raise invalid_field("", "enum.defined_only", f"{number} is not a value of the enum")
        return values[number]

    # A StrEnum is found by its text too: columns need no conversion on their way to a message.
    return Codec(numbers.__getitem__, from_message, kind, kind)


def enum_prefix(name: str) -> str:
    """What the values of an enum begin with: `KIND_` for `Kind`, `LINE_TYPE_` for `LineType`."""
    parts = [letter if index == 0 or not letter.isupper() else f"_{letter}" for index, letter in enumerate(name)]
    return "".join(parts).upper() + "_"


def enum_in(message: Message, name: str, kind: type[EnumKind]) -> EnumKind:
    """The value of an enum in a request; InvalidArgument when it is not set."""
    codec = codec_of(kind, message.DESCRIPTOR.fields_by_name[name], name)
    assert codec.from_message is not None
    try:
        return cast("EnumKind", codec.from_message(getattr(message, name)))
    except InvalidArgument as error:
        raise below(error, name) from None


# --- messages


def hints_of(kind: Any) -> dict[str, Any]:
    """The annotations of a dataclass, as types."""
    return typing.get_type_hints(kind)


def _message_codec(kind: Any, field: Field | None, where: str) -> Codec:
    if field is None:
        return Codec(from_json=json_reader(kind, where))
    _expect(field, where, "a message", lambda each: each.message_type is not None)
    shown = field.message_type.fields_by_name
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

    return Codec(to_message, from_message, json_reader(kind, where))


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
    write = None if value is None else _codec_of(cast("Hashable", type(value)), field).to_message
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
        annotation = annotation_of(hints_of(kind)[name])
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


def below(error: InvalidArgument, place: str) -> InvalidArgument:
    """The error of a part, its fields told from `place` on."""
    violations = [
        FieldViolation(joined(place, each.field), each.rule, each.detail)
        for each in error.violations or (FieldViolation("", "value", error.detail),)
    ]
    detail = "; ".join(f"{each.field}: {each.detail}" for each in violations)
    return InvalidArgument(detail, reason=error.reason, violations=violations)


def joined(place: str, path: str) -> str:
    """`addresses` and `[1]` are `addresses[1]`, that and `city` are `addresses[1].city`."""
    path = path.lstrip(".")
    return place + path if not place or not path or path.startswith("[") else f"{place}.{path}"
