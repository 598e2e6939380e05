"""`fields=`: what a caller does not want to see is left out, and what cannot be meant is named."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.resource.v1 import resources_pb2
from crm_gateway.expansion import load_contract
from crm_gateway.problems import ProblemError
from crm_gateway.protojson.encoder import Encoders, json_bytes
from crm_gateway.protojson.fields import is_map, is_well_known
from crm_gateway.transcode.operations import operations
from crm_gateway.transcode.views import Views, records_of
from google.protobuf.descriptor import Descriptor
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.gateway.account_service import ID, AccountService, running
from tests.unit.gateway.any_message import messages
from tests.unit.gateway.served import served

URL = f"/v1/accounts/{ID}"
OPERATIONS = {each.rpc.name: each for each in operations(load_contract())}


@pytest.fixture
def service() -> AccountService:
    return AccountService()


@pytest.fixture
async def client(service: AccountService) -> AsyncIterator[httpx.AsyncClient]:
    async with running(service, rate_limit_token=0, rate_limit_anonymous=0) as client:
        yield client


async def test_a_record_has_the_fields_that_are_asked_for_and_no_other(client: httpx.AsyncClient) -> None:
    answer = await client.get(URL, params={"fields": "display_name, id,legal_name"})
    assert answer.json() == {"id": ID, "display_name": "Huaxin Power", "legal_name": None}


async def test_a_page_keeps_its_own_fields(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/accounts", params={"fields": "id", "page_size": "3"})
    assert answer.json() == {"accounts": [{"id": ID}], "next_page_token": "next", "prev_page_token": None}


async def test_fields_are_for_the_gateway_alone(client: httpx.AsyncClient, service: AccountService) -> None:
    await client.get("/v1/accounts", params={"fields": "id", "page_size": "3"})
    assert service.seen.request == pb.ListAccountsRequest(page_size=3)
    for answer in (
        await client.post(f"{URL}:archive", params={"fields": "id"}),
        await client.patch(URL, params={"fields": "id"}, json={"industry": "steel"}),
    ):
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "fields")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ("id,owner", ["there is no field owner"]),
        ("addresses.town,ids,addresses.city", ["there is no field addresses.town", "there is no field ids"]),
        ("id.value", ["there is no field id.value"]),
        ("create_time.seconds", ["there is no field create_time.seconds"]),
        ("", ["there is no field "]),
        ("id,,tags", ["there is no field "]),
        ("id,tags,id", ["id is there twice"]),
        ("addresses,addresses.city", ["addresses.city is there twice"]),
        ("addresses.city,addresses", ["addresses is there twice"]),
    ],
)
async def test_a_path_that_is_not_there_or_there_twice_is_named(
    client: httpx.AsyncClient, service: AccountService, fields: str, told: list[str]
) -> None:
    answer = await client.get(URL, params={"fields": fields})
    assert answer.status_code == 400
    assert [each["detail"] for each in answer.json()["errors"]] == told
    assert {each["field"] for each in answer.json()["errors"]} == {"fields"}
    assert service.seen.requests == []


async def test_the_parameter_itself_is_there_once(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{URL}?fields=id&fields=tags")
    assert answer.status_code == 400
    assert [(each["field"], each["rule"]) for each in answer.json()["errors"]] == [("fields", "duplicate_key")]


def paths_of(message: Descriptor, depth: int = 2, above: str = "") -> list[str]:
    """All paths into messages of a type."""
    found: list[str] = []
    for field in message.fields:
        found.append(above + field.name)
        inner = field.message_type
        if inner is not None and depth > 1 and not is_map(field) and not is_well_known(inner):
            found += paths_of(inner, depth - 1, f"{above}{field.name}.")
    return found


def picked(value: Any, paths: list[str]) -> Any:
    """The oracle: a JSON value cut down to these paths."""
    if isinstance(value, list):
        return [picked(each, paths) for each in value]
    if value is None:
        return None
    heads = {path.partition(".")[0] for path in paths}
    found = {}
    for name in heads:
        below = [rest for path in paths for head, _, rest in [path.partition(".")] if head == name and rest]
        found[name] = picked(value[name], below) if below else value[name]
    return found


@given(
    messages(pb.Account.DESCRIPTOR), st.lists(st.sampled_from(paths_of(pb.Account.DESCRIPTOR)), min_size=1, unique=True)
)
def test_what_is_shown_is_what_the_whole_answer_has_there(account: pb.Account, paths: list[str]) -> None:
    chosen = [path for path in paths if not any(path.startswith(f"{other}.") for other in paths)]
    views = Views(pb.Account.DESCRIPTOR, Encoders())
    whole = views.whole.encode(served(account))
    some = views.of({"fields": [",".join(chosen)]}).encode(account)
    # As JSON: instants compare as they are written.
    assert orjson.loads(json_bytes(some)) == picked(orjson.loads(json_bytes(whole)), chosen)


def test_the_records_of_a_page_are_known_for_every_list() -> None:
    for name, each in OPERATIONS.items():
        if name.startswith(("List", "BatchGet")) and each.binding.verb == "GET":
            assert records_of(each.rpc.response) is not None, name
    found = records_of(pb.SearchAccountsResponse.DESCRIPTOR)
    assert (found and found.name) == "accounts"
    assert records_of(pb.Account.DESCRIPTOR) is None
    assert records_of(resources_pb2.SummarizeRecordsResponse.DESCRIPTOR) is None


def test_every_get_takes_fields_and_nothing_else_does() -> None:
    for each in OPERATIONS.values():
        assert (each.views is not None) is (each.binding.verb == "GET" and not each.empty)


def test_a_view_is_compiled_once() -> None:
    views = Views(pb.Account.DESCRIPTOR, Encoders())
    assert views.of({"fields": ["id,tags"]}).encode is views.of({"fields": ["id,tags"]}).encode
    with pytest.raises(ProblemError):
        views.of({"fields": ["nothing"]})
