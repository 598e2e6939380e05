"""The whole way: HTTP to the gateway, gRPC to a small service, and back."""

import asyncio
import re
import socket
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm_gateway.problems import Problem, ProblemError
from crm_gateway.settings import Settings
from crm_kit.errors import NotFound
from fastapi import APIRouter

from tests.unit.gateway.account_service import ID, AccountService, gateway, running, serving

URL = f"/v1/accounts/{ID}"
PATIENCE_SECONDS = 60.0


@pytest.fixture
async def service() -> AccountService:
    return AccountService()


@pytest.fixture
async def client(service: AccountService) -> AsyncIterator[httpx.AsyncClient]:
    async with running(service, rate_limit_token=0, rate_limit_anonymous=0) as client:
        yield client


async def test_a_create_answers_201_with_location_and_etag(client: httpx.AsyncClient, service: AccountService) -> None:
    answer = await client.post("/v1/accounts", json={"kind": "PERSON", "display_name": "李伟", "tags": ["vip"]})
    assert answer.status_code == 201
    assert answer.headers["location"] == URL
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["display_name"] == "李伟"
    assert answer.json()["legal_name"] is None
    account = pb.Account(kind=pb.Account.KIND_PERSON, display_name="李伟", tags=["vip"])
    assert service.seen.request == pb.CreateAccountRequest(account=account)


async def test_a_get_has_an_etag_and_may_be_kept_but_must_be_asked_again(client: httpx.AsyncClient) -> None:
    answer = await client.get(URL)
    assert answer.status_code == 200
    assert re.fullmatch(r'"7~[0-9a-f]{8}"', answer.headers["etag"])
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"


async def test_what_the_client_has_already_is_answered_304_without_body(client: httpx.AsyncClient) -> None:
    tag = (await client.get(URL)).headers["etag"]
    answer = await client.get(URL, headers={"if-none-match": tag})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert (await client.get(URL, headers={"if-none-match": '"7"'})).status_code == 200


async def test_the_etag_of_a_get_is_that_of_what_it_shows(client: httpx.AsyncClient, service: AccountService) -> None:
    tag = (await client.get(URL)).headers["etag"]
    service.owner_name = "王芳"
    renamed = await client.get(URL, headers={"if-none-match": tag})
    assert renamed.status_code == 200
    some = await client.get(
        URL, params={"fields": "id"}, headers={"if-none-match": f"{tag}, {renamed.headers['etag']}"}
    )
    assert some.status_code == 200
    assert len({tag, renamed.headers["etag"], some.headers["etag"]}) == 3
    again = await client.get(URL, params={"fields": "id"}, headers={"if-none-match": some.headers["etag"]})
    assert again.status_code == 304


async def test_the_etag_of_a_get_stands_for_the_version_in_if_match(
    client: httpx.AsyncClient, service: AccountService
) -> None:
    tag = (await client.get(URL, params={"fields": "id"})).headers["etag"]
    await client.patch(URL, json={"industry": "steel"}, headers={"if-match": tag})
    assert service.seen.request.account.etag == "7"
    await client.patch(URL, json={"industry": "steel"}, headers={"if-match": f'{tag[:-1]}-gzip"'})
    assert service.seen.request.account.etag == "7"


async def test_a_head_is_a_get_without_its_body(client: httpx.AsyncClient) -> None:
    got, head = await client.get(URL), await client.head(URL)
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == str(len(got.content))


async def test_a_list_is_read_with_its_parameters(client: httpx.AsyncClient, service: AccountService) -> None:
    answer = await client.get("/v1/accounts", params={"page_size": "2", "filter": 'tags:"大客户"'})
    assert answer.json()["next_page_token"] == "next"
    assert answer.json()["accounts"][0]["id"] == ID
    assert answer.headers["cache-control"] == "no-store"
    assert service.seen.request == pb.ListAccountsRequest(page_size=2, filter='tags:"大客户"')


async def test_if_match_becomes_the_etag_of_the_request(client: httpx.AsyncClient, service: AccountService) -> None:
    await client.patch(URL, json={"display_name": "x"}, headers={"if-match": '"7"'})
    assert service.seen.request.account.etag == "7"
    await client.post(f"{URL}:archive", headers={"if-match": '"8"'})
    assert service.seen.request == pb.ArchiveAccountRequest(id=ID, etag="8")
    await client.post(f"{URL}:archive", headers={"if-match": "*"})
    assert service.seen.request == pb.ArchiveAccountRequest(id=ID)


