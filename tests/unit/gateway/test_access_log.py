"""What an `x-request-id` finds in the gateway's log, and what no log may hold."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import httpx
import pytest
import structlog
from crm_gateway.access_log import LINES_PER_SECOND, AccessLog, Sample
from crm_gateway.admission import Caller
from crm_gateway.exchange import open_exchange
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.gateway.account_service import ID, AccountService, failing, running

URL = f"/v1/accounts/{ID}"
SECRET = "no-one-may-read-this"


class Huaxin:
    """Takes every token for one tenant's."""

    async def verify(self, token: str) -> Caller:
        return Caller(tenant_id="huaxin", token_id=token)


@pytest.fixture
def service() -> AccountService:
    return AccountService()


@pytest.fixture
async def client(service: AccountService) -> AsyncIterator[httpx.AsyncClient]:
    async with running(service, verifier=Huaxin()) as client:
        yield client


async def lines(send: Callable[[], Any]) -> list[Any]:
    """What is written while requests are sent."""
    with structlog.testing.capture_logs() as told:
        await send()
    return [line for line in told if line["event"].startswith("request ")]


async def test_a_refused_request_is_found_by_its_id(client: httpx.AsyncClient, service: AccountService) -> None:
    service.fail = failing(grpc.StatusCode.NOT_FOUND, "There is none.", reason="ACCOUNT_NOT_FOUND")
    (line,) = await lines(lambda: client.get(URL, headers={"x-request-id": "find-me"}))
    assert line.pop("milliseconds") >= 0
    assert line == {
        "event": "request refused",
        "log_level": "info",
        "request_id": "find-me",
        "verb": "GET",
        "route": "/v1/accounts/{id}",
        "status": 404,
        "reason": "ACCOUNT_NOT_FOUND",
        "tenant_id": "huaxin",
    }


async def test_a_failure_names_the_service_that_failed(client: httpx.AsyncClient, service: AccountService) -> None:
    service.fail = failing(grpc.StatusCode.UNAVAILABLE, "The database is away.", reason="UNAVAILABLE")
    (line,) = await lines(lambda: client.get(URL))
    assert (line["status"], line["peer"]) == (503, "customer")
    service.fail = failing(grpc.StatusCode.NOT_FOUND, "There is none.", reason="ACCOUNT_NOT_FOUND")
    (line,) = await lines(lambda: client.get(URL))
    assert "peer" not in line
    # Nobody is where cases would be.
    (line,) = await lines(lambda: client.get(f"/v1/cases/{ID}"))
    assert (line["status"], line["peer"]) == (503, "service_desk")
    (line,) = await lines(lambda: client.get("/v1/cases:export"))
    assert (line["status"], line["peer"]) == (503, "service_desk")


async def test_what_went_well_is_written_only_when_all_is_asked_for(service: AccountService) -> None:
    for setting, found in {"off": [], "errors": [404], "all": [200, 404]}.items():
        async with running(service, verifier=Huaxin(), access_log=setting) as client:

            async def send(client: httpx.AsyncClient = client) -> None:
                await client.get("/v1/accounts")
                await client.get("/no/such/page")

            assert [line["status"] for line in await lines(send)] == found


async def test_neither_paths_nor_queries_nor_bodies_nor_tokens_are_written(client: httpx.AsyncClient) -> None:
    headers = {"authorization": f"Bearer {SECRET}", "cookie": f"session={SECRET}"}

    async def send() -> None:
        await client.get(f"/v1/accounts?filter={SECRET}&{SECRET}=1", headers=headers)
        await client.post("/v1/accounts", json={SECRET: SECRET}, headers=headers)
        await client.get(f"/v1/accounts/{SECRET}/no/such", headers=headers)
        await client.get(f"/{SECRET}", headers=headers)
        await client.get(f"/v1/accounts/{SECRET}/360?{SECRET}=1", headers=headers)

    told = await lines(send)
    assert len(told) == 5
    assert SECRET not in str(told)


async def test_routes_that_are_no_rpc_are_named_too(client: httpx.AsyncClient) -> None:
    (line,) = await lines(lambda: client.get(f"{URL}/360?colour=red"))
    assert (line["route"], line["status"], line["reason"]) == ("/v1/accounts/{id}/360", 400, "INVALID_ARGUMENT")
    (line,) = await lines(lambda: client.get("/no/such/page"))
    assert (line["route"], line["status"], line["reason"]) == ("", 404, "ROUTE_NOT_FOUND")


async def test_refusals_for_the_rate_do_not_flood_the_log(service: AccountService) -> None:
    async with running(service, rate_limit_token=0.001, rate_limit_token_burst=1) as client:
        answers: list[int] = []

        async def send() -> None:
            answers.extend([(await client.get("/v1/accounts")).status_code for _ in range(50)])

        told = await lines(send)
    assert answers == [200, *[429] * 49]
    assert 1 <= len(told) < 25
    assert (told[0]["status"], told[0]["reason"], told[0]["left_out"]) == (429, "RATE_LIMITED", 0)


def test_of_refusals_for_the_rate_those_that_are_left_out_are_counted() -> None:
    seconds = iter([1.0, 1.1, 1.2, 2.5])
    log = AccessLog("errors", monotonic=lambda: next(seconds))
    with structlog.testing.capture_logs() as told:
        for _ in range(4):
            exchange = open_exchange({"type": "http", "method": "GET", "headers": []}, receive)
            exchange.status, exchange.reason = 429, "RATE_LIMITED"
            log.ended(exchange)
    assert [line["left_out"] for line in told if "left_out" in line] == [0, 2]


async def receive() -> Any:
    raise AssertionError("nothing is read")


@given(st.lists(st.tuples(st.sampled_from("abcdefghijklmnop"), st.floats(0, 0.5))))
def test_each_owner_has_a_line_a_second_and_all_have_no_more_than_ten(refused: list[tuple[str, float]]) -> None:
    sample, now, taken = Sample(), 1.0, []
    left_out = 0
    for owner, later in refused:
        now += later
        found = sample.take(owner, now)
        if found is None:
            left_out += 1
            continue
        assert found == left_out
        left_out = 0
        taken.append((now, owner))
    # Periods begin with the first refusal after the last has ended.
    since, owners = -1.0, list[str]()
    for at, owner in taken:
        if at - since >= 1:
            since, owners = at, []
        owners.append(owner)
        assert len(owners) == len(set(owners)) <= LINES_PER_SECOND
