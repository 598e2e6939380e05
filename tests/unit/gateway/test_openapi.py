"""The OpenAPI document: valid, complete, and true to what the gateway does."""

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm_gateway.__main__ import openapi_text, routes_table
from crm_gateway.app import ROUTERS
from crm_gateway.expansion import load_contract
from crm_gateway.json_schema.examples import example
from crm_gateway.openapi.document import error_reasons, openapi_document, summarized
from crm_gateway.openapi.other_routes import other_routes
from crm_gateway.openapi.page import errors_page, reference_page
from crm_gateway.openapi.schemas import component_names
from crm_gateway.problems import anchor
from crm_gateway.protojson.encoder import Encoders, json_bytes
from crm_gateway.transcode.operations import Operation, operations
from google.protobuf.descriptor import EnumDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate

from tests.conformity import Document
from tests.unit.gateway.any_message import messages
from tests.unit.gateway.served import served

CONTRACT = load_contract()
OPERATIONS = list(operations(CONTRACT))
OTHERS = list(other_routes(ROUTERS))
CONTENT = openapi_document(CONTRACT, OPERATIONS, OTHERS)
DOCUMENT = Document(CONTENT)
SCHEMAS = DOCUMENT.schemas
ENTRIES = [(path, verb, entry) for path, entries in CONTENT["paths"].items() for verb, entry in entries.items()]
MAX_BYTES_PER_OPERATION = 2500
SENTENCE = re.compile(r"[A-Z].*[A-Za-z0-9)`]\.", re.DOTALL)


def entry_of(operation: Operation) -> Any:
    path = next(each for each in CONTENT["paths"] if _shape(each) == operation.template.shape)
    return CONTENT["paths"][path][operation.binding.verb.lower()]


def _shape(path: str) -> str:
    return re.sub(r"\{.*?\}", "{}", path)


def parameters_of(entry: Any) -> list[Any]:
    return [DOCUMENT.resolved(each) for each in entry["parameters"]]


def good_answer(path: str, verb: str) -> Any:
    responses = CONTENT["paths"][path][verb]["responses"]
    return DOCUMENT.resolved(next(answer for status, answer in responses.items() if status.startswith("2")))


def test_the_document_is_valid_openapi_3_1() -> None:
    validate(orjson.loads(openapi_text()))


def test_an_operation_takes_few_bytes() -> None:
    assert len(orjson.dumps(CONTENT)) <= MAX_BYTES_PER_OPERATION * len(ENTRIES)


def test_every_route_is_in_it_once_under_the_name_of_its_rpc() -> None:
    assert len(ENTRIES) == len(OPERATIONS) + len(OTHERS)
    ids = [entry["operationId"] for _, _, entry in ENTRIES]
    assert len(set(ids)) == len(ids)
    for each in OPERATIONS:
        entry = entry_of(each)
        assert entry["operationId"].startswith(each.rpc.name)
        assert f"{entry['summary']} {entry.get('description', '')}".split() == each.rpc.comment.split()
        assert entry["x-permission"] == each.rpc.permission


def test_every_summary_is_one_whole_sentence() -> None:
    for _, _, entry in ENTRIES:
        assert SENTENCE.fullmatch(entry["summary"]), entry["summary"]
        assert ". " not in entry["summary"]


@pytest.mark.parametrize(
    ("comment", "summary", "description"),
    [
        ("Reads it.", "Reads it.", ""),
        ("Reads it, also\nnow. It is\nslow.\nReasons: A,\nB.", "Reads it, also now.", "It is slow.\nReasons: A, B."),
        ("Moves it to A or\nB. `x` stays.", "Moves it to A or B.", "`x` stays."),
        ("Finds it:\n- by name\n- by id", "Finds it:", "- by name\n- by id"),
    ],
)  # fmt: skip
def test_a_comment_is_its_first_sentence_and_the_rest(comment: str, summary: str, description: str) -> None:
    assert summarized(comment) == (summary, description)