@pytest.mark.parametrize(("method", "path"), [("PATCH", URL), ("POST", f"{URL}:archive")])
async def test_an_if_match_and_an_etag_in_the_body_are_one_or_the_request_is_refused(
    client: httpx.AsyncClient, service: AccountService, method: str, path: str
) -> None:
    for if_match, etag in [('"7"', "7"), ("*", "7"), ('"7~0123abcd"', "7"), ('"7"', None), ('"7"', "")]:
        await client.request(method, path, json={"etag": etag}, headers={"if-match": if_match})
        request = service.seen.request
        assert (request.account if method == "PATCH" else request).etag == "7"
    refused = await client.request(method, path, json={"etag": "6"}, headers={"if-match": '"7"'})
    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["field"], error["rule"]) == (400, "If-Match", "conflict")


async def test_a_precondition_that_cannot_be_kept_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/accounts", json={}, headers={"if-match": '"7"'})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "If-Match")


async def test_request_id_token_key_and_trace_reach_the_service(
    client: httpx.AsyncClient, service: AccountService
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"x-request-id": "r-1", "idempotency-key": "k 1".replace(" ", "-"), "traceparent": trace}
    # Where the client is, it does not get to say.
    headers["x-client-address"] = "192.0.2.1"
    answer = await client.post(f"{URL}:archive", headers=headers)
    assert answer.headers["x-request-id"] == "r-1"
    seen = service.seen.metadata[-1]
    assert (seen["x-request-id"], seen["idempotency-key"], seen["traceparent"]) == ("r-1", "k-1", trace)
    assert seen["authorization"] == "Bearer t"
    assert seen["x-client-address"] == "127.0.0.1"


@pytest.mark.parametrize("sent", ["", "with space", "x" * 129, "<script>"])
async def test_a_request_id_that_is_not_sane_is_replaced(client: httpx.AsyncClient, sent: str) -> None:
    answer = await client.get(URL, headers={"x-request-id": sent})
    assert len(answer.headers["x-request-id"]) == 36


async def test_a_trace_parent_that_is_none_is_not_passed_on(client: httpx.AsyncClient, service: AccountService) -> None:
    await client.get(URL, headers={"traceparent": "nonsense"})
    assert "traceparent" not in service.seen.metadata[-1]


