"""JSON Schemas of messages, in the three forms a message takes on REST.

An answer has every field, null where there is nothing; an input has what may be sent; a patch is an input in which
nothing must be given.
"""

from collections import Counter
from collections.abc import Iterator
from enum import Enum

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from crm_gateway.contract import Contract
from crm_gateway.openapi.rules import Schema, enum_numbers_allowed, item_keywords, keywords, must_be_given
from crm_gateway.transcode.fields import (
    UNSPECIFIED,
    enum_names,
    is_map,
    is_output_only,
    is_required,
    is_well_known,
    message_of,
    value_field,
)


class Form(Enum):
    """Which side of the conversation a schema is for; the value ends the component's name."""

    ANSWER = ""
    INPUT = "Input"
    PATCH = "Patch"


_INTEGER: Schema = {"type": "integer", "format": "int32"}
_UNSIGNED: Schema = {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}
_INTEGER_TEXT: Schema = {"type": "string", "pattern": "^-?(0|[1-9][0-9]{0,19})$"}
_TYPE = FieldDescriptor
_SCALARS: dict[int, Schema] = {
    _TYPE.TYPE_STRING: {"type": "string"},
    _TYPE.TYPE_BOOL: {"type": "boolean"},
    _TYPE.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    _TYPE.TYPE_DOUBLE: {"type": "number", "format": "double"},
    _TYPE.TYPE_FLOAT: {"type": "number", "format": "float"},
    **dict.fromkeys((_TYPE.TYPE_INT32, _TYPE.TYPE_SINT32, _TYPE.TYPE_SFIXED32), _INTEGER),
    **dict.fromkeys((_TYPE.TYPE_UINT32, _TYPE.TYPE_FIXED32), _UNSIGNED),
    **dict.fromkeys(
        (_TYPE.TYPE_INT64, _TYPE.TYPE_SINT64, _TYPE.TYPE_SFIXED64, _TYPE.TYPE_UINT64, _TYPE.TYPE_FIXED64),
        _INTEGER_TEXT,
    ),
}
_WELL_KNOWN: dict[str, Schema] = {
    "Timestamp": {"type": "string", "format": "date-time"},
    "Duration": {"type": "string", "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$"},
    "FieldMask": {"type": "string", "pattern": r"^[A-Za-z0-9_.*]*( *, *[A-Za-z0-9_.*]+)*$"},
    "Struct": {"type": "object", "additionalProperties": True},
    "Value": {},
    "ListValue": {"type": "array", "items": {}},
    "Empty": {"type": "object", "additionalProperties": False},
    "Any": {"type": "object", "required": ["@type"], "properties": {"@type": {"type": "string"}}},
    "StringValue": {"type": ["string", "null"]},
    "BoolValue": {"type": ["boolean", "null"]},
    "BytesValue": {"type": ["string", "null"], "contentEncoding": "base64"},
    "Int32Value": {"type": ["integer", "null"]},
    "UInt32Value": {"type": ["integer", "null"], "minimum": 0},
    "Int64Value": {"type": ["string", "null"]},
    "UInt64Value": {"type": ["string", "null"]},
    "FloatValue": {"type": ["number", "null"]},
    "DoubleValue": {"type": ["number", "null"]},
}


