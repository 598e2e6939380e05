"""What problems say: complete in every language, with values as data, and in the language that was asked for."""

import re
import string
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import httpx
import orjson
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.options.v1 import options_pb2
from crm.sales.v1 import pools_pb2
from crm_gateway.expansion import load_contract
from crm_gateway.json_schema.rules import rules_of
from crm_gateway.openapi.document import error_reasons
from crm_gateway.texts.catalogue import LANGUAGES, Language, catalogue, preferred_language
from crm_gateway.texts.rule_values import RuleValues
from crm_kit.errors import FieldViolation, InvalidArgument
from crm_kit.resource.validation import check_message
from google.api import field_behavior_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration

from tests.unit.gateway.account_service import ID, AccountService, failing, running

URL = f"/v1/accounts/{ID}"
CONTRACT = load_contract()
VALUES = RuleValues(CONTRACT)
PERSON = pb.Account.KIND_PERSON
ZH = {"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}


@pytest.fixture
def service() -> AccountService:
    return AccountService()


@pytest.fixture
async def client(service: AccountService) -> AsyncIterator[httpx.AsyncClient]:
    async with running(service, rate_limit_token=0) as client:
        yield client


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_a_title_in_every_language(language: Language) -> None:
    titles = catalogue(language).tables["titles"]
    assert titles.keys() == error_reasons(CONTRACT).keys()
    assert all(title and not title.endswith((".", "。")) for title in titles.values())


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("table", ["titles", "details", "rules", "words", "rows", "explanations", "units"])
def test_the_languages_say_the_same_things_with_the_same_values(table: str) -> None:
    english, chinese = (catalogue(language).tables[table] for language in ("en", "zh"))
    assert english.keys() == chinese.keys()
    for key, template in english.items():
        assert placeholders(template) == placeholders(chinese[key]), key


def test_every_detail_is_of_a_reason_that_exists() -> None:
    reasons = error_reasons(CONTRACT)
    assert all(key.partition(".")[0] in reasons for key in catalogue("en").tables["details"])


def requested() -> Iterator[tuple[Descriptor, str, FieldDescriptor]]:
    """Every field of every request with its path."""
    for rpc in CONTRACT.rpcs:
        yield from fields_of(rpc.request, rpc.request, "", 3)


def fields_of(request: Descriptor, message: Descriptor, path: str, depth: int) -> Any:
    for field in message.fields:
        here = f"{path}{field.name}"
        yield request, here, field
        if field.message_type is not None and depth and field.message_type.full_name.startswith("crm."):
            inner = f"{here}[0]." if field.is_repeated else f"{here}."
            yield from fields_of(request, field.message_type, inner, depth - 1)


def rule_ids(rules: Any, subscript: str = "") -> Iterator[tuple[str, str]]:
    """The rules of a field as the validator names them, with the subscript of what they are about."""
    kind = rules.WhichOneof("type")
    if rules.required:
        yield "required", subscript
    if kind is None:
        return
    names = [limit.name for limit, _ in getattr(rules, kind).ListFields()]
    for part in ("items", "values"):
        if part in names:
            yield from rule_ids(getattr(getattr(rules, kind), part), "[0]")
    names = [name for name in names if name not in ("items", "keys", "values")]
    bounds = [name for name in ("gt", "gte", "lt", "lte") if name in names]
    if len(bounds) == 2 and kind != "timestamp":
        names = [name for name in names if name not in bounds] + ["_".join(bounds)]
    yield from ((f"{kind}.{name}", subscript) for name in names)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_rule_of_every_request_has_a_text_with_its_values(language: Language) -> None:
    checked = 0
    for request, path, field in requested():
        for rule, subscript in rule_ids(rules_of(field)):
            key, values = VALUES.of(request, path + subscript, rule)
            text = catalogue(language).rule(key, values)
            assert text, f"{request.name}.{path}: {rule}"
            assert "{" not in text.replace(values.get("example", ""), "")
            assert "^" not in text, f"{request.name}.{path} tells a regular expression"
            assert "" not in values.get("choices", "some").split(", "), f"{request.name}.{path} has an empty choice"
            checked += 1
    assert checked > 400


@pytest.mark.parametrize(
    ("message", "path", "told"),
    [
        (pb.CreateAccountRequest(account=pb.Account(kind=PERSON)), "account.display_name", "必填"),
        (pb.GetAccountRequest(id="7"), "id", "应为 UUID，例如 01920f3c-8d2a-7c41-9b1e-5a2f6c7d8e90"),
        (pb.ListAccountsRequest(page_size=900), "page_size", "应在 0 到 200 之间"),
        (
            pb.CreateAccountRequest(account=pb.Account(kind=PERSON, display_name="x", phone_numbers=["1"])),
            "account.phone_numbers[0]",
            "格式应如 +8613800138000",
        ),
        (pb.CreateAccountRequest(account=pb.Account()), "account.kind", "应为以下之一：ORGANIZATION, PERSON"),
        (
            pb.CreateAccountRequest(account=pb.Account(kind=PERSON, display_name="x", tags=["a"] * 51)),
            "account.tags",
            "最多 50 项",
        ),
        (
            pools_pb2.UpdatePoolRequest(pool=pools_pb2.Pool(rules=pools_pb2.PoolRules(reclaim_after=Duration()))),
            "pool.rules.reclaim_after",
            "应大于 0 秒 且不超过 3650 天",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_the_validator_finds_is_told_with_the_values_of_the_contract(message: Any, path: str, told: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        check_message(message)
    found = next(each for each in refused.value.violations if each.field == path)
    key, values = VALUES.of(message.DESCRIPTOR, found.field, found.rule)
    assert catalogue("zh").rule(key, values) == told


def with_text(request: Descriptor, path: str, text: str) -> Any:
    """A request that has a text at a path, and in each list on the way one element."""
    message = place = message_factory.GetMessageClass(request)()
    *parents, name = path.split(".")
    for parent in parents:
        inner = getattr(place, parent.removesuffix("[0]"))
        place = inner.add() if parent.endswith("[0]") else inner
        place.SetInParent()
    setattr(place, name, text)
    return message


def is_required_text(field: FieldDescriptor) -> bool:
    options: Any = field.GetOptions()
    behavior = options.Extensions[field_behavior_pb2.field_behavior]
    is_text = field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated
    return is_text and field_behavior_pb2.REQUIRED in behavior and bool(list(rule_ids(rules_of(field))))


@pytest.mark.parametrize("text", ["", " \t "], ids=["empty", "blank"])
def test_a_required_text_with_nothing_to_read_breaks_one_rule(text: str) -> None:
    checked = 0
    for request, path, field in requested():
        if is_required_text(field):
            told = [(each.rule, each.detail) for each in violations_of(with_text(request, path, text), path)]
            # Not every text has to be more than blanks: a password. Some have a default of their own.
            assert told in ([], [("required", "value is required")]), f"{request.name}.{path}"
            checked += bool(told)
    assert checked > 20


def violations_of(message: Any, path: str) -> list[FieldViolation]:
    """What a message breaks there; an update names the whole resource."""
    try:
        check_message(message)
    except InvalidArgument as refused:
        return [each for each in refused.violations if each.field == path]
    return []


def test_no_service_tells_a_regular_expression() -> None:
    with pytest.raises(InvalidArgument) as refused:
        check_message(pb.CreateAccountRequest(account=pb.Account(kind=PERSON, display_name=" x ", region_code="china")))
    assert [each.rule for each in refused.value.violations] == ["string.pattern"] * 2
    assert {each.detail for each in refused.value.violations} == {"does not have the form it must have"}
    key, values = VALUES.of(pb.CreateAccountRequest.DESCRIPTOR, "account.display_name", "string.pattern")
    assert [catalogue(each).rule(key, values) for each in LANGUAGES] == [
        "must be one line that does not begin or end with a blank",
        "应为一行文本，首尾不能有空白",
    ]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        (b"", "en"),
        (b"zh", "zh"),
        (b"zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (b"en-GB, zh;q=0.5", "en"),
        (b"de, zh-Hant;q=0.3, en;q=0.2", "zh"),
        (b"fr", "en"),
        (b"*", "en"),
        (b"zh;q=0", "en"),
        (b"zh;q=nonsense, \xff", "en"),
    ],
)
def test_the_language_is_the_one_asked_for_most(header: bytes | None, language: str) -> None:
    assert preferred_language(header) == language


async def test_what_the_gateway_refuses_is_told_in_the_language_of_the_caller(client: httpx.AsyncClient) -> None:
    body = {"display_name": 5, "kind": "ROBOT", "colour": 1}
    chinese, english = [await client.post("/v1/accounts", json=body, headers=headers) for headers in (ZH, {})]
    assert (chinese.headers["content-language"], english.headers["content-language"]) == ("zh", "en")
    assert "Accept-Language" in chinese.headers.get_list("vary")
    problem = chinese.json()
    assert problem["title"] == "请求无效"
    assert problem["detail"].startswith(
        "display_name: 应为文本，收到的是数字; kind: 应为以下之一：ORGANIZATION, PERSON; "
    )
    assert [each["rule"] for each in problem["errors"]] == ["type", "enum", "unknown_field"]
    assert problem["errors"][0]["metadata"] == {"expected": "text", "got": "number"}
    assert english.json()["errors"][0]["detail"] == "expected text, got a number"


async def test_a_reason_is_told_in_the_language_of_the_caller(
    client: httpx.AsyncClient, service: AccountService
) -> None:
    service.fail = failing(grpc.StatusCode.NOT_FOUND, f"There is no account {ID}.", reason="ACCOUNT_NOT_FOUND")
    chinese, english = [(await client.get(URL, headers=headers)).json() for headers in (ZH, {})]
    assert (chinese["title"], chinese["detail"]) == ("未找到客户", "该客户不存在，或您无权查看。")
    assert (english["title"], english["detail"]) == ("Account not found", f"There is no account {ID}.")


async def test_a_reason_without_values_is_told_in_the_language_of_the_caller(
    client: httpx.AsyncClient, service: AccountService
) -> None:
    service.fail = failing(grpc.StatusCode.FAILED_PRECONDITION, "It is ARCHIVED.", reason="ILLEGAL_STATE")
    problem = (await client.post(f"{URL}:archive", headers=ZH)).json()
    assert (problem["title"], problem["detail"]) == ("当前状态不允许此操作", "当前状态不允许此操作。")


async def test_pages_and_routes_that_are_not_there_are_told_so_too(client: httpx.AsyncClient) -> None:
    assert (await client.get("/no/such/page", headers=ZH)).json()["detail"] == "没有该路径。"
    refused = (await client.delete("/v1/interactions", headers=ZH)).json()
    assert refused["detail"] == "此处只能使用 GET, HEAD, OPTIONS, POST。"
    of_the_gateway = await client.post("/v1/tasks", json={}, headers=ZH)
    assert (of_the_gateway.status_code, of_the_gateway.json()["detail"]) == (405, "此处只能使用 GET。")
    refused = (await client.delete("/v1/accounts", headers=ZH)).json()
    with_verbs = "，或在路径后加上以下之一并使用 POST：:bulkChange, :export, :findDuplicates, :tryBulkChange。"
    assert refused["detail"] == f"此处只能使用 GET, HEAD, OPTIONS, POST{with_verbs}"


def set_by_verbs(message: Descriptor, path: str = "", above: tuple[str, ...] = ()) -> Iterator[tuple[str, list[str]]]:
    """The paths of fields that only verbs change, and their rpcs."""
    for field in message.fields:
        if rpcs := list(field.GetOptions().Extensions[options_pb2.changed_by]):
            yield path + field.name, rpcs
        inner = field.message_type
        if inner is not None and not field.is_repeated and inner.full_name not in above:
            yield from set_by_verbs(inner, f"{path}{field.name}.", (*above, message.full_name))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_field_that_verbs_change_names_them_as_paths_have_them(language: Language) -> None:
    served = {binding.template.partition(":")[2] for rpc in CONTRACT.rpcs for binding in rpc.bindings}
    found = [(rpc.request, *each) for rpc in CONTRACT.rpcs for each in set_by_verbs(rpc.request)]
    assert {"case.state", "account.status", "custom_field.state"} <= {path for _, path, _ in found}
    for request, path, rpcs in found:
        key, values = VALUES.of(request, path, "changed_by")
        verbs = values["verbs"].split(", ")
        assert len(verbs) == len(rpcs)
        assert {each.removeprefix(":") for each in verbs} <= served, path
        told = catalogue(language).rule(key, values) or ""
        assert values["verbs"] in told
        assert not any(rpc in told for rpc in rpcs), path


async def test_an_update_of_what_a_verb_changes_is_told_the_verb(
    client: httpx.AsyncClient, service: AccountService
) -> None:
    service.fail = failing(
        grpc.StatusCode.INVALID_ARGUMENT,
        "account.status: is wrong; account.kind: is wrong",
        reason="INVALID_ARGUMENT",
        fields={"account.status": "changed_by", "account.kind": "changed_by"},
    )
    chinese, english = [(await client.patch(URL, json={"id": ID}, headers=headers)).json() for headers in (ZH, {})]
    status, kind = english["errors"]
    assert status["detail"] == f"can be changed only by {status['metadata']['verbs']}"
    assert ":changeStatus" in status["metadata"]["verbs"]
    assert kind["detail"] == "is set when the record is created and cannot be changed"
    assert english["detail"] == f"status: {status['detail']}; kind: {kind['detail']}"
    assert "只能通过 :" in chinese["errors"][0]["detail"]


@pytest.mark.parametrize(
    "body", ["{bad", "[1 2]", '{"a" 1}', '{"a":}', '{"a":1 "b":2}', "[1,]", "[01]", "[", "{} x", "  "]
)
def test_what_is_wrong_with_json_is_said_in_chinese(body: str) -> None:
    with pytest.raises(orjson.JSONDecodeError) as error:
        orjson.loads(body)
    told = catalogue("zh").rule("json", {"error": error.value.msg, "line": "1", "column": "2"})
    assert told is not None
    assert not re.search("[a-z]", told)
    assert catalogue("en").rule("json", {"error": error.value.msg, "line": "1", "column": "2"}) != told
