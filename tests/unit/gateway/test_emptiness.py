"""Which fields a request must have is read off the rules, and is what the validator of the services says."""

from collections.abc import Iterator
from itertools import count

import pytest
from buf.validate import validate_pb2
from crm_gateway.expansion import load_contract
from crm_gateway.protojson.emptiness import refuses_empty
from google.protobuf import descriptor_pool, text_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message_factory import GetMessageClass
from protovalidate import collect_violations

TYPES = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "repeated": FieldDescriptorProto.TYPE_STRING,
}
NUMBERS = count()
RULES = [
    *(
        "string { min_len: 1 }",
        "string { max_len: 5 }",
        "string { len: 3 }",
        "string { uuid: true }",
        "string { uuid: false }",
    ),
    *(
        'string { pattern: "^a+$" }',
        'string { pattern: "^a*$" }',
        'string { in: ["a", "b"] }',
        'string { in: ["", "b"] }',
    ),
    *(
        'string { const: "a" }',
        'string { const: "" }',
        'string { not_in: "" }',
        "required: true",
        "string { email: true }",
    ),
    *("string { min_len: 1 } ignore: IGNORE_IF_ZERO_VALUE", "bytes { min_len: 1 }", "bytes { max_len: 9 }"),
    *("bool { const: true }", "bool { const: false }", "int32 { gt: 0 }", "int32 { gt: -1 }", "int32 { gte: 0 }"),
    *("int32 { gte: 1 lte: 9 }", "int32 { lt: 0 }", "int32 { lt: 1 }", "int32 { lte: -1 }", "int32 { lte: 0 }"),
    *("int32 { in: [1, 2] }", "int32 { in: [0, 2] }", "int32 { not_in: 0 }", "double { gt: 0 }", "double { lte: 100 }"),
    *("repeated { min_items: 1 }", "repeated { max_items: 3 }", "repeated { items { string { min_len: 1 } } }"),
]


def messages_of_requests() -> Iterator[Descriptor]:
    """Every message that requests and answers have at some depth."""
    seen: set[str] = set()
    waiting = [message for rpc in load_contract().rpcs for message in (rpc.request, rpc.response)]
    while waiting:
        message = waiting.pop()
        if message.full_name not in seen:
            seen.add(message.full_name)
            yield message
            waiting += [field.message_type for field in message.fields if field.message_type is not None]


def missed_by_validator(message: Descriptor) -> set[str]:
    """The fields that the validator misses in an empty message."""
    paths = [each.proto.field for each in collect_violations(GetMessageClass(message)())]
    return {path.elements[0].field_name for path in paths if path is not None and len(path.elements) == 1}


def message_with(rules: str, *, optional: bool) -> Descriptor:
    """A message of one field with these rules."""
    kind = rules.partition(" ")[0]
    field = FieldDescriptorProto(name="field", number=1, type=TYPES.get(kind, FieldDescriptorProto.TYPE_STRING))
    field.label = FieldDescriptorProto.LABEL_REPEATED if kind == "repeated" else FieldDescriptorProto.LABEL_OPTIONAL
    text_format.Parse(rules, field.options.Extensions[validate_pb2.field])
    message = DescriptorProto(name=f"Ruled{next(NUMBERS)}")
    if optional:
        field.proto3_optional, field.oneof_index = True, 0
        message.oneof_decl.add(name="_field")
    message.field.append(field)
    file = FileDescriptorProto(name=f"{message.name}.proto", syntax="proto3", package="ruled", message_type=[message])
    file.dependency.append(validate_pb2.DESCRIPTOR.name)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindMessageTypeByName(f"ruled.{message.name}")


@pytest.mark.parametrize("message", messages_of_requests(), ids=lambda message: message.full_name)
def test_what_must_be_given_is_what_the_validator_misses(message: Descriptor) -> None:
    refused = {field.name for field in message.fields if refuses_empty(field)}
    assert refused == missed_by_validator(message)


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("optional", [False, True])
def test_every_kind_of_rule_is_read_as_the_validator_reads_it(rules: str, optional: bool) -> None:
    if optional and rules.startswith("repeated"):
        pytest.skip("no list is optional")
    message = message_with(rules, optional=optional)
    assert {field.name for field in message.fields if refuses_empty(field)} == missed_by_validator(message)
