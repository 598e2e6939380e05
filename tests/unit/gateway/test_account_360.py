"""The 360 page of an account: one call, four services, and an answer whichever of them is there."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx
import jsonschema
import orjson
import pytest
from crm.customer.v1 import accounts_pb2, contacts_pb2, timeline_pb2
from crm.sales.v1 import opportunities_pb2, orders_pb2
from crm.scoring.v1 import credit_pb2, scores_pb2
from crm.service_desk.v1 import cases_pb2, service_levels_pb2
from crm_gateway.__main__ import openapi_text, routes_table
from crm_gateway.expansion import load_contract
from crm_gateway.routes.account_360 import PARTS
from google.protobuf import message_factory
from openapi_spec_validator import validate

from tests.conformity import Document
from tests.unit.gateway.account_service import failing, gateway
from tests.unit.gateway.served import served

ID = "0190c2f0-0000-7000-8000-000000000001"
URL = f"/v1/accounts/{ID}/360"
NAMES = [part.name for part in PARTS]
SERVICES = ("customer", "sales", "service_desk", "scoring")
RPCS = {rpc.full_name: rpc for rpc in load_contract().rpcs}
PATHS = {part.name: RPCS[part.rpc].path for part in PARTS}
FIRST_RESPONSE = service_levels_pb2.Milestone(kind=service_levels_pb2.Milestone.KIND_FIRST_RESPONSE, warned=True)

ANSWERS: dict[str, Any] = {
    "account": accounts_pb2.Account(id=ID, display_name="华信电力有限公司", etag="7"),
    "contacts": contacts_pb2.ListContactsResponse(contacts=[contacts_pb2.Contact(display_name="李娜")]),
    "timeline": timeline_pb2.ListTimelineResponse(
        entries=[timeline_pb2.TimelineEntry(kind=timeline_pb2.TimelineEntry.KIND_OPPORTUNITY_WON)],
        next_page_token="next",
    ),
    "open_opportunities": opportunities_pb2.ListOpportunitiesResponse(
        opportunities=[opportunities_pb2.Opportunity(display_name="Transformers")]
    ),
    "recent_orders": orders_pb2.ListOrdersResponse(),
    "open_cases": cases_pb2.ListCasesResponse(cases=[cases_pb2.Case(title="Late", milestones=[FIRST_RESPONSE])]),
    "scores": scores_pb2.AccountScores(account_id=ID),
    "credit": credit_pb2.CreditLimit(account_id=ID),
}
Behaviour = Callable[[Any], Awaitable[None]]
PATIENCE_SECONDS = 60.0


class Platform(grpc.GenericRpcHandler):
    """All RPCs that the page needs, answered from `ANSWERS`, each after its behaviour."""

    def __init__(self) -> None:
        self.behaviours: dict[str, Behaviour] = {}
        self.seen: dict[str, tuple[Any, dict[str, Any], float]] = {}

    def service(self, handler_call_details: Any) -> Any:
        name = next(name for name, path in PATHS.items() if path == handler_call_details.method)
        request = message_factory.GetMessageClass(RPCS[PARTS[NAMES.index(name)].rpc].request)

        async def answer(message: Any, context: Any) -> Any:
            self.seen[name] = (message, dict(context.invocation_metadata()), context.time_remaining())
            if name in self.behaviours:
                await self.behaviours[name](context)
            return served(ANSWERS[name])

        return grpc.unary_unary_rpc_method_handler(
            answer, request.FromString, response_serializer=lambda message: message.SerializeToString()
        )


async def hang(_context: Any) -> None:
    await asyncio.Event().wait()


def nobody() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def running(
    platform: Platform, *, down: tuple[str, ...] = (), **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((platform,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    addresses: dict[str, Any] = {
        f"{name}_address": nobody() if name in down else f"127.0.0.1:{port}" for name in SERVICES
    }
    try:
        async with gateway(**addresses, **settings) as client:
            yield client
    finally:
        await server.stop(None)


@pytest.fixture(scope="module")
def shared() -> Platform:
    return Platform()


@pytest.fixture
def platform(shared: Platform) -> Platform:
    shared.behaviours.clear()
    shared.seen.clear()
    return shared


@pytest.fixture(scope="module")
async def client(shared: Platform) -> AsyncIterator[httpx.AsyncClient]:
    async with running(shared, rate_limit_token=0) as client:
        yield client


async def test_one_call_answers_all_parts_as_their_own_routes_would(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    answer = await client.get(URL)
    page = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert list(page) == [*NAMES, "more", "missing"]
    assert (page["missing"], page["more"]) == ([], ["timeline"])
    assert page["account"]["display_name"] == "华信电力有限公司"
    assert page["account"]["legal_name"] is None
    assert page["contacts"][0]["display_name"] == "李娜"
    assert page["timeline"][0]["kind"].endswith("OPPORTUNITY_WON")
    assert page["recent_orders"] == []
    assert page["open_cases"][0]["milestones"][0]["kind"] == "FIRST_RESPONSE"
    assert page["scores"]["account_id"] == page["credit"]["account_id"] == ID


async def test_every_service_gets_token_request_id_trace_and_one_deadline(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = await client.get(URL, headers={"x-request-id": "r-1", "traceparent": trace})
    assert answer.headers["x-request-id"] == "r-1"
    assert set(platform.seen) == set(NAMES)
    for message, metadata, remaining in platform.seen.values():
        assert (metadata["authorization"], metadata["x-request-id"]) == ("Bearer t", "r-1")
        assert metadata["traceparent"] == trace
        # gRPC tells deadlines in whole milliseconds, rounded up.
        assert 0 < remaining < 2.1
        assert ID in str(message)


@pytest.mark.parametrize("down", SERVICES)
async def test_with_one_service_down_it_answers_and_says_what_is_missing(platform: Platform, down: str) -> None:
    async with running(platform, down=(down,)) as client:
        answer = await client.get(URL)
    page = answer.json()
    gone = [part.name for part in PARTS if part.service == down]
    assert answer.status_code == 200
    assert page["missing"] == [{"part": name, "service": down, "reason": "UNAVAILABLE"} for name in gone]
    assert all((page[name] is None) == (name in gone) for name in NAMES)


async def test_with_all_services_down_it_is_unavailable(platform: Platform) -> None:
    async with running(platform, down=SERVICES) as client:
        answer = await client.get(URL)
    assert (answer.status_code, answer.json()["reason"]) == (503, "UNAVAILABLE")
    assert answer.headers["retry-after"] == "1"


async def test_a_slow_service_does_not_hold_the_page_beyond_the_deadline(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    platform.behaviours["scores"] = hang
    page = (await client.get(URL, headers={"x-request-timeout": "2"})).json()
    assert page["missing"] == [{"part": "scores", "service": "scoring", "reason": "DEADLINE_EXCEEDED"}]
    assert page["credit"] is not None


async def test_a_part_the_caller_may_not_see_is_missing_with_the_reason(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    platform.behaviours["credit"] = failing(grpc.StatusCode.PERMISSION_DENIED, "no", reason="PERMISSION_DENIED")
    page = (await client.get(URL)).json()
    assert page["credit"] is None
    assert page["missing"] == [{"part": "credit", "service": "scoring", "reason": "PERMISSION_DENIED"}]


async def test_a_failure_inside_a_service_tells_nothing_of_itself(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    platform.behaviours["recent_orders"] = failing(grpc.StatusCode.UNKNOWN, "secret=1")
    answer = await client.get(URL)
    assert answer.json()["missing"] == [{"part": "recent_orders", "service": "sales", "reason": "INTERNAL"}]
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [
        (grpc.StatusCode.NOT_FOUND, "ACCOUNT_NOT_FOUND", 404),
        (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED", 403),
        (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", 401),
    ],
)
async def test_what_is_said_of_the_account_is_the_answer_and_nobody_slow_is_waited_for(
    client: httpx.AsyncClient,
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
    code: grpc.StatusCode,
    reason: str,
    status: int,
) -> None:
    monkeypatch.setattr("crm_gateway.routes.account_360.DEADLINE_SECONDS", 3600.0)
    platform.behaviours |= dict.fromkeys(NAMES, hang) | {"account": failing(code, "no", reason=reason)}
    async with asyncio.timeout(PATIENCE_SECONDS):
        answer = await client.get(URL)
    assert (answer.status_code, answer.json()["reason"], answer.json()["instance"]) == (status, reason, URL)


async def test_an_account_that_comes_too_late_is_missing_like_any_part(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    platform.behaviours["account"] = hang
    answer = await client.get(URL, headers={"x-request-timeout": "0.3"})
    assert answer.status_code == 200
    assert answer.json()["missing"] == [{"part": "account", "service": "customer", "reason": "DEADLINE_EXCEEDED"}]


@pytest.mark.parametrize("id", ["x", '" OR id != "', "0190c2f00000700080000000000000011", f"{{{ID}}}"])
async def test_an_id_that_is_none_reaches_no_filter(client: httpx.AsyncClient, platform: Platform, id: str) -> None:
    answer = await client.get(httpx.URL(f"/v1/accounts/{id}/360"))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "id")
    assert platform.seen == {}


async def test_an_unknown_parameter_is_an_error(client: httpx.AsyncClient, platform: Platform) -> None:
    answer = await client.get(URL, params={"page_size": "3"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "page_size")
    assert platform.seen == {}


async def test_it_is_admitted_like_any_route(platform: Platform) -> None:
    async with running(platform, rate_limit_token=0.001, rate_limit_token_burst=2) as client:
        answers = [await client.get(URL) for _ in range(3)]
        anonymous = await client.get(URL, headers={"authorization": ""})
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert "retry-after" in answers[2].headers
    assert anonymous.status_code == 401


async def test_the_document_tells_it_and_the_answer_is_as_told(client: httpx.AsyncClient, platform: Platform) -> None:
    document = orjson.loads(openapi_text())
    validate(document)
    entry = document["paths"]["/v1/accounts/{id}/360"]["get"]
    assert entry["operationId"] == "GetAccount360"
    assert list(Document(document).wrong_with("GET", URL, 200, (await client.get(URL)).json())) == []
    checker = Document(document).component("Account360")
    with pytest.raises(jsonschema.ValidationError):
        checker.validate({"account": None})
    served = (await client.get("/openapi.json")).json()
    assert served["paths"]["/v1/accounts/{id}/360"]["get"] == entry
    assert "GetAccount360" in (await client.get("/docs")).text


def test_it_is_among_the_routes() -> None:
    assert any(
        line.split() == ["GET", "/v1/accounts/{id}/360", "GetAccount360", "accounts.read"]
        for line in routes_table().splitlines()
    )
