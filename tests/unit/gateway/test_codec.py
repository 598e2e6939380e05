"""The compiled codec against `google.protobuf.json_format`, which was written by others from the same rules."""

import base64
import math
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from buf.validate import validate_pb2
from crm.customer.v1 import accounts_pb2 as pb
from crm.type.v1 import change_pb2
from crm_gateway.transcode.decoder import Decoders
from crm_gateway.transcode.encoder import Encoders, json_bytes
from crm_gateway.transcode.fields import (
    is_map,
    is_never_null,
    is_output_only,
    is_well_known,
    key_field,
    short_prefix,
    value_field,
)
from google.protobuf import (
    any_pb2,
    duration_pb2,
    field_mask_pb2,
    json_format,
    struct_pb2,
    timestamp_pb2,
    type_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.gateway.every_kind import EveryKind

F = FieldDescriptor
ENCODERS, DECODERS = Encoders(), Decoders()

ENUM_PREFIXES = {
    "crm.customer.v1.Account.Kind": "KIND_",
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
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
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


def encoded(message: Any) -> Any:
    return orjson.loads(json_bytes(ENCODERS.of(message.DESCRIPTOR)(message)))


def decoded(content: Any, kind: Any) -> Any:
    message = kind()
    violations: list[Any] = []
    DECODERS.of(kind.DESCRIPTOR)(message, content, "", violations)
    assert violations == []
    return message


def refusals(content: Any, kind: Any = pb.Account) -> list[tuple[str, str]]:
    violations: list[Any] = []
    DECODERS.of(kind.DESCRIPTOR)(kind(), content, "", violations)
    return [(each.field, each.rule) for each in violations]


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
    assert len(repr(written)) <= len(repr(value))


def test_what_is_packed_is_written_with_its_type() -> None:
    packed = any_pb2.Any()
    packed.Pack(pb.ExternalId(source="sap", value="1"))
    assert encoded(packed) == oracle(packed)


def test_a_struct_is_an_object() -> None:
    message = struct_pb2.Struct()
    message.update({"a": 1, "b": [True, None, {"c": 1.5}]})
    assert encoded(message) == {"a": 1, "b": [True, None, {"c": 1.5}]}


def test_every_field_is_in_an_answer_and_what_is_unset_is_null() -> None:
    content = encoded(pb.Account(display_name=""))
    assert list(content) == [field.name for field in pb.Account.DESCRIPTOR.fields]
    assert content["legal_name"] is None
    assert content["create_time"] is None
    assert content["competitor_profile"] is None
    assert content["display_name"] == ""  # required text stays text
    assert content["employee_count"] == 0
    assert content["tags"] == []
    assert content["kind"] is None


def test_an_enum_value_is_written_without_its_prefix() -> None:
    content = encoded(pb.Account(kind=pb.Account.KIND_PERSON, roles=[pb.Account.ROLE_PARTNER]))
    assert (content["kind"], content["roles"]) == ("PERSON", ["PARTNER"])


def test_an_enum_value_unknown_to_this_build_is_passed_on() -> None:
    assert encoded(pb.Account.FromString(b"\x40\x63"))["status"] == 99


@pytest.mark.parametrize("name", ["KIND_PERSON", "PERSON"])
def test_an_enum_is_taken_with_and_without_its_prefix(name: str) -> None:
    assert decoded({"kind": name}, pb.Account).kind == pb.Account.KIND_PERSON


def test_the_prefix_of_an_enum_is_its_name_in_capitals() -> None:
    assert short_prefix(pb.Account.Kind.DESCRIPTOR) == "KIND_"
    assert short_prefix(type_pb2.Syntax.DESCRIPTOR) == "SYNTAX_"
    assert short_prefix(validate_pb2.KnownRegex.DESCRIPTOR) == "KNOWN_REGEX_"


def test_null_clears() -> None:
    assert decoded({"legal_name": None, "tags": None, "competitor_profile": None}, pb.Account) == pb.Account()


def test_output_only_fields_are_ignored_whatever_they_hold() -> None:
    assert decoded({"id": 5, "create_time": [], "value_tier": "NO_SUCH"}, pb.Account) == pb.Account()


def test_ids_are_kept_where_a_batch_needs_them() -> None:
    message = pb.Account()
    Decoders(keep_ids=True).of(pb.Account.DESCRIPTOR)(message, {"id": "x", "value_tier": "KEY"}, "", [])
    assert message == pb.Account(id="x")


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ({"no_such": 1}, ("no_such", "unknown_field")),
        ({"displayName": "x"}, ("displayName", "unknown_field")),
        ({"display_name": 5}, ("display_name", "type")),
        ({"display_name": ["x"]}, ("display_name", "type")),
        ({"kind": 1}, ("kind", "type")),
        ({"kind": "ROBOT"}, ("kind", "enum")),
        ({"employee_count": "12"}, ("employee_count", "type")),
        ({"employee_count": True}, ("employee_count", "type")),
        ({"employee_count": 1.5}, ("employee_count", "type")),
        ({"employee_count": 2**31}, ("employee_count", "range")),
        ({"tags": "vip"}, ("tags", "type")),
        ({"tags": ["vip", None]}, ("tags[1]", "type")),
        ({"roles": ["CUSTOMER", "KING"]}, ("roles[1]", "enum")),
        ({"addresses": {"city": "x"}}, ("addresses", "type")),
        ({"addresses": [{"city": "x"}, "y"]}, ("addresses[1]", "type")),
        ({"addresses": [{"city": "x"}, {"street": 1}]}, ("addresses[1].street", "unknown_field")),
        ({"competitor_profile": []}, ("competitor_profile", "type")),
        ({"competitor_profile": {"strengths": 1}}, ("competitor_profile.strengths", "type")),
        ({"consents": [{"change_time": "yesterday"}]}, ("consents[0].change_time", "format")),
        ({"consents": [{"change_time": 5}]}, ("consents[0].change_time", "type")),
    ],
)
def test_a_refusal_names_path_and_rule(content: Any, where: tuple[str, str]) -> None:
    assert refusals(content) == [where]


