"""JSON Schemas of messages, in the forms a message takes on REST.

An answer has every field, null where there is nothing. A patch has every field too, so that an answer may be sent
back as it came, but needs none; an input is a patch in which some must be given. A message whose fields must all be
given, such as Money, has one form for all.
"""

from collections import Counter
from collections.abc import Iterator
from enum import Enum
from functools import cache

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from crm_gateway.contract import Contract
from crm_gateway.json_schema.examples import told_example
from crm_gateway.json_schema.rules import Schema, enum_numbers_allowed, item_keywords, keywords
from crm_gateway.openapi.marks import enum_marks, field_marks, record_marks
from crm_gateway.protojson.fields import (
    UNSPECIFIED,
    enum_names,
    is_custom,
    is_map,
    is_never_null,
    is_output_only,
    is_plain_message,
    is_value,
    is_well_known,
    message_of,
    must_be_given,
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


_CUSTOM_VALUES = "CustomValues"
_CUSTOM_SCHEMA: Schema = {
    "description": "Values of custom fields by key: text, true or false, or a list of option keys. Numbers are decimal "
    "text and dates ISO 8601; in requests a JSON number is taken, too, and null clears.",
    "type": "object",
    "additionalProperties": True,
    "maxProperties": 100,
    "examples": [{"contract_no": "A-1", "floor_area": "120.5", "tags": ["a"]}],
}


class Schemas:
    """Component schemas, made as they are referred to."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._comments = contract.comments
        self._names = component_names(contract)
        self._answered = answered(contract)
        self._patched = patched(contract)
        self.components: dict[str, Schema] = {}

    def ref(self, message: Descriptor, form: Form) -> Schema:
        """A reference to a message's schema; a type with a JSON form of its own is written out."""
        if is_well_known(message):
            return dict(_WELL_KNOWN[message.name])
        name = self._component_name(message, form)
        if name not in self.components:
            self.components[name] = {}
            self.components[name] |= self._component(message, form)
        return {"$ref": f"#/components/schemas/{name}"}

    def parameter(self, field: FieldDescriptor) -> Schema:
        """The schema of a path or query parameter, which is never null."""
        return self._values(field, Form.INPUT)

    def description(self, name: str) -> str:
        """The comment of a declaration."""
        return self._comments.get(name, "")

    def answer(self, message: Descriptor) -> Schema:
        """The schema of an answer, written out."""
        return self._object(message, Form.ANSWER)

    def without(self, message: Descriptor, names: frozenset[str]) -> Schema:
        """An input schema of a body that lacks the fields given elsewhere."""
        return self._object(message, Form.INPUT, names)

    def _component_name(self, message: Descriptor, form: Form) -> str:
        name = self._names[message.full_name]
        if form is Form.PATCH and needs_nothing(message):
            form = Form.INPUT
        if has_one_form(message) or (form is Form.INPUT and message.full_name not in self._answered):
            return name
        return name + form.value

    def _component(self, message: Descriptor, form: Form) -> Schema:
        if form is Form.INPUT and self._says_all_in_patch(message):
            return self._input_by_patch(message)
        schema = self._object(message, form)
        if form is Form.ANSWER:
            schema |= record_marks(self._contract, message)
        if comment := self.description(message.full_name):
            schema = {"description": comment} | schema
        return schema

    def _says_all_in_patch(self, message: Descriptor) -> bool:
        """Whether the input of a message is its patch, and that some fields must be given."""
        if message.full_name not in self._patched or needs_nothing(message):
            return False
        # A map that is inherited becomes two classes of one name in clients made by openapi-python-client.
        return not any(
            (is_map(field) and not is_custom(field))
            or (is_plain_message(field) and not is_value(field) and not needs_nothing(message_of(field)))
            for field in message.fields
            if not is_output_only(field)
        )

    def _input_by_patch(self, message: Descriptor) -> Schema:
        given = [field for field in message.fields if _must_be_sent(field)]
        # Said once more with their types: not every generator understands `required` of an inherited property.
        properties = {field.name: self._values(field, Form.INPUT) for field in given}
        needed = {"type": "object", "properties": properties, "required": list(properties)}
        return {
            "description": self.description(message.full_name),
            "allOf": [self.ref(message, Form.PATCH), needed],
        }

    def _object(self, message: Descriptor, form: Form, left_out: frozenset[str] = frozenset()) -> Schema:
        fields = [field for field in message.fields if field.name not in left_out]
        schema: Schema = {
            "type": "object",
            "properties": {field.name: self._property(field, form) for field in fields},
        }
        required = [field.name for field in fields if form is Form.ANSWER or _must_be_sent(field)]
        if required and form is not Form.PATCH:
            schema["required"] = required
        if form is not Form.ANSWER and not has_one_form(message):
            schema["additionalProperties"] = False
        return schema

    def _property(self, field: FieldDescriptor, form: Form) -> Schema:
        # What only the service writes is the same on both sides: it comes back as it went out.
        read_only = is_output_only(field)
        schema = self._values(field, Form.ANSWER if read_only else form)
        if not (is_never_null(field) if read_only or form is Form.ANSWER else must_be_given(field)):
            schema = _or_null(schema)
        if read_only:
            schema["readOnly"] = True
        if read_only and form is not Form.ANSWER:
            return schema
        if comment := self.description(field.full_name):
            schema["description"] = comment
        if (example := told_example(_owner(field), field.name, schema, comment)) is not None:
            schema["examples"] = [example]
        return schema | field_marks(field) if form is Form.ANSWER else schema

    def _values(self, field: FieldDescriptor, form: Form) -> Schema:
        if is_custom(field):
            # Said once: a map that is written out becomes a class of its own in clients, wherever it stands.
            self.components.setdefault(_CUSTOM_VALUES, _CUSTOM_SCHEMA)
            return {"$ref": f"#/components/schemas/{_CUSTOM_VALUES}"}
        rules, items = keywords(field), item_keywords(field)
        if form is Form.ANSWER and not has_one_form(field.containing_type):
            # Limits are for those who write.
            rules, items = _format_alone(rules), _format_alone(items)
        if is_map(field):
            values = self._single(value_field(field), form) | items
            return {"type": "object", "additionalProperties": values} | rules
        if field.is_repeated:
            return {"type": "array", "items": self._single(field, form) | items} | rules
        return self._single(field, form) | rules

    def _single(self, field: FieldDescriptor, form: Form) -> Schema:
        if field.message_type is not None:
            # Inside a patch a nested object is patched too, but what is in a list, or a value, is there as a whole.
            whole = field.is_repeated or is_value(field)
            return self.ref(message_of(field), Form.INPUT if form is Form.PATCH and whole else form)
        if field.enum_type is not None:
            return self._enum(field, field.enum_type, form)
        schema = dict(_SCALARS[field.type])
        # An id of so many characters is another system's.
        is_ours = field.type == FieldDescriptor.TYPE_STRING and "maxLength" not in keywords(field)
        if is_ours and (named := _named_format(field.name)):
            schema["format"] = named
        return schema

    def _enum(self, field: FieldDescriptor, enum: EnumDescriptor, form: Form) -> Schema:
        names = enum_names(enum)
        said = [number for number, name in names.items() if name != UNSPECIFIED]
        allowed = said if form is Form.ANSWER else [each for each in enum_numbers_allowed(field) if each in said]
        if len(allowed) < len(said):
            return {"type": "string", "enum": [names[number] for number in sorted(allowed)]}
        return self._enum_ref(enum)

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
                **enum_marks(enum),
            }
        return {"$ref": f"#/components/schemas/{name}"}