def test_no_two_paths_differ_in_names_alone() -> None:
    assert len({_shape(path) for path in CONTENT["paths"]}) == len(CONTENT["paths"])
    for path, _, entry in ENTRIES:
        named = [each["name"] for each in parameters_of(entry) if each["in"] == "path"]
        assert named == re.findall(r"\{(.*?)\}", path)


def test_what_every_resource_offers_is_below_the_path_that_reads_it() -> None:
    offered = {path.removesuffix(":batchGet") for path in CONTENT["paths"] if path.endswith(":batchGet")}
    assert "/v1/service-levels" in offered
    # There is one of them for each tenant, each user, or each account.
    elsewhere = {
        "/v1/credit-limits": "/v1/accounts/{account_id}/credit",
        "/v1/notification-preferences": "/v1/notification-preference",
        "/v1/scores": "/v1/accounts/{account_id}/scores",
        "/v1/tenants": "/v1/tenant",
    }
    assert {elsewhere.get(path, f"{path}/{{id}}") for path in offered} <= CONTENT["paths"].keys()


def test_every_property_and_schema_is_described_once() -> None:
    for name, schema in SCHEMAS.items():
        assert schema.get("description") or name.endswith("Body"), name
        for field, inner in schema.get("properties", {}).items():
            # What is read-only is described where it is answered.
            is_echo = "readOnly" in inner and name.endswith(("Input", "Patch"))
            assert bool(inner.get("description")) is not is_echo, f"{name}.{field}"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_example_of_every_schema_is_valid(name: str) -> None:
    DOCUMENT.component(name).validate(example(SCHEMAS[name], SCHEMAS))


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_text_has_an_example_that_is_more_than_its_name(name: str) -> None:
    for field, inner in SCHEMAS[name].get("properties", {}).items():
        is_echo = "readOnly" in inner and "description" not in inner
        if not is_echo and _is_free_text(inner) and "examples" not in SCHEMAS[name]:
            (shown,) = inner.get("examples", [None])
            assert shown, f'{name}.{field} has no example: say "for example ..." in its comment'
            assert shown not in (field, field.replace("_", " "), [field.removesuffix("s")])


def _is_free_text(schema: Any) -> bool:
    kind = schema.get("type", "")
    inner = schema.get("items", schema)
    is_text = "string" in kind or inner.get("type") == "string"
    return is_text and "format" not in inner and "enum" not in inner


def test_an_account_shows_its_rules() -> None:
    properties = SCHEMAS["AccountPatch"]["properties"]
    assert properties["display_name"] == {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "pattern": r"^\S(.*\S)?$",
        "description": "The name people use for it.",
        "examples": ["华信电力有限公司"],
    }
    assert properties["phone_numbers"]["items"]["pattern"] == "^[^0-9０-９]*([0-9０-９][^0-9０-９]*){5,60}$"
    assert (properties["phone_numbers"]["maxItems"], properties["phone_numbers"]["uniqueItems"]) == (20, True)
    assert (properties["employee_count"]["type"], properties["employee_count"]["minimum"]) == (["integer", "null"], 0)
    assert properties["owner_id"]["format"] == "uuid"


def test_limits_are_told_to_those_who_write() -> None:
    assert "maxLength" not in SCHEMAS["Account"]["properties"]["display_name"]


def test_what_is_always_there_is_not_nullable() -> None:
    nullable = {name for name, schema in SCHEMAS["Account"]["properties"].items() if _takes_null(schema)}
    assert nullable.isdisjoint({"id", "kind", "display_name", "status", "roles", "etag"})
    assert nullable.isdisjoint({"create_time", "update_time"})
    assert {"legal_name", "employee_count", "owner_id", "last_contact_time", "competitor_profile"} <= nullable
    assert SCHEMAS["Account"]["required"] == list(SCHEMAS["Account"]["properties"])


def _takes_null(schema: Any) -> bool:
    return "null" in schema.get("type", "") or {"type": "null"} in schema.get("anyOf", ())


