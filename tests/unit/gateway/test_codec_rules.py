"""What the compiled codec writes and reads, kind by kind, and how it refuses."""

import base64
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from buf.validate import validate_pb2
from crm.customer.v1 import accounts_pb2 as pb
from crm_gateway.protojson.fields import (
    short_prefix,
)
from crm_gateway.transcode.decoder import Decoders
from google.protobuf import (
    struct_pb2,
    type_pb2,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.gateway.coding import decoded, encoded, refusals


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
    assert content["employee_count"] is None
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