@cache
def has_one_form(message: Descriptor) -> bool:
    """Whether answers and requests have the same fields of a message: all must be given, and none is read-only."""
    return bool(message.fields) and all(
        must_be_given(field)
        and not is_output_only(field)
        and (field.message_type is None or is_well_known(field.message_type) or has_one_form(field.message_type))
        for field in message.fields
    )


@cache
def needs_nothing(message: Descriptor) -> bool:
    """Whether a request may leave out every field of a message, at any depth."""
    return not is_well_known(message) and not any(
        _must_be_sent(field)
        or (is_plain_message(field) and not is_value(field) and not needs_nothing(message_of(field)))
        for field in message.fields
    )


def patched(contract: Contract) -> frozenset[str]:
    """Full names of the messages that a PATCH takes as its body."""
    bodies = ((rpc, each.body) for rpc in contract.rpcs for each in rpc.bindings if each.verb == "PATCH")
    return frozenset(message_of(rpc.request.fields_by_name[body]).full_name for rpc, body in bodies if body != "*")


def answered(contract: Contract) -> frozenset[str]:
    """Full names of the messages that answers have, at any depth."""
    found: set[str] = set()
    waiting = [rpc.response for rpc in contract.rpcs]
    while waiting:
        message = waiting.pop()
        if message.full_name not in found:
            found.add(message.full_name)
            waiting += [field.message_type for field in message.fields if field.message_type is not None]
    return frozenset(found)


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


def _owner(field: FieldDescriptor) -> str:
    """The name of the message that has the field."""
    return field.full_name.split(".")[-2]


def _named_format(name: str) -> str:
    """The format that a name promises: `owner_id` is a UUID, `birth_date` a date."""
    if name == "id" or name.endswith(("_id", "_ids")):
        return "uuid"
    return "date" if name.endswith("_date") else ""


def _format_alone(rules: Schema) -> Schema:
    return {"format": rules["format"]} if "format" in rules else {}


def _must_be_sent(field: FieldDescriptor) -> bool:
    return must_be_given(field) and not is_output_only(field)


def _or_null(schema: Schema) -> Schema:
    if not schema or "null" in schema.get("type", ()):
        return schema
    if isinstance(schema.get("type"), str) and "enum" not in schema and "const" not in schema:
        return schema | {"type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}
