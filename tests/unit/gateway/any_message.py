"""Any message of a kind, drawn field by field from its descriptor."""

from typing import Any

from crm_gateway.protojson.fields import (
    is_map,
    key_field,
    value_field,
)
from google.protobuf import (
    duration_pb2,
    field_mask_pb2,
    json_format,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

F = FieldDescriptor

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
INTEGERS = {
    F.TYPE_INT32: (-(2**31), 2**31 - 1),
    F.TYPE_SINT32: (-(2**31), 2**31 - 1),
    F.TYPE_SFIXED32: (-(2**31), 2**31 - 1),
    F.TYPE_UINT32: (0, 2**32 - 1),
    F.TYPE_FIXED32: (0, 2**32 - 1),
    F.TYPE_INT64: (-(2**63), 2**63 - 1),
    F.TYPE_SINT64: (-(2**63), 2**63 - 1),
    F.TYPE_SFIXED64: (-(2**63), 2**63 - 1),
    F.TYPE_UINT64: (0, 2**64 - 1),
    F.TYPE_FIXED64: (0, 2**64 - 1),
}
SECONDS = st.integers(-62_135_596_800, 253_402_300_799)
# Adding zero takes the sign from a zero, which whole numbers in an answer do not have.
JSON_NUMBERS = st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | JSON_NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    if field.type in INTEGERS:
        return st.integers(*INTEGERS[field.type])
    match field.type:
        case F.TYPE_STRING:
            return TEXT
        case F.TYPE_BYTES:
            return st.binary(max_size=8)
        case F.TYPE_BOOL:
            return st.booleans()
        case F.TYPE_FLOAT:
            # json_format refuses to read the largest floats it has written itself.
            return st.floats(-(2.0**126), 2.0**126, width=32)
    return st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 2) -> Any:
    """A random message; at most some of its fields are set, one member of each oneof."""
    message = GetMessageClass(descriptor)()
    if fill := WELL_KNOWN.get(descriptor.full_name):
        return fill(draw)
    fields = draw(st.lists(st.sampled_from(list(descriptor.fields)), max_size=8, unique_by=lambda f: f.name))
    for field in fields:
        if field.message_type is not None and depth == 0 and field.message_type.full_name not in WELL_KNOWN:
            continue
        put(draw, message, field, depth)
    return message


def put(draw: st.DrawFn, message: Any, field: FieldDescriptor, depth: int) -> None:
    if is_map(field):
        keys = st.lists(scalars(key_field(field)), max_size=2, unique=True)
        for key in draw(keys):
            put_entry(draw, getattr(message, field.name), key, value_field(field), depth)
    elif field.message_type is not None:
        values = messages(field.message_type, depth - 1)
        if field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(values, max_size=2)))
        else:
            getattr(message, field.name).CopyFrom(draw(values))
    elif field.is_repeated:
        # Every rule of a list refuses UNSPECIFIED in it.
        values = scalars(field).filter(bool) if field.enum_type is not None else scalars(field)
        getattr(message, field.name).extend(draw(st.lists(values, max_size=3)))
    else:
        setattr(message, field.name, draw(scalars(field)))


def put_entry(draw: st.DrawFn, entries: Any, key: Any, values: FieldDescriptor, depth: int) -> None:
    if values.message_type is None:
        entries[key] = draw(scalars(values))
    else:
        entries[key].CopyFrom(draw(messages(values.message_type, depth - 1)))


def value_message(draw: st.DrawFn) -> struct_pb2.Value:
    content: Any = draw(JSON_VALUES)
    return json_format.ParseDict(content, struct_pb2.Value())


def moment(draw: st.DrawFn) -> timestamp_pb2.Timestamp:
    return timestamp_pb2.Timestamp(seconds=draw(SECONDS), nanos=draw(st.integers(0, 999_999_999)))


def duration(draw: st.DrawFn) -> duration_pb2.Duration:
    seconds = draw(st.integers(-315_576_000_000, 315_576_000_000))
    nanos = draw(st.integers(0, 999_999_999)) if abs(seconds) < 315_576_000_000 else 0
    return duration_pb2.Duration(seconds=seconds, nanos=-nanos if seconds < 0 else nanos)


def mask(draw: st.DrawFn) -> field_mask_pb2.FieldMask:
    return field_mask_pb2.FieldMask(paths=draw(st.lists(st.from_regex(r"\A[a-z]{1,5}(\.[a-z]{1,3})?\Z"), max_size=3)))


def wrapper(kind: Any, values: st.SearchStrategy[Any]) -> Any:
    return lambda draw: kind(value=draw(values))


WELL_KNOWN = {
    "google.protobuf.StringValue": wrapper(wrappers_pb2.StringValue, TEXT),
    "google.protobuf.Int64Value": wrapper(wrappers_pb2.Int64Value, st.integers(-(2**63), 2**63 - 1)),
    "google.protobuf.BoolValue": wrapper(wrappers_pb2.BoolValue, st.booleans()),
    "google.protobuf.Value": value_message,
    "google.protobuf.Timestamp": moment,
    "google.protobuf.Duration": duration,
    "google.protobuf.FieldMask": mask,
}
