"""The OpenAPI document: valid, complete, and true to what the gateway does."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import orjson
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm_gateway.__main__ import openapi_text, routes_table
from crm_gateway.app import ROUTERS
from crm_gateway.contract import load_contract
from crm_gateway.openapi.document import error_reasons, openapi_document
from crm_gateway.openapi.other_routes import other_routes
from crm_gateway.openapi.page import errors_page, reference_page
from crm_gateway.openapi.schemas import component_names
from crm_gateway.problems import anchor
from crm_gateway.transcode.encoder import Encoders, json_bytes
from crm_gateway.transcode.operations import Operation, operations
from crm_gateway.transcode.routes import parse_template
from google.protobuf.descriptor import EnumDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.unit.gateway.test_codec import messages

CONTRACT = load_contract()
OPERATIONS = list(operations(CONTRACT))
DOCUMENT = openapi_document(CONTRACT, OPERATIONS)
REGISTRY: Any = Registry().with_resource("urn:openapi", DRAFT202012.create_resource(DOCUMENT))
BY_SHAPE = {parse_template(path).shape: entries for path, entries in DOCUMENT["paths"].items()}
ENTRIES = [(path, verb, entry) for path, entries in DOCUMENT["paths"].items() for verb, entry in entries.items()]


def validator(schema: Any) -> Any:
    """A validator of a schema of the document; its references are below `components`."""
    rooted = orjson.loads(orjson.dumps(schema).replace(b'"#/components', b'"urn:openapi#/components'))
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(rooted, registry=REGISTRY, format_checker=checker)


def component(name: str) -> Any:
    return {"$ref": f"#/components/schemas/{name}"}


def entry_of(operation: Operation) -> Any:
    return BY_SHAPE[operation.template.shape][operation.binding.verb.lower()]


def test_the_document_is_valid_openapi_3_1() -> None:
    validate(orjson.loads(openapi_text()))


def test_every_route_is_in_it_once_under_the_name_of_its_rpc() -> None:
    assert len(ENTRIES) == len(OPERATIONS)
    ids = [entry["operationId"] for _, _, entry in ENTRIES]
    assert len(set(ids)) == len(ids)
    for each in OPERATIONS:
        entry = entry_of(each)
        assert entry["operationId"].startswith(each.rpc.name)
        assert entry["description"] == each.rpc.comment
        assert entry["x-permission"] == each.rpc.permission


def test_no_two_paths_differ_in_names_alone() -> None:
    assert len(BY_SHAPE) == len(DOCUMENT["paths"])
    for path, _, entry in ENTRIES:
        given = [each["name"] for each in entry["parameters"] if each.get("in") == "path"]
        assert given == re.findall(r"\{(.*?)\}", path)


def test_every_property_and_schema_is_described() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert schema.get("description"), name
        for field, inner in schema.get("properties", {}).items():
            assert inner.get("description"), f"{name}.{field}"


@pytest.mark.parametrize(("path", "verb", "entry"), ENTRIES, ids=lambda value: value if isinstance(value, str) else "")
def test_every_example_is_valid(path: str, verb: str, entry: Any) -> None:
    holders = [entry.get("requestBody", {}), *entry["responses"].values()]
    for holder in holders:
        for media in holder.get("content", {}).values():
            if "example" in media:
                validator(media["schema"]).validate(media["example"])


def test_an_account_shows_its_rules() -> None:
    properties = DOCUMENT["components"]["schemas"]["AccountInput"]["properties"]
    assert properties["display_name"] == {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "pattern": r"^\S(.*\S)?$",
        "description": "The name people use for it.",
    }
    assert properties["kind"]["enum"] == ["ORGANIZATION", "PERSON"]
    assert properties["phone_numbers"]["items"]["pattern"] == r"^\+[1-9][0-9]{6,14}$"
    assert (properties["phone_numbers"]["maxItems"], properties["phone_numbers"]["uniqueItems"]) == (20, True)
    assert (properties["employee_count"]["type"], properties["employee_count"]["minimum"]) == (["integer", "null"], 0)
    assert properties["owner_id"]["format"] == "uuid"


def test_read_only_fields_are_marked_in_answers_and_absent_from_inputs() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["Account"]["properties"]["id"]["readOnly"]
    assert "readOnly" not in schemas["Account"]["properties"]["display_name"]
    assert "id" not in schemas["AccountInput"]["properties"]


def test_a_create_needs_what_is_required_and_a_patch_nothing() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["AccountInput"]["required"] == ["kind", "display_name"]
    assert "required" not in schemas["AccountPatch"]
    assert not validator(component("AccountInput")).is_valid({"display_name": "x"})
    assert validator(component("AccountPatch")).is_valid({"legal_name": None})
    assert not validator(component("AccountPatch")).is_valid({"no_such": 1})


@settings(max_examples=60, deadline=None)
@given(message=messages(pb.Account.DESCRIPTOR))
def test_every_answer_of_the_encoder_fits_its_schema(message: Any) -> None:
    answer = orjson.loads(json_bytes(Encoders().of(pb.Account.DESCRIPTOR)(message)))
    # Examples in comments speak of years with four digits; so does RFC 3339.
    validator(component("Account")).validate(answer)


def test_no_text_of_the_document_has_an_enum_value_with_its_prefix() -> None:
    told = orjson.dumps([DOCUMENT["paths"], DOCUMENT["components"], DOCUMENT["tags"]]).decode()
    prefixed = {value for enum in _enums() for value in enum.values_by_name}
    assert "KIND_PERSON" in prefixed
    assert prefixed.isdisjoint(re.findall(r"[A-Z][A-Z0-9_]+", told))


def _enums() -> Iterator[EnumDescriptor]:
    for file in CONTRACT.files:
        for message in CONTRACT.pool.FindFileByName(file.name).message_types_by_name.values():
            yield from message.enum_types
            for nested in message.nested_types:
                yield from nested.enum_types


def test_headers_are_told_where_they_work() -> None:
    def names(path: str, verb: str) -> set[str]:
        parameters = DOCUMENT["paths"][path][verb]["parameters"]
        return {each["$ref"].rpartition("/")[2] if "$ref" in each else each["name"] for each in parameters}

    assert names("/v1/accounts", "post") == {"XRequestId", "XRequestTimeout", "IdempotencyKey"}
    assert names("/v1/accounts/{id}", "get") == {"id", "XRequestId", "XRequestTimeout", "IfNoneMatch"}
    patch = {"id", "update_mask", "XRequestId", "XRequestTimeout", "IfMatch"}
    assert names("/v1/accounts/{id}", "patch") == patch
    created = DOCUMENT["paths"]["/v1/accounts"]["post"]["responses"]["201"]["headers"]
    assert {"ETag", "Location", "Idempotent-Replayed", "RateLimit-Remaining"} <= created.keys()


def test_public_operations_need_no_token() -> None:
    for each in OPERATIONS:
        entry = entry_of(each)
        assert ("security" in entry) is each.public
        assert ("401" in entry["responses"]) is not each.public


def test_components_of_different_services_do_not_hide_each_other() -> None:
    names = component_names(CONTRACT)
    assert len(set(names.values())) == len(names)
    assert names["crm.customer.v1.Account.Kind"] == "Account.Kind"


def test_the_reference_has_a_place_for_every_operation_schema_and_reason() -> None:
    page = reference_page(DOCUMENT)
    assert all(f'id="{entry["operationId"]}"' in page for _, _, entry in ENTRIES)
    assert all(f'id="schema-{name}"' in page for name in DOCUMENT["components"]["schemas"])


@given(text=st.text("<>&\"'`*ab", max_size=30))
def test_no_comment_can_bring_markup_into_a_page(text: str) -> None:
    page = errors_page({"SOME_REASON": text})
    assert "<a>" not in page
    assert page.count("<script") == 0
    assert page.count("<b") == page.count("<body") + page.count("<b>")


def test_the_reasons_of_an_operation_lead_to_their_meaning() -> None:
    reasons = error_reasons(CONTRACT)
    told = set(re.findall(r'href="/docs/errors#([a-z-]+)"', reference_page(DOCUMENT)))
    assert "account-not-found" in told
    assert told <= {anchor(reason) for reason in reasons}


def test_the_table_of_routes_is_aligned() -> None:
    lines = routes_table().splitlines()
    assert len(lines) == len(OPERATIONS) + len(list(other_routes(ROUTERS)))
    columns = [[part.start() for part in re.finditer(r"\S+", line)][:3] for line in lines]
    assert len(set(map(tuple, columns))) == 1
    assert any(
        line.split() == ["GET", "/v1/accounts/{id}", "crm.customer.v1.AccountService.GetAccount", "accounts.read"]
        for line in lines
    )