def test_ids_are_uuids_and_dates_are_dates() -> None:
    for name, schema in SCHEMAS.items():
        for field, inner in schema.get("properties", {}).items():
            # A request id may be the client's own, and other systems call what they send as they like.
            others = ("request_id", "client_id", "source_id", "delivery_id")
            if (field == "id" or field.endswith("_id")) and field not in others:
                assert inner["format"] == "uuid", f"{name}.{field}"
            if field.endswith("_date"):
                assert inner["format"] == "date", f"{name}.{field}"


def test_every_enum_is_one_component_without_unspecified() -> None:
    written_out = [
        f"{name}.{field}"
        for name, schema in SCHEMAS.items()
        for field, inner in schema.get("properties", {}).items()
        if "enum" in inner
    ]
    # Those that take some of the values only, and what is no enum of the contract.
    assert set(written_out) <= {
        "ChangeAccountStatusBody.status",
        "MilestoneTargetInput.kind",
        "Account360.more",
        "QualityRulePatch.collection",
    }
    assert SCHEMAS["Account.Kind"]["enum"] == ["ORGANIZATION", "PERSON"]
    assert SCHEMAS["Account"]["properties"]["kind"]["$ref"] == SCHEMAS["AccountPatch"]["properties"]["kind"]["$ref"]
    assert all("UNSPECIFIED" not in schema.get("enum", ()) for schema in SCHEMAS.values())


def test_read_only_fields_are_marked_in_answers_and_may_be_sent_back() -> None:
    assert SCHEMAS["Account"]["properties"]["id"]["readOnly"]
    assert "readOnly" not in SCHEMAS["Account"]["properties"]["display_name"]
    assert SCHEMAS["AccountPatch"]["properties"]["id"] == {"type": "string", "format": "uuid", "readOnly": True}


PATCHED = [
    (path, DOCUMENT.resolved(entries["get"]["responses"]["200"])["content"]["application/json"]["schema"])
    for path, entries in CONTENT["paths"].items()
    if DOCUMENT.sent_back(path.replace("{", "").replace("}", "")) is not None
]


def test_what_can_be_read_and_patched_is_compared() -> None:
    assert {"/v1/accounts/{id}", "/v1/cases/{id}", "/v1/pools/{id}"} <= {path for path, _ in PATCHED}
    assert len(PATCHED) > 8


@pytest.mark.parametrize(("path", "answer"), PATCHED, ids=lambda value: value if isinstance(value, str) else "")
def test_an_answer_may_be_sent_back_as_it_came(path: str, answer: Any) -> None:
    shown = {name: each for name, each in example(answer, SCHEMAS).items() if name in _properties(answer)}
    empty = {name: None if _takes_null(inner) else shown[name] for name, inner in _properties(answer).items()}
    for content in (shown, empty):
        assert list(DOCUMENT.wrong_when_sent_back(path, content)) == []


def _properties(answer: Any) -> Any:
    own = answer["allOf"][0] if "allOf" in answer else answer
    return DOCUMENT.resolved(own)["properties"]


def test_a_create_needs_what_is_required_and_a_patch_nothing() -> None:
    assert SCHEMAS["AccountInput"]["allOf"][1]["required"] == ["kind", "display_name"]
    assert "required" not in SCHEMAS["AccountPatch"]
    assert not DOCUMENT.component("AccountInput").is_valid({"display_name": "x"})
    assert DOCUMENT.component("AccountInput").is_valid({"display_name": "x", "kind": "PERSON"})
    assert DOCUMENT.component("AccountPatch").is_valid({"legal_name": None})
    assert not DOCUMENT.component("AccountPatch").is_valid({"no_such": 1})
    assert not DOCUMENT.component("AccountInput").is_valid({"display_name": "x", "kind": "PERSON", "no_such": 1})


def test_what_must_all_be_given_has_one_schema() -> None:
    assert {name for name in SCHEMAS if name.startswith("Money")} == {"Money"}
    assert "pattern" in SCHEMAS["Money"]["properties"]["amount"]


