"""Questions about a field that encoder, decoder and OpenAPI ask alike."""

from functools import cache
from itertools import pairwise
from typing import Any

from crm.options.v1 import options_pb2
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from crm_gateway.protojson.emptiness import refuses_empty

WELL_KNOWN_PACKAGE = "google.protobuf."
VALUE_PACKAGE = "crm.type."
UNSPECIFIED = "UNSPECIFIED"
_ALWAYS_SET = frozenset({"id", "etag", "create_time", "update_time"})

_FIELD_BEHAVIOR: Any = field_behavior_pb2.field_behavior


@cache
def behaviors(field: FieldDescriptor) -> frozenset[int]:
    """The values of `google.api.field_behavior`."""
    return frozenset(field.GetOptions().Extensions[_FIELD_BEHAVIOR])


def is_required(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.REQUIRED in behaviors(field)


def is_output_only(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.OUTPUT_ONLY in behaviors(field)


@cache
def must_be_given(field: FieldDescriptor) -> bool:
    """Whether a request without the field breaks a rule."""
    return is_required(field) or refuses_empty(field)


@cache
def is_never_null(field: FieldDescriptor) -> bool:
    """Whether every answer has a value in the field: numbers, booleans and lists do, texts and messages by contract."""
    options = field.GetOptions()
    if options.HasExtension(options_pb2.always_set):
        return options.Extensions[options_pb2.always_set]
    if field.name in _ALWAYS_SET or must_be_given(field):
        return True
    is_text = field.type == FieldDescriptor.TYPE_STRING
    return field.is_repeated or not (field.has_presence or is_text or field.enum_type is not None)


def message_of(field: FieldDescriptor) -> Descriptor:
    """The type of a field known to hold messages."""
    assert field.message_type is not None
    return field.message_type


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def is_custom(field: FieldDescriptor) -> bool:
    """Whether it holds values of custom fields by key: each is changed for itself, as a field is."""
    if not is_map(field):
        return False
    kind = value_field(field).message_type
    return kind is not None and kind.full_name == f"{WELL_KNOWN_PACKAGE}Value"


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
    names: dict[int, str] = {}
    for value in enum.values:
        names.setdefault(value.number, value.name.removeprefix(prefix))
    return names


@cache
def enum_numbers(enum: EnumDescriptor) -> dict[str, int]:
    """Every accepted name of every value: with the type's prefix and without."""
    prefix = short_prefix(enum)
    short = {value.name.removeprefix(prefix): value.number for value in enum.values}
    return short | {value.name: value.number for value in enum.values}
