"""The compiled codec against `google.protobuf.json_format`, which was written by others from the same rules."""

from decimal import Decimal
from typing import Any

import orjson
import pytest
from buf.validate import validate_pb2
from crm.customer.v1 import accounts_pb2 as pb
from crm.type.v1 import change_pb2
from crm_gateway.protojson.fields import (
    is_map,
    is_never_null,
    is_output_only,
    is_well_known,
    value_field,
)
from google.protobuf import any_pb2, json_format, wrappers_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.gateway.any_message import JSON_VALUES, messages
from tests.unit.gateway.coding import decoded, encoded
from tests.unit.gateway.every_kind import EveryKind

F = FieldDescriptor
ENUM_PREFIXES = {
    "crm.customer.v1.Account.Kind": "KIND_",
    "crm.customer.v1.Account.RestrictedBy": "RESTRICTED_BY_",
    "crm.customer.v1.Account.Role": "ROLE_",
    "crm.customer.v1.Account.Status": "STATUS_",
    "crm.customer.v1.Address.Kind": "KIND_",
    "crm.customer.v1.Consent.State": "STATE_",
    "crm.type.v1.ValueTier": "VALUE_TIER_",
    "buf.validate.Ignore": "IGNORE_",
    "buf.validate.KnownRegex": "KNOWN_REGEX_",
    "every_kind.v1.EveryKind.LineType": "LINE_TYPE_",
}
TYPES = [pb.Account, change_pb2.Change, validate_pb2.FieldRules, EveryKind]


def oracle(message: Any) -> Any:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def as_documented(value: Any, descriptor: Descriptor) -> Any:
    """The oracle's JSON with our documented differences: all fields there, blank text and enums null, no prefixes."""
    if descriptor.full_name == "google.protobuf.Timestamp":
        return normal_instant(value)
    if descriptor.full_name == "google.protobuf.Duration":
        return normal_duration(value)
    if is_well_known(descriptor) or not isinstance(value, dict):
        return value
    return {field.name: field_as_documented(value.get(field.name), field) for field in descriptor.fields}


def field_as_documented(value: Any, field: FieldDescriptor) -> Any:
    if value is None:
        return None
    if is_map(field):
        return {key: one_as_documented(each, value_field(field)) for key, each in value.items()}
    if field.is_repeated:
        return [one_as_documented(each, field) for each in value]
    if field.enum_type is not None and value == field.enum_type.values[0].name:
        return None
    if value == "" and field.type == F.TYPE_STRING and not field.has_presence and not is_never_null(field):
        return None
    return one_as_documented(value, field)


def one_as_documented(value: Any, field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        return value.removeprefix(ENUM_PREFIXES[field.enum_type.full_name])
    return value if field.message_type is None else as_documented(value, field.message_type)


def normal_instant(text: str) -> tuple[str, int]:
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return whole, int((fraction or "0").ljust(9, "0"))


def normal_duration(text: str) -> tuple[str, int]:
    whole, _, fraction = text.removesuffix("s").partition(".")
    return whole, int((fraction or "0").ljust(9, "0"))


def normalized(value: Any, descriptor: Descriptor) -> Any:
    """Our JSON, with instants and durations comparable."""
    if descriptor.full_name == "google.protobuf.Timestamp":
        return normal_instant(value)
    if descriptor.full_name == "google.protobuf.Duration":
        return normal_duration(value)
    if is_well_known(descriptor) or not isinstance(value, dict):
        return value
    return {name: field_normalized(each, descriptor.fields_by_name[name]) for name, each in value.items()}


def field_normalized(value: Any, field: FieldDescriptor) -> Any:
    kind = field.message_type
    if kind is None or value is None:
        return value
    if is_map(field):
        inner = value_field(field).message_type
        return value if inner is None else {key: normalized(each, inner) for key, each in value.items()}
    return [normalized(each, kind) for each in value] if field.is_repeated else normalized(value, kind)


def without_output_only(message: Any) -> Any:
    """What a decoder may take of a message: everything but output-only fields, at any depth."""
    for field, value in message.ListFields():
        if is_output_only(field):
            message.ClearField(field.name)
        elif field.message_type is not None and not is_map(field):
            for each in value if field.is_repeated else [value]:
                without_output_only(each)
    return message


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.DESCRIPTOR.full_name)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_an_encoder_says_what_json_format_says(kind: Any, data: st.DataObject) -> None:
    message = data.draw(messages(kind.DESCRIPTOR))
    assert normalized(encoded(message), kind.DESCRIPTOR) == as_documented(oracle(message), kind.DESCRIPTOR)


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.DESCRIPTOR.full_name)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_decoder_reads_what_json_format_writes(kind: Any, data: st.DataObject) -> None:
    message = without_output_only(data.draw(messages(kind.DESCRIPTOR)))
    content = orjson.loads(orjson.dumps(json_format.MessageToDict(message, preserving_proto_field_name=True)))
    assert decoded(content, kind) == json_format.ParseDict(content, kind())


@settings(max_examples=100, deadline=None)
@given(message=messages(pb.Account.DESCRIPTOR))
def test_an_account_sent_back_as_it_came_is_the_same_account(message: Any) -> None:
    content = encoded(message)
    assert decoded(content, pb.Account) == without_output_only(message)


@settings(max_examples=200, deadline=None)
@given(value=JSON_VALUES)
def test_any_json_value_comes_back_from_a_struct(value: Any) -> None:
    message = decoded({"fields": [{"field": "x", "new_value": value}]}, change_pb2.Change)
    assert encoded(message)["fields"][0]["new_value"] == value


@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_is_written_with_the_fewest_digits_that_read_back(value: float) -> None:
    written = encoded(wrappers_pb2.FloatValue(value=value))
    assert wrappers_pb2.FloatValue(value=written).value == value
    assert digits_of(written) <= digits_of(value)


def digits_of(number: float) -> int:
    """How many digits say which number it is; zeros at its end do not."""
    return len(Decimal(repr(number)).normalize().as_tuple().digits)


def test_what_is_packed_is_written_with_its_type() -> None:
    packed = any_pb2.Any()
    packed.Pack(pb.ExternalId(source="sap", value="1"))
    assert encoded(packed) == oracle(packed)