class Schemas:
    """Component schemas, made as they are referred to."""

    def __init__(self, contract: Contract) -> None:
        self._comments = contract.comments
        self._names = component_names(contract)
        self.components: dict[str, Schema] = {}

    def ref(self, message: Descriptor, form: Form) -> Schema:
        """A reference to a message's schema; a type with a JSON form of its own is written out."""
        if is_well_known(message):
            return dict(_WELL_KNOWN[message.name])
        name = self._names[message.full_name] + form.value
        if name not in self.components:
            self.components[name] = {}
            self.components[name] |= self._message(message, form)
        return {"$ref": f"#/components/schemas/{name}"}

    def parameter(self, field: FieldDescriptor) -> Schema:
        """The schema of a path or query parameter, which is never null."""
        return self._values(field, Form.INPUT)

    def description(self, name: str) -> str:
        """The comment of a declaration."""
        return self._comments.get(name, "")

    def without(self, message: Descriptor, names: frozenset[str]) -> Schema:
        """An input schema of a body that lacks the fields given elsewhere."""
        return self._message(message, Form.INPUT, names)

    def _message(self, message: Descriptor, form: Form, left_out: frozenset[str] = frozenset()) -> Schema:
        fields = [field for field in message.fields if field.name not in left_out]
        if form is not Form.ANSWER:
            fields = [field for field in fields if not is_output_only(field)]
        schema: Schema = {"type": "object"}
        if comment := self.description(message.full_name):
            schema["description"] = comment
        schema["properties"] = {field.name: self._property(field, form) for field in fields}
        required = [field.name for field in fields if form is Form.ANSWER or must_be_given(field)]
        if required and form is not Form.PATCH:
            schema["required"] = required
        if form is not Form.ANSWER:
            schema["additionalProperties"] = False
        return schema

    def _property(self, field: FieldDescriptor, form: Form) -> Schema:
        schema = self._values(field, form)
        if _is_nullable(field, form):
            schema = _or_null(schema)
        if comment := self.description(field.full_name):
            schema["description"] = comment
        if form is Form.ANSWER and is_output_only(field):
            schema["readOnly"] = True
        return schema

    def _values(self, field: FieldDescriptor, form: Form) -> Schema:
        rules = keywords(field) if form is not Form.ANSWER else {}
        items = item_keywords(field) if form is not Form.ANSWER else {}
        if is_map(field):
            values = self._single(value_field(field), form) | items
            return {"type": "object", "additionalProperties": values} | rules
        if field.is_repeated:
            return {"type": "array", "items": self._single(field, form) | items} | rules
        return self._single(field, form) | rules

    def _single(self, field: FieldDescriptor, form: Form) -> Schema:
        if field.message_type is not None:
            # Inside a patch a nested object is patched too, but what is in a list is there as a whole.
            nested = Form.INPUT if form is Form.PATCH and field.is_repeated else form
            return self.ref(message_of(field), nested)
        if field.enum_type is None:
            return dict(_SCALARS[field.type])
        if form is Form.ANSWER:
            return self._enum_ref(field.enum_type)
        return {"type": "string", "enum": _allowed_names(field, field.enum_type)}

    def _enum_ref(self, enum: EnumDescriptor) -> Schema:
        name = self._names[enum.full_name]
        if name not in self.components:
            short = enum_names(enum)
            told = {
                short[value.number]: self.description(f"{enum.full_name}.{value.name}")
                for value in enum.values
                if short[value.number] != UNSPECIFIED
            }
            lines = [f"- `{value}`: {comment}" for value, comment in told.items()]
            self.components[name] = {
                "type": "string",
                "description": "\n".join([self.description(enum.full_name), "", *lines]).strip(),
                "enum": list(told),
            }
        return {"$ref": f"#/components/schemas/{name}"}


def component_names(contract: Contract) -> dict[str, str]:
    """Full name of a message or enum -> component name: without its package, with its service where two are alike."""
    full_names = list(_declared(contract))
    short = {name: _local_name(name) for name in full_names}
    counts = Counter(short.values())
    return {name: local if counts[local] == 1 else f"{name.split('.')[1]}.{local}" for name, local in short.items()}


def _declared(contract: Contract) -> Iterator[str]:
    for file in contract.files:
        descriptor = contract.pool.FindFileByName(file.name)
        yield from (enum.full_name for enum in descriptor.enum_types_by_name.values())
        for message in descriptor.message_types_by_name.values():
            yield from _nested(message)


def _nested(message: Descriptor) -> Iterator[str]:
    yield message.full_name
    yield from (enum.full_name for enum in message.enum_types)
    for nested in message.nested_types:
        yield from _nested(nested)


def _local_name(full_name: str) -> str:
    """`Account.Kind` of `crm.customer.v1.Account.Kind`."""
    return ".".join(full_name.split(".")[3:])


def _allowed_names(field: FieldDescriptor, enum: EnumDescriptor) -> list[str]:
    names = enum_names(enum)
    return [names[number] for number in enum_numbers_allowed(field) if names[number] != UNSPECIFIED]


def _is_nullable(field: FieldDescriptor, form: Form) -> bool:
    if form is not Form.ANSWER:
        return not must_be_given(field)
    if field.has_presence:
        return True
    if field.is_repeated:
        return False
    return field.enum_type is not None or (field.type == FieldDescriptor.TYPE_STRING and not is_required(field))


def _or_null(schema: Schema) -> Schema:
    if not schema or "null" in schema.get("type", ()):
        return schema
    if isinstance(schema.get("type"), str) and "enum" not in schema and "const" not in schema:
        return schema | {"type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}