@pytest.mark.parametrize("key", ["", "x" * 256, "a b"])
async def test_an_idempotency_key_that_is_none_is_refused(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.post(f"{URL}:archive", headers={"idempotency-key": key})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Idempotency-Key")


async def test_a_replayed_answer_says_so(client: httpx.AsyncClient, service: AccountService) -> None:
    assert "idempotent-replayed" not in (await client.post(f"{URL}:archive")).headers
    service.replayed = True
    assert (await client.post(f"{URL}:archive")).headers["idempotent-replayed"] == "true"


async def test_another_verb_is_405_with_those_that_work(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v1/accounts", json={})
    assert (answer.status_code, answer.json()["reason"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert answer.json()["detail"].startswith("Only GET, HEAD, OPTIONS, POST can be used here")
    options = await client.options("/v1/accounts")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


@pytest.mark.parametrize(
    ("language", "told"),
    [("en", "there is no such {kind}; perhaps {near} is meant"), ("zh", "没有该{kind}，是否指 {near}")],
)
async def test_a_slip_in_a_name_is_answered_with_the_name(client: httpx.AsyncClient, language: str, told: str) -> None:
    words = {"en": ("field", "parameter"), "zh": ("字段", "参数")}[language]
    headers = {"accept-language": language}
    posted = await client.post("/v1/accounts", json={"displayName": "x"}, headers=headers)
    [error] = posted.json()["errors"]
    assert (error["rule"], error["detail"]) == ("unknown_field", told.format(kind=words[0], near="display_name"))
    listed = await client.get("/v1/accounts?pageSize=1", headers=headers)
    [error] = listed.json()["errors"]
    assert (error["rule"], error["detail"]) == ("unknown_field", told.format(kind=words[1], near="page_size"))


async def test_who_deletes_is_told_how_records_are_put_away(client: httpx.AsyncClient) -> None:
    answer = await client.delete(URL)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS, PATCH")
    assert ":archive" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/v1/accounts/", "/v1/nothing", "/v1", "/v1/accounts/7:explode"])
async def test_what_is_not_there_is_a_404_problem(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"x-request-id": "r-1"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["reason"], answer.json()["request_id"]) == ("ROUTE_NOT_FOUND", "r-1")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("slip", "near"),
    [("account", "accounts"), ("accounts/7:archiv", "accounts/7:archive"), ("Accounts/7", "accounts/7")],
)
async def test_a_slip_in_a_path_is_answered_with_what_may_be_meant(
    client: httpx.AsyncClient, slip: str, near: str
) -> None:
    answer = await client.get(f"/v1/{slip}")
    assert (answer.status_code, answer.json()["metadata"]) == (404, {"near": f"/v1/{near}"})
    assert answer.json()["detail"] == f"There is no such route; perhaps /v1/{near} is meant."


async def test_who_opens_the_address_in_a_browser_comes_to_the_reference(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
async def test_another_media_type_is_415(client: httpx.AsyncClient, media_type: str) -> None:
    answer = await client.post("/v1/accounts", content=b"{}", headers={"content-type": media_type})
    assert (answer.status_code, answer.json()["reason"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "application/merge-patch+json"])
async def test_any_kind_of_json_is_taken(client: httpx.AsyncClient, media_type: str) -> None:
    answer = await client.patch(URL, content=b"{}", headers={"content-type": media_type})
    assert answer.status_code == 200


async def test_a_body_that_is_too_large_is_413_whatever_it_declares(service: AccountService) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100

    async with running(service, max_body_bytes=1000) as client:
        declared = await client.post("/v1/accounts", json={"display_name": "x" * 1000})
        streamed = await client.post("/v1/accounts", content=chunks(), headers={"content-type": "application/json"})
        small = await client.post("/v1/accounts", json={"display_name": "x" * 900})
    assert [declared.status_code, streamed.status_code, small.status_code] == [413, 413, 201]
    assert declared.json()["reason"] == "BODY_TOO_LARGE"


@pytest.mark.parametrize("header", ["", "Basic x", "Bearer", "Bearer \x7f", "Bearer ü"])
async def test_without_a_token_nothing_is_asked(service: AccountService, header: str) -> None:
    async with running(service) as client:
        answer = await client.get(URL, headers={b"authorization": header.encode("latin-1")})
    assert (answer.status_code, answer.json()["reason"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert service.seen.requests == []


async def test_an_unusable_token_does_not_disturb_what_needs_none(client: httpx.AsyncClient) -> None:
    """The small service has no TokenService: 503 tells that the call went out."""
    for header in (b"Bearer \x7f", b"Bearer \xfc", b""):
        answer = await client.get("/v1/auth/keys", headers={b"authorization": header})
        assert (answer.status_code, answer.json()["reason"]) == (503, "UNAVAILABLE")


async def test_another_origin_may_ask_only_when_it_is_allowed(service: AccountService) -> None:
    async with running(service, cors_allowed_origins=("https://app.example",)) as client:
        preflight = {"access-control-request-method": "PATCH", "access-control-request-headers": "if-match"}
        allowed = await client.options(URL, headers={"origin": "https://app.example", **preflight})
        denied = await client.options(URL, headers={"origin": "https://evil.example", **preflight})
        answer = await client.get(URL, headers={"origin": "https://app.example"})
        other = await client.get(URL, headers={"origin": "https://evil.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert allowed.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS, PATCH"
    assert "if-match" in allowed.headers["access-control-allow-headers"]
    assert "access-control-allow-origin" not in denied.headers
    assert "etag" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in other.headers
    assert other.headers["vary"] == "Accept-Encoding, Origin"


def test_a_service_is_behind_each_setting_that_is_an_address_and_behind_no_limit() -> None:
    assert Settings().addresses.keys() == {"customer", "sales", "service_desk", "scoring"}


async def test_health_tells_which_services_answer() -> None:
    addresses: Any = {f"{name}_address": "127.0.0.1:1" for name in ("customer", "sales", "service_desk", "scoring")}
    async with gateway(**addresses) as client:
        live, ready = await client.get("/health/live"), await client.get("/health/ready")
        assert [(await client.get(path)).json() for path in ("/health", "/healthz")] == [ready.json()] * 2
        services = await client.get("/health/services")
    assert (live.status_code, ready.status_code, services.status_code) == (200, 200, 200)
    assert services.json()["services"]["customer"] == "UNREACHABLE"


async def test_services_are_asked_once_however_many_ask_how_they_are() -> None:
    opened = 0

    async def counted(_reader: object, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        writer.close()

    server = await asyncio.start_server(counted, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, gateway(customer_address=f"127.0.0.1:{port}") as client:
        answers = await asyncio.gather(*(client.get("/health/services") for _ in range(50)))
    assert {answer.json()["services"]["customer"] for answer in answers} == {"UNREACHABLE"}
    assert 0 < opened < 20


async def test_a_service_that_hangs_keeps_no_gateway_from_being_ready() -> None:
    """It takes connections and never says a word, as a process that is frozen."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        async with gateway(customer_address=f"127.0.0.1:{frozen.getsockname()[1]}") as client:
            ready = await asyncio.wait_for(client.get("/health/ready"), 1)
            services = await client.get("/health/services")
    assert ready.status_code == 200
    assert services.json()["services"]["customer"] == "UNREACHABLE"


async def test_the_reference_needs_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    for path in ("/docs", "/docs/errors"):
        page = await client.get(path)
        assert page.status_code == 200
        assert "<script" not in page.text
        assert "src=" not in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert 'id="account-not-found"' in page.text


async def test_a_client_that_goes_away_cancels_its_call(service: AccountService) -> None:
    """Through uvicorn, on a connection that is closed half-way."""
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def hang(_context: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    service.fail = hang
    async with serving(service) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {URL} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n\r\n".encode())
        await asyncio.wait_for(begun.wait(), PATIENCE_SECONDS)
        writer.close()
        await asyncio.wait_for(cancelled.wait(), PATIENCE_SECONDS)
        assert await reader.read() == b""


async def test_uvicorn_serves_it_over_a_socket(service: AccountService) -> None:
    async with serving(service) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        answers = [await client.get(URL, headers={"authorization": "Bearer t"}) for _ in range(3)]
        head = await client.head(URL, headers={"authorization": "Bearer t"})
        unread = await client.post("/v1/accounts", content=b"{}" * 10, headers={"content-type": "application/json"})
    assert [answer.status_code for answer in answers] == [200] * 3
    assert "server" not in answers[0].headers
    assert head.headers["content-length"] == answers[0].headers["content-length"]
    assert unread.status_code == 401


async def test_routes_that_are_not_rpcs_fail_with_problems_too(monkeypatch: pytest.MonkeyPatch) -> None:
    router = APIRouter()

    @router.get("/v1/page/{number}")
    async def page(number: int) -> None:
        if number == 404:
            raise NotFound("There is no such page.", reason="NOT_FOUND")
        if number == 413:
            raise ProblemError(Problem(413, "BODY_TOO_LARGE", "Too large."))
        raise RuntimeError("select * from secret")

    monkeypatch.setattr("crm_gateway.app.ROUTERS", (router,))
    async with gateway() as client:
        unreadable = await client.get("/v1/page/one")
        missing = await client.get("/v1/page/404", headers={"x-request-id": "r-1"})
        large = await client.get("/v1/page/413")
        posted = await client.post("/v1/page/1")
        with pytest.raises(RuntimeError):
            await client.get("/v1/page/1")
    assert (unreadable.status_code, unreadable.json()["errors"][0]["field"]) == (400, "number")
    assert (missing.status_code, missing.json()["detail"]) == (404, "There is no such page.")
    assert missing.json()["request_id"] == missing.headers["x-request-id"] == "r-1"
    assert (large.status_code, large.json()["reason"]) == (413, "BODY_TOO_LARGE")
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET")


async def test_a_made_request_id_is_a_random_uuid(client: httpx.AsyncClient) -> None:
    ids = {uuid.UUID((await client.get(URL)).headers["x-request-id"]) for _ in range(20)}
    assert len(ids) == 20
    assert all((each.version, each.variant) == (4, uuid.RFC_4122) for each in ids)


async def test_a_page_answers_head_without_its_body(client: httpx.AsyncClient) -> None:
    head = await client.head("/openapi.json")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 1000
