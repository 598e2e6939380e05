"""Questions about a field that encoder, decoder and OpenAPI ask alike."""

from functools import cache
from itertools import pairwise
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

WELL_KNOWN_PACKAGE = "google.protobuf."
VALUE_PACKAGE = "crm.type."
UNSPECIFIED = "UNSPECIFIED"

_FIELD_BEHAVIOR: Any = field_behavior_pb2.field_behavior


@cache
def behaviors(field: FieldDescriptor) -> frozenset[int]:
    """The values of `google.api.field_behavior`."""
    return frozenset(field.GetOptions().Extensions[_FIELD_BEHAVIOR])


def is_required(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.REQUIRED in behaviors(field)


def is_output_only(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.OUTPUT_ONLY in behaviors(field)


def message_of(field: FieldDescriptor) -> Descriptor:
    """The type of a field known to hold messages."""
    assert field.message_type is not None
    return field.message_type


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def key_field(field: FieldDescriptor) -> FieldDescriptor:
    """The key of a map field."""
    return message_of(field).fields_by_name["key"]


def value_field(field: FieldDescriptor) -> FieldDescriptor:
    """The value of a map field."""
    return message_of(field).fields_by_name["value"]


def is_well_known(message: Descriptor) -> bool:
    return message.full_name.startswith(WELL_KNOWN_PACKAGE)


def is_plain_message(field: FieldDescriptor) -> bool:
    """Whether it is one nested object with fields of its own: no list, no map, no type with a JSON form of its own."""
    message = field.message_type
    return message is not None and not field.is_repeated and not is_well_known(message)


def is_value(field: FieldDescriptor) -> bool:
    """Whether it is a value such as Money, replaced as a whole, never field by field."""
    return field.message_type is not None and field.message_type.full_name.startswith(VALUE_PACKAGE)


def short_prefix(enum: EnumDescriptor) -> str:
    """The prefix all values of an enum carry: `KIND_` for `Kind`, `LINE_TYPE_` for `LineType`."""
    name = enum.name
    parts = [name[:1]]
    for before, letter in pairwise(name):
        parts.append("_" + letter if letter.isupper() and not before.isupper() else letter)
    return "".join(parts).upper() + "_"


@cache
def enum_names(enum: EnumDescriptor) -> dict[int, str]:
    """The name of every value on REST, without the type's prefix; of two for one number the first."""
    prefix = short_prefix(enum)
    return {value.number: value.name.removeprefix(prefix) for value in reversed(enum.values)}


@cache
def enum_numbers(enum: EnumDescriptor) -> dict[str, int]:
    """Every accepted name of every value: with the type's prefix and without."""
    prefix = short_prefix(enum)
    short = {value.name.removeprefix(prefix): value.number for value in enum.values}
    return short | {value.name: value.number for value in enum.values}
