"""What the contract says of a field, as metadata tells it."""

import re
from typing import Any, TypeAlias

from crm.metadata.v1 import metadata_pb2 as pb
from crm.options.v1 import options_pb2
from crm_kit.labels import Label, collection_field, field_label, value_label
from crm_kit.resource.contract import named_ids, own_fields
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from crm_gateway.json_schema.rules import enum_numbers_allowed, item_keywords, keywords
from crm_gateway.openapi.marks import unit_label
from crm_gateway.protojson.fields import (
    UNSPECIFIED,
    enum_names,
    is_map,
    is_never_null,
    is_output_only,
    must_be_given,
    short_prefix,
)

Type: TypeAlias = "pb.FieldMetadata.Type.ValueType"
_Type = pb.FieldMetadata
# What more characters are written for is a text of several lines.
_MAX_LINE = 500
_MESSAGES = {
    "google.protobuf.Timestamp": _Type.TYPE_TIME,
    "google.protobuf.Duration": _Type.TYPE_DURATION,
    "google.protobuf.Struct": _Type.TYPE_MAP,
    "google.protobuf.Value": _Type.TYPE_ANY,
    "crm.type.v1.Money": _Type.TYPE_MONEY,
}
_SCALARS = {
    FieldDescriptor.TYPE_BOOL: _Type.TYPE_BOOLEAN,
    FieldDescriptor.TYPE_INT32: _Type.TYPE_NUMBER,
    FieldDescriptor.TYPE_ENUM: _Type.TYPE_ENUM,
}
# As JSON Schema has them -> as metadata does.
_LIMITS = {
    "minLength": "min_length",
    "maxLength": "max_length",
    "pattern": "pattern",
    "format": "format",
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "exclusiveMaximum": "exclusive_maximum",
    "minItems": "min_items",
    "minProperties": "min_items",
    "maxItems": "max_items",
    "maxProperties": "max_items",
    "uniqueItems": "unique_items",
    "enum": "choices",
}
FACETS = frozenset({_Type.TYPE_TEXT, _Type.TYPE_LONG_TEXT, _Type.TYPE_ENUM, _Type.TYPE_ID, _Type.TYPE_BOOLEAN})


def fields_of(message: Descriptor) -> list[pb.FieldMetadata]:
    """The fields of a message; the name of what an id refers to is told with the id."""
    names = {each.id: each.name for each in named_ids(message)}
    found = [field_metadata(field) for field in own_fields(message).values()]
    for each in found:
        each.name_field = names.get(each.name, "")
    return found


def field_metadata(field: FieldDescriptor) -> pb.FieldMetadata:
    """A field of a record, of a verb's request or of an object within one; who sets a record's, the collection says."""
    options = field.GetOptions()
    listed = options.Extensions[options_pb2.listed]
    type = type_of(field)
    sensitive = options.Extensions[options_pb2.sensitive]
    target = options.Extensions[options_pb2.refers_to]
    # Of any collection that the record names, so of none in particular.
    refers_to = "" if collection_field(target) else target
    found = pb.FieldMetadata(
        name=field.name,
        label=label_to_pb(field_label(field.name, options)),
        type=type,
        list=field.is_repeated and not is_map(field),
        required=must_be_given(field) and not is_output_only(field),
        always_set=is_never_null(field),
        changed_by=options.Extensions[options_pb2.changed_by],
        sensitive=sensitive,
        filterable=listed.filter,
        sortable=listed.order,
        groupable=listed.group,
        summable=listed.sum,
        facetable=listed.filter and not sensitive and type in FACETS and field.name != "id",
        refers_to=refers_to,
        without_history=options.Extensions[options_pb2.without_history],
    )
    if limits := limits_of(field):
        found.limits.CopyFrom(pb.FieldLimits(**limits))
    if unit := options.Extensions[options_pb2.unit]:
        found.unit.CopyFrom(label_to_pb(unit_label(unit)))
    if field.enum_type is not None:
        found.values.extend(values_of(field))
    elif type == _Type.TYPE_OBJECT and field.message_type is not None:
        found.fields.extend(fields_of(field.message_type))
        # Of what stands in lists of objects there are none.
        for inner in found.fields:
            inner.facetable = inner.facetable and not found.list
    return found


def type_of(field: FieldDescriptor) -> Type:
    """What a field holds, or an element of its list. ValueError for what no form could ask for."""
    if is_map(field):
        return _Type.TYPE_MAP
    if field.message_type is not None:
        return _MESSAGES.get(field.message_type.full_name, _Type.TYPE_OBJECT)
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text_type(field)
    if field.type not in _SCALARS:
        raise ValueError(f"{field.full_name}: metadata has no type for it; add one to FieldMetadata.Type")
    return _SCALARS[field.type]


def _text_type(field: FieldDescriptor) -> Type:
    rules = item_keywords(field) or keywords(field)
    # An id of so many characters is another system's.
    if field.name == "id" or (field.name.endswith(("_id", "_ids")) and "maxLength" not in rules):
        return _Type.TYPE_ID
    if field.name.endswith(("_date", "_dates")):
        return _Type.TYPE_DATE
    if "pattern" in rules and _is_decimal(rules["pattern"]):
        return _Type.TYPE_DECIMAL
    return _Type.TYPE_LONG_TEXT if rules.get("maxLength", 0) > _MAX_LINE else _Type.TYPE_TEXT


def _is_decimal(pattern: str) -> bool:
    """Whether a pattern takes decimal numbers and no words."""
    return bool(re.search(pattern, "1.5")) and not re.search(pattern, "a")


def limits_of(field: FieldDescriptor) -> dict[str, Any]:
    """The rules of a field's value and of the elements of its list, as `FieldLimits` has them."""
    rules = item_keywords(field) | keywords(field)
    if "const" in rules:
        rules["enum"] = [rules.pop("const")]
    if "enum" in rules:
        rules["enum"] = list(map(str, rules["enum"]))
    return {_LIMITS[name]: value for name, value in rules.items()}


def values_of(field: FieldDescriptor) -> list[pb.ValueMetadata]:
    """The values that the rules of an enum field, or of the elements of its list, allow."""
    enum = field.enum_type
    assert enum is not None
    allowed = set(enum_numbers_allowed(field))
    return [value for number, value in _values(enum) if number in allowed]


def _values(enum: EnumDescriptor) -> list[tuple[int, pb.ValueMetadata]]:
    names, prefix = enum_names(enum), short_prefix(enum)
    return [
        (
            value.number,
            pb.ValueMetadata(
                value=names[value.number],
                label=label_to_pb(value_label(value.name.removeprefix(prefix), value.GetOptions())),
            ),
        )
        for value in enum.values
        if names[value.number] != UNSPECIFIED
    ]


def label_to_pb(label: Label) -> options_pb2.Label:
    return options_pb2.Label(en=label.en, zh=label.zh)