def test_all_mistakes_are_told_at_once_up_to_fifty() -> None:
    assert refusals({"x": 1, "display_name": 2, "tags": [3]}) == [
        ("x", "unknown_field"),
        ("display_name", "type"),
        ("tags[0]", "type"),
    ]
    assert len(refusals({"tags": [1] * 1000})) == 50
    assert len(refusals({"addresses": [1] * 1000})) == 50


def test_two_members_of_a_oneof_are_refused() -> None:
    content = {"string": {"min_len": "1"}, "bool": {"const": True}}
    assert refusals(content, validate_pb2.FieldRules) == [("type", "oneof")]
    assert refusals({"string": {"min_len": "1"}, "bool": None}, validate_pb2.FieldRules) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T09:30:00Z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31t09:30:00z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T17:30:00+08:00", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T09:30:00.5-00:30", datetime(2026, 1, 31, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("1969-12-31T23:59:59.9Z", datetime(1969, 12, 31, 23, 59, 59, 900_000, tzinfo=UTC)),
    ],
)
def test_instants_are_read_with_any_offset(text: str, expected: datetime) -> None:
    consent = decoded({"change_time": text}, pb.Consent)
    assert consent.change_time.ToDatetime(UTC) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31",
        "2026-01-31T09:30:00",
        "2026-01-31 09:30:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T09:30:60Z",
        "0001-01-01T00:00:00+08:00",
        "2026-W05-6T09:30:00Z",
        "２026-01-31T09:30:00Z",
    ],
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    assert refusals({"change_time": text}, pb.Consent) == [("change_time", "format")]


@given(raw=st.binary(max_size=20))
def test_bytes_are_read_in_both_alphabets_padded_or_not(raw: bytes) -> None:
    for text in (base64.b64encode(raw), base64.urlsafe_b64encode(raw), base64.b64encode(raw).rstrip(b"=")):
        filled = decoded({"bytes": {"prefix": text.decode()}}, validate_pb2.FieldRules)
        assert filled.bytes.prefix == raw


@pytest.mark.parametrize("text", ["a", "ab$=", "a=bc"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    assert refusals({"bytes": {"prefix": text}}, validate_pb2.FieldRules) == [("bytes.prefix", "format")]


def test_a_64_bit_integer_is_text_on_the_way_out_and_both_on_the_way_in() -> None:
    rules = decoded({"int64": {"gte": "9007199254740993", "lte": 7}}, validate_pb2.FieldRules)
    assert rules.int64.gte == 9007199254740993
    assert encoded(rules)["int64"]["gte"] == "9007199254740993"
    assert refusals({"int64": {"gte": "1e3"}}, validate_pb2.FieldRules) == [("int64.gte", "format")]
    assert refusals({"int64": {"gte": str(2**63)}}, validate_pb2.FieldRules) == [("int64.gte", "range")]


def test_a_number_too_large_for_a_float_is_refused() -> None:
    assert refusals({"float": {"gte": 1e39}}, validate_pb2.FieldRules) == [("float.gte", "range")]
    assert not math.isinf(decoded({"float": {"gte": 3.4e38}}, validate_pb2.FieldRules).float.gte)
