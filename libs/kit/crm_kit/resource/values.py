"""Single values <-> protobuf, columns and JSON: plain types, money and enums. `codecs` puts them together."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from crm.type.v1 import money_pb2
from google.protobuf import struct_pb2
from google.protobuf.descriptor import FieldDescriptor

from crm_kit.durations import duration_from_text
from crm_kit.errors import InvalidArgument, invalid_field
from crm_kit.money import Money, parse_money
from crm_kit.resource.violations import below
from crm_kit.wire import duration, duration_from, time_from, timestamp

Convert = Callable[[Any], Any]
# Descriptors are of the C library or of Python, depending on the platform.
Field = Any
TIMESTAMP = "google.protobuf.Timestamp"
DURATION = "google.protobuf.Duration"
MONEY = "crm.type.v1.Money"
VALUE = "google.protobuf.Value"


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
    # From JSON into a message, where that is shorter than through the value.
    json_to_message: Convert | None = None


def expect(field: Field | None, where: str, name: str, is_right: Callable[[Field], bool]) -> None:
    """DeclarationError unless the contract's field, if there is one, is of the type that is called `name`."""
    if field is not None and not is_right(field):
        raise DeclarationError(f"{where}: the contract's type must be {name}")


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
        number = Decimal(text)
    except ArithmeticError:
        number = Decimal("NaN")
    if not number.is_finite():
        raise invalid_field("", "decimal", f"{text!r} is not a decimal number")
    return number


def _uuid_from(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise invalid_field("", "uuid", f"{text!r} is not an id") from None


def _money_to_message(money: Money) -> money_pb2.Money:
    return money_pb2.Money(amount=money.text(), currency_code=money.currency_code)


def _money_from_message(message: money_pb2.Money) -> Money:
    try:
        return parse_money(message.amount, message.currency_code, field="")
    except InvalidArgument as error:
        raise below(error, "") from None


def _money_from_json(stored: Mapping[str, str]) -> Money:
    return Money(Decimal(stored["amount"]), stored["currency_code"])


def to_value(value: object) -> struct_pb2.Value:
    """A plain JSON value as a message."""
    match value:
        case None:
            return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
        case bool():
            return struct_pb2.Value(bool_value=value)
        case int() | float():
            return struct_pb2.Value(number_value=value)
        case str():
            return struct_pb2.Value(string_value=value)
        case list():
            return struct_pb2.Value(list_value=struct_pb2.ListValue(values=map(to_value, value)))
        case dict():
            fields = {key: to_value(each) for key, each in value.items()}
            return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))
    raise TypeError(f"a {type(value).__name__} is no JSON value")


def from_value(message: struct_pb2.Value) -> object:
    """A plain JSON value from its message: text, truth, a float, a list, an object, or None."""
    kind = message.WhichOneof("kind")
    match kind:
        case None | "null_value":
            return None
        case "list_value":
            return [from_value(each) for each in message.list_value.values]
        case "struct_value":
            return {key: from_value(each) for key, each in message.struct_value.fields.items()}
    return getattr(message, kind)


def _values_to_message(values: Mapping[str, object]) -> Mapping[str, struct_pb2.Value]:
    return {key: to_value(value) for key, value in values.items()}


def _values_from_message(messages: Mapping[str, struct_pb2.Value]) -> dict[str, object]:
    return {key: from_value(message) for key, message in messages.items()}


def is_value_map(field: Field) -> bool:
    """Whether a field is a map of values of any kind, as custom fields are."""
    entry = field.message_type
    if entry is None or not entry.GetOptions().map_entry:
        return False
    kind = entry.fields_by_name["value"].message_type
    return kind is not None and kind.full_name == VALUE


VALUE_MAP = Codec(_values_to_message, _values_from_message)

# --- enums


def _is_message(name: str) -> Callable[[Field], bool]:
    return lambda field: field.message_type is not None and field.message_type.full_name == name


# Type -> the contract's type for it, how that is told, and the codec.
PLAIN: dict[Any, tuple[str, Callable[[Field], bool], Codec]] = {
    str: ("string", _is_text, Codec()),
    UUID: ("string", _is_text, Codec(str, _uuid_from, UUID, json_to_message=str)),
    date: ("string", _is_text, Codec(date.isoformat, _date_from, date.fromisoformat, json_to_message=str)),
    Decimal: ("string", _is_text, Codec("{:f}".format, _decimal_from, Decimal)),
    int: ("int32", _is_number, Codec()),
    bool: ("bool", lambda field: bool(field.type == FieldDescriptor.TYPE_BOOL), Codec()),
    datetime: (TIMESTAMP, _is_message(TIMESTAMP), Codec(timestamp, time_from, datetime.fromisoformat)),
    timedelta: (DURATION, _is_message(DURATION), Codec(duration, duration_from, duration_from_text)),
    Money: (MONEY, _is_message(MONEY), Codec(_money_to_message, _money_from_message, _money_from_json)),
}


def enum_codec(kind: type[enum.StrEnum], field: Field | None, where: str) -> Codec:
    """The codec of an enum, whose values have the contract's names without the type's prefix."""
    if field is None:
        return Codec(from_json=kind, from_column=kind)
    expect(field, where, "an enum", lambda each: each.enum_type is not None)
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
    return Codec(numbers.__getitem__, from_message, kind, kind, json_to_message=numbers.__getitem__)


@cache
def enum_choices(kind: Any) -> list[str]:
    """The values of an enum's descriptor as REST has them, without the one that is not set."""
    prefix = enum_prefix(kind.name)
    return [each.name.removeprefix(prefix) for each in kind.values if each.number]


def enum_prefix(name: str) -> str:
    """What the values of an enum begin with: `KIND_` for `Kind`, `LINE_TYPE_` for `LineType`."""
    parts = [letter if index == 0 or not letter.isupper() else f"_{letter}" for index, letter in enumerate(name)]
    return "".join(parts).upper() + "_"
