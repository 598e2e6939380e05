"""What a caller is told when the service refuses, fails, is away or takes too long."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from crm_gateway.texts.catalogue import catalogue
from grpc import StatusCode

from tests.unit.gateway.account_service import ID, AccountService, failing, gateway, running

URL = f"/v1/accounts/{ID}"


@pytest.fixture
async def service() -> AccountService:
    return AccountService()


@pytest.fixture
async def client(service: AccountService) -> AsyncIterator[httpx.AsyncClient]:
    async with running(service, rate_limit_token=0, rate_limit_anonymous=0) as client:
        yield client


@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [
        (StatusCode.INVALID_ARGUMENT, "INVALID_FILTER", 422),
        (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", 401),
        (StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED", 403),
        (StatusCode.NOT_FOUND, "ACCOUNT_NOT_FOUND", 404),
        (StatusCode.ALREADY_EXISTS, "EXTERNAL_ID_TAKEN", 409),
        (StatusCode.FAILED_PRECONDITION, "ILLEGAL_STATE", 409),
        (StatusCode.ABORTED, "CONFLICT", 409),
        (StatusCode.ABORTED, "ETAG_MISMATCH", 412),
        (StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", 429),
        (StatusCode.UNAVAILABLE, "UNAVAILABLE", 503),
        (StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", 504),
    ],
)
async def test_a_failure_of_the_service_becomes_a_problem(
    client: httpx.AsyncClient, service: AccountService, code: StatusCode, reason: str, status: int
) -> None:
    service.fail = failing(code, "What went wrong.", reason=reason)
    answer = await client.post(f"{URL}:archive", headers={"x-request-id": "r-1"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": f"/docs/errors#{reason.lower().replace('_', '-')}",
        "title": catalogue("en").title(reason),
        "status": status,
        "detail": "What went wrong.",
        "instance": f"{URL}:archive",
        "reason": reason,
        "metadata": {},
        "errors": [],
        "request_id": "r-1",
    }
    assert ("www-authenticate" in answer.headers) is (status == 401)
    assert ("retry-after" in answer.headers) is (status in (429, 503))


async def test_what_is_too_large_for_grpc_is_a_failure_of_ours_and_not_a_limit_of_the_caller(
    client: httpx.AsyncClient, service: AccountService
) -> None:
    service.fail = failing(StatusCode.RESOURCE_EXHAUSTED, "received trailing metadata size exceeds hard limit")
    answer = await client.post(f"{URL}:archive")
    assert (answer.status_code, answer.json()["reason"]) == (500, "INTERNAL")
    assert "metadata size" not in answer.text


async def test_violations_are_told_as_the_body_has_them(client: httpx.AsyncClient, service: AccountService) -> None:
    fields = {"account.phone_numbers[2]": "string.pattern", "update_mask": "unknown"}
    service.fail = failing(StatusCode.INVALID_ARGUMENT, "No.", reason="INVALID_ARGUMENT", fields=fields)
    errors = (await client.patch(URL, json={})).json()["errors"]
    assert [(each["field"], each["rule"], each["detail"]) for each in errors] == [
        ("phone_numbers[2]", "string.pattern", "must look like +8613800138000"),
        ("update_mask", "unknown", "is wrong"),
    ]


async def test_when_to_come_back_is_what_the_service_says(client: httpx.AsyncClient, service: AccountService) -> None:
    service.fail = failing(StatusCode.RESOURCE_EXHAUSTED, "Later.", reason="RATE_LIMITED", retry=30)
    assert (await client.get(URL)).headers["retry-after"] == "30"


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        (StatusCode.UNKNOWN, 500, "INTERNAL"),
        (StatusCode.INTERNAL, 500, "INTERNAL"),
        (StatusCode.DATA_LOSS, 500, "INTERNAL"),
        (StatusCode.UNAVAILABLE, 503, "UNAVAILABLE"),
        (StatusCode.NOT_FOUND, 404, "NOT_FOUND"),
    ],
)
async def test_nothing_internal_gets_out(
    client: httpx.AsyncClient, service: AccountService, code: StatusCode, status: int, reason: str
) -> None:
    service.fail = failing(code, "connect to 10.0.0.7:5432 as crm_owner")
    answer = await client.post(f"{URL}:archive")
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert "10.0.0.7" not in answer.text


async def test_an_internal_error_tells_nothing_even_with_a_reason(
    client: httpx.AsyncClient, service: AccountService
) -> None:
    service.fail = failing(StatusCode.INTERNAL, "select * from secret", reason="SECRET")
    answer = await client.get(URL)
    assert (answer.status_code, answer.json()["reason"]) == (500, "INTERNAL")
    assert "secret" not in answer.text.lower()


async def test_an_rpc_that_the_service_does_not_have_yet_is_unavailable(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{URL}:restore")
    assert (answer.status_code, answer.json()["reason"]) == (503, "UNAVAILABLE")


async def test_a_service_that_is_down_is_told_quickly() -> None:
    async with gateway(customer_address="127.0.0.1:1") as client:
        answer = await client.post(f"{URL}:archive")
    assert (answer.status_code, answer.json()["reason"]) == (503, "UNAVAILABLE")
    assert "127.0.0.1" not in answer.text


async def test_a_read_is_tried_again_and_a_write_is_not(client: httpx.AsyncClient, service: AccountService) -> None:
    unavailable = failing(StatusCode.UNAVAILABLE, "restarting")

    async def first_time_only(context: Any) -> None:
        service.fail = None
        await unavailable(context)

    service.fail = first_time_only
    assert (await client.get(URL)).status_code == 200
    assert len(service.seen.requests) == 2
    service.fail = first_time_only
    assert (await client.post(f"{URL}:archive")).status_code == 503
    assert len(service.seen.requests) == 3


async def test_a_deadline_of_the_client_is_kept(client: httpx.AsyncClient, service: AccountService) -> None:
    async def hang(context: Any) -> None:
        assert context.time_remaining() <= 0.2
        await asyncio.Event().wait()

    service.fail = hang
    answer = await client.get(URL, headers={"x-request-timeout": "0.2"})
    assert (answer.status_code, answer.json()["reason"]) == (504, "DEADLINE_EXCEEDED")


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "1e9"])
async def test_a_deadline_that_is_none_is_refused(client: httpx.AsyncClient, seconds: str) -> None:
    assert (await client.get(URL, headers={"x-request-timeout": seconds})).status_code == 400


async def test_the_own_deadline_is_the_longest(client: httpx.AsyncClient, service: AccountService) -> None:
    remaining: list[float] = []

    async def note(context: Any) -> None:
        remaining.append(context.time_remaining())

    service.fail = note
    await client.get(URL, headers={"x-request-timeout": "200"})
    assert 0 < remaining[0] <= 10
