"""How metadata is answered: to whom, and what has not changed not again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx
import orjson
import pytest
from crm.customer.v1 import roles_pb2, users_pb2
from crm_gateway.__main__ import openapi_text
from crm_gateway.expansion import load_contract
from crm_gateway.metadata.collections import collections_of
from crm_gateway.protojson.encoder import Encoders
from crm_gateway.routes.metadata import granted
from hypothesis import given
from hypothesis import strategies as st

from tests.conformity import Document
from tests.unit.gateway.account_service import failing, gateway

CONTRACT = load_contract()
OWN, TEAM, ALL = roles_pb2.Grant.SCOPE_OWN, roles_pb2.Grant.SCOPE_TEAM, roles_pb2.Grant.SCOPE_ALL
_ENCODE = Encoders().of(collections_of(CONTRACT)[0].DESCRIPTOR)
COLLECTIONS: dict[str, Any] = {each.name: _ENCODE(each) for each in collections_of(CONTRACT)}
SCOPES = st.sampled_from([OWN, TEAM, ALL])


class Directory:
    """Says of every caller that they have these grants."""

    def __init__(self) -> None:
        self.grants = [roles_pb2.Grant(permission="accounts.read", scope=TEAM)]
        self.fail: Any = None

    async def current_user(self, _request: bytes, context: Any) -> bytes:
        if self.fail is not None:
            await self.fail(context)
        return users_pb2.CurrentUser(grants=self.grants).SerializeToString()

    async def custom_fields(self, _request: bytes, _context: Any) -> bytes:
        """Nobody has added any."""
        return b""

    @property
    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        current_user: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(self.current_user)
        custom_fields: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(self.custom_fields)
        return (
            grpc.method_handlers_generic_handler("crm.customer.v1.UserService", {"GetCurrentUser": current_user}),
            grpc.method_handlers_generic_handler(
                "crm.resource.v1.CustomFieldService", {"ListCustomFields": custom_fields}
            ),
        )


@asynccontextmanager
async def running(directory: Directory) -> AsyncIterator[httpx.AsyncClient]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(directory.handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        address = f"127.0.0.1:{port}"
        async with gateway(customer_address=address, sales_address=address, rate_limit_token=0) as client:
            yield client
    finally:
        await server.stop(None)


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
async def client(directory: Directory) -> AsyncIterator[httpx.AsyncClient]:
    async with running(directory) as client:
        yield client


async def test_the_answers_are_as_the_document_tells(client: httpx.AsyncClient) -> None:
    document = Document(orjson.loads(openapi_text()))
    for path in ("/v1/metadata", "/v1/metadata/accounts"):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert list(document.wrong_with("GET", path, 200, answer.json())) == []
    every = (await client.get("/v1/metadata")).json()["collections"]
    assert [each["name"] for each in every] == list(COLLECTIONS)
    (accounts,) = (each for each in every if each["name"] == "accounts")
    assert (await client.get("/v1/metadata/accounts")).json() == accounts


async def test_what_has_not_changed_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/v1/metadata")
    assert first.headers["cache-control"] == "private, no-cache"
    again = await client.get("/v1/metadata", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    other = await client.get("/v1/metadata/accounts", headers={"if-none-match": first.headers["etag"]})
    assert other.status_code == 200


async def test_the_caller_is_told_what_they_may_do_and_again_when_that_changes(
    client: httpx.AsyncClient, directory: Directory
) -> None:
    first = await client.get("/v1/metadata/accounts")
    assert first.json()["grants"] == [{"permission": "accounts.read", "scope": "TEAM"}]
    assert (await client.get("/v1/metadata/orders")).json()["grants"] == []
    directory.grants = [roles_pb2.Grant(permission="*", scope=ALL)]
    changed = await client.get("/v1/metadata/accounts", headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.json()["grants"] == [
        {"permission": "accounts.read", "scope": "ALL"},
        {"permission": "accounts.write", "scope": "ALL"},
        {"permission": "accounts.restrict", "scope": "ALL"},
    ]
    orders = (await client.get("/v1/metadata/orders")).json()["grants"]
    assert [each["permission"] for each in orders] == ["orders.read", "orders.write", "orders.release"]
    assert (await client.get("/v1/metadata/tenants")).json()["grants"] == [
        {"permission": "tenant.write", "scope": "ALL"}
    ]


@given(st.dictionaries(st.sampled_from(["a.read", "a.write", "b.read", "*"]), SCOPES))
def test_a_permission_reaches_what_its_widest_grant_does(scopes: dict[str, int]) -> None:
    grants = [
        roles_pb2.Grant(permission=name, scope=roles_pb2.Grant.Scope.ValueType(scope)) for name, scope in scopes.items()
    ]
    widest = {name: max(scopes.get(name, 0), scopes.get("*", 0)) for name in ("a.read", "a.write")}
    told = {each["permission"]: each["scope"] for each in granted(["a.read", "a.write"], grants)}
    assert told == {name: ("", "OWN", "TEAM", "ALL")[scope] for name, scope in widest.items() if scope}


async def test_a_collection_is_found_by_its_name_and_as_paths_have_it(client: httpx.AsyncClient) -> None:
    named = await client.get("/v1/metadata/service_levels")
    assert named.json() == (await client.get("/v1/metadata/service-levels")).json()
    assert named.json()["list_path"] == "/v1/service-levels"
    unknown = await client.get("/v1/metadata/nothing", headers={"if-none-match": "*"})
    assert (unknown.status_code, unknown.json()["reason"]) == (404, "COLLECTION_NOT_FOUND")


async def test_nobody_is_answered_whom_the_directory_refuses(client: httpx.AsyncClient, directory: Directory) -> None:
    anonymous = await client.get("/v1/metadata", headers={"authorization": ""})
    assert (anonymous.status_code, anonymous.json()["reason"]) == (401, "UNAUTHENTICATED")
    directory.fail = failing(grpc.StatusCode.UNAUTHENTICATED, "no", reason="UNAUTHENTICATED")
    assert (await client.get("/v1/metadata/accounts")).status_code == 401
    directory.fail = failing(grpc.StatusCode.UNAVAILABLE, "later")
    assert (await client.get("/v1/metadata")).status_code == 503


async def test_an_unknown_parameter_is_an_error(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/metadata", params={"lang": "zh"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "lang")