@settings(max_examples=60, deadline=None)
@given(message=messages(pb.Account.DESCRIPTOR))
def test_every_answer_of_the_encoder_fits_its_schema(message: Any) -> None:
    answer = orjson.loads(json_bytes(Encoders().of(pb.Account.DESCRIPTOR)(served(message))))
    DOCUMENT.component("Account", formats=False).validate(answer)


def test_no_text_of_the_document_has_an_enum_value_with_its_prefix() -> None:
    told = orjson.dumps([CONTENT["paths"], CONTENT["components"], CONTENT["tags"]]).decode()
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
        return {each["name"] for each in parameters_of(CONTENT["paths"][path][verb])}

    common = {"X-Request-Id", "X-Request-Timeout"}
    assert names("/v1/accounts", "post") == common | {"Idempotency-Key", "on_duplicates"}
    assert names("/v1/accounts/{id}", "get") == common | {"id", "fields", "include", "If-None-Match"}
    assert names("/v1/accounts/{id}", "patch") == common | {"id", "update_mask", "keep_opportunities", "If-Match"}
    assert good_answer("/v1/accounts", "post")["headers"].keys() == {"ETag", "Location", "Idempotent-Replayed"}
    assert good_answer("/v1/accounts/{id}", "get")["headers"].keys() == {"ETag", "Idempotent-Replayed"}
    assert "headers" not in good_answer("/v1/accounts", "get")
    assert "304" in CONTENT["paths"]["/v1/accounts/{id}"]["get"]["responses"]


def test_what_operations_say_alike_is_said_once() -> None:
    paged = [
        (path, entry) for path, _, entry in ENTRIES if any(p["name"] == "page_token" for p in parameters_of(entry))
    ]
    # A search, the list of one's own tasks and the records of an export go forward only, and say so.
    forward = (":search", "/v1/tasks", "/{id}/records", "/records:readLinked")
    listed = [entry for path, entry in paged if not path.endswith(forward)]
    assert len(listed) > 10
    assert all({"$ref": "#/components/parameters/PageToken"} in entry["parameters"] for entry in listed)
    archive = CONTENT["paths"]["/v1/accounts/{id}:archive"]["post"]["requestBody"]
    assert archive["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/EtagBody"}
    assert all(entry["responses"]["4XX"] == {"$ref": "#/components/responses/Refused"} for _, _, entry in ENTRIES)


def test_public_operations_need_no_token() -> None:
    for each in OPERATIONS:
        assert ("security" in entry_of(each)) is each.public


def test_components_of_different_services_do_not_hide_each_other() -> None:
    names = component_names(CONTRACT)
    assert len(set(names.values())) == len(names)
    assert names["crm.customer.v1.Account.Kind"] == "Account.Kind"


def test_the_reference_has_a_place_for_every_operation_schema_and_reason() -> None:
    page = reference_page(CONTENT)
    assert all(f'id="{entry["operationId"]}"' in page for _, _, entry in ENTRIES)
    assert all(f'id="schema-{name}"' in page for name in SCHEMAS)


@given(text=st.text("<>&\"'`*ab", max_size=30))
def test_no_comment_can_bring_markup_into_a_page(text: str) -> None:
    page = errors_page({"SOME_REASON": text})
    assert "<a>" not in page
    assert page.count("<script") == 0
    assert page.count("<b") == page.count("<body") + page.count("<b>")


def test_the_reasons_of_an_operation_lead_to_their_meaning() -> None:
    reasons = error_reasons(CONTRACT)
    told = set(re.findall(r'href="/docs/errors#([a-z-]+)"', reference_page(CONTENT)))
    assert "account-not-found" in told
    assert told <= {anchor(reason) for reason in reasons}


def test_the_table_of_routes_is_aligned() -> None:
    lines = routes_table().splitlines()
    assert len(lines) == len(OPERATIONS) + len(OTHERS)
    columns = [[part.start() for part in re.finditer(r"\S+", line)][:3] for line in lines]
    assert len(set(map(tuple, columns))) == 1
    assert any(
        line.split() == ["GET", "/v1/accounts/{id}", "crm.customer.v1.AccountService.GetAccount", "accounts.read"]
        for line in lines
    )
