"""A message with a field of every kind, for the codec's tests: the contracts do not use all of them."""

from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.message_factory import GetMessageClass

Field = descriptor_pb2.FieldDescriptorProto

_SCALARS = [
    "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "bytes", "uint32",
    "sfixed32", "sfixed64", "sint32", "sint64",
]  # fmt: skip
_MESSAGES = {
    "moment": "google.protobuf.Timestamp",
    "span": "google.protobuf.Duration",
    "mask": "google.protobuf.FieldMask",
    "any_json": "google.protobuf.Value",
    "wrapped_text": "google.protobuf.StringValue",
    "wrapped_count": "google.protobuf.Int64Value",
    "wrapped_flag": "google.protobuf.BoolValue",
    "again": "every_kind.v1.EveryKind",
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    imports = [timestamp_pb2, duration_pb2, field_mask_pb2, struct_pb2, wrappers_pb2]
    file = descriptor_pb2.FileDescriptorProto(
        name="every_kind.proto",
        package="every_kind.v1",
        syntax="proto3",
        dependency=[module.DESCRIPTOR.name for module in imports],
    )
    message = file.message_type.add(name="EveryKind")
    enum = message.enum_type.add(name="LineType")
    enum.value.add(name="LINE_TYPE_UNSPECIFIED", number=0)
    enum.value.add(name="LINE_TYPE_DOTTED", number=1)
    for kind in [*_SCALARS, "enum"]:
        _add(message, kind, kind)
        _add(message, f"many_{kind}", kind, repeated=True)
        _add(message, f"optional_{kind}", kind, optional=True)
    for name, type_name in _MESSAGES.items():
        _add(message, name, "message", type_name=type_name)
        _add(message, f"many_{name}", "message", type_name=type_name, repeated=True)
    message.oneof_decl.insert(0, descriptor_pb2.OneofDescriptorProto(name="choice"))
    for field in message.field:
        if field.HasField("oneof_index"):
            field.oneof_index += 1
    for kind in ("string", "int32"):
        _add(message, f"chosen_{kind}", kind).oneof_index = 0
    for key, value in {"string": "int32", "bool": "string", "int64": "enum", "uint32": "message"}.items():
        _add_map(message, key, value)
    return file


def _add(
    message: Any, name: str, kind: str, *, type_name: str = "", repeated: bool = False, optional: bool = False
) -> Any:
    field = message.field.add(
        name=name,
        number=len(message.field) + 1,
        type=Field.Type.Value(f"TYPE_{kind.upper()}"),
        label=Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL,
    )
    if kind in ("enum", "message"):
        field.type_name = "." + (type_name or "every_kind.v1.EveryKind.LineType")
    if optional:
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")
    return field


def _add_map(message: Any, key: str, value: str) -> None:
    name = f"by_{key}"
    entry = message.nested_type.add(name=f"By{key.capitalize()}Entry")
    entry.options.map_entry = True
    _add(entry, "key", key)
    _add(entry, "value", value, type_name="every_kind.v1.EveryKind" if value == "message" else "")
    _add(message, name, "message", type_name=f"every_kind.v1.EveryKind.{entry.name}", repeated=True)


_POOL = descriptor_pool.Default()
_POOL.AddSerializedFile(_file().SerializeToString())
EveryKind: Any = GetMessageClass(_POOL.FindMessageTypeByName("every_kind.v1.EveryKind"))
