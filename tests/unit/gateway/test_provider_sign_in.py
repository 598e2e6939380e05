"""Signing in with a provider from a browser: where it is sent, what it keeps meanwhile, and where it comes out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import grpc
import httpx
import pytest
from crm.customer.v1 import sign_ins_pb2 as pb
from crm.customer.v1 import sign_ins_pb2_grpc, tokens_pb2
from crm_gateway.routes.provider_sign_in import MAX_UNDER_WAY
from crm_gateway.routes.return_to import is_safe, with_reason
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.gateway.account_service import failing, gateway

URL = "/v1/auth/session/oidc"
PROVIDER = "0190c2f0-0000-7000-8000-000000000009"
CALLBACK = f"{URL}/callback/{PROVIDER}"
ELSEWHERE = "https://login.example/authorize?state="
FRONT_END = "https://front.example"


class SignInService(sign_ins_pb2_grpc.SignInServiceServicer):
    """Begins sign-ins with counted states; finishes what belongs together."""

    def __init__(self) -> None:
        self.begun: list[pb.BeginSignInRequest] = []
        self.finished: list[pb.FinishSignInRequest] = []
        self.fail: Any = None

    async def BeginSignIn(self, request: Any, context: Any) -> pb.BeginSignInResponse:
        if self.fail is not None:
            await self.fail(context)
        self.begun.append(request)
        state = f"{len(self.begun):02}".ljust(43, "s")
        return pb.BeginSignInResponse(
            authorization_url=ELSEWHERE + state, state=state, sign_in=f"sealed-{state}", expires_in=600
        )

    async def FinishSignIn(self, request: Any, context: Any) -> tokens_pb2.Token:
        if self.fail is not None:
            await self.fail(context)
        self.finished.append(request)
        return tokens_pb2.Token(
            access_token="a", token_type="Bearer", expires_in=900, refresh_token="r", refresh_expires_in=1_209_600
        )


@pytest.fixture
def service() -> SignInService:
    return SignInService()


@asynccontextmanager
async def browser(service: SignInService, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client that keeps cookies and follows no redirect by itself."""
    server = grpc.aio.server()
    sign_ins_pb2_grpc.add_SignInServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        values: dict[str, Any] = {
            "rate_limit_anonymous": 0,
            "issuer": "https://gateway",
            "cors_allowed_origins": (FRONT_END, "*"),
        }
        async with gateway(customer_address=f"127.0.0.1:{port}", **values | settings) as client:
            client.base_url = httpx.URL("https://gateway")
            client.headers.pop("authorization")
            yield client
    finally:
        await server.stop(None)


@pytest.fixture
async def client(service: SignInService) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(service) as client:
        yield client


async def begin(client: httpx.AsyncClient, return_to: str = "/console/?tab=2#top", **more: str) -> str:
    """The state that the provider is told."""
    answer = await client.get(URL, params={"tenant": "huaxin", "return_to": return_to} | more)
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith(ELSEWHERE)
    return str(answer.headers["location"].removeprefix(ELSEWHERE))


async def come_back(client: httpx.AsyncClient, state: str, **more: str) -> httpx.Response:
    return await client.get(CALLBACK, params={"state": state, "code": "c"} | more)


async def test_the_browser_goes_to_the_provider_and_keeps_the_sign_in_where_no_script_reads_it(
    client: httpx.AsyncClient, service: SignInService
) -> None:
    answer = await client.get(URL, params={"tenant": "huaxin", "login": "li.wei@huaxin.example"})
    assert service.begun == [pb.BeginSignInRequest(tenant="huaxin", login="li.wei@huaxin.example")]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert name.startswith("__Host-guanxi_sign_in_")
    assert rest.partition("; ")[2] == "Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure"


async def test_a_cookie_may_go_without_tls_only_where_the_issuer_does(service: SignInService) -> None:
    async with browser(service, issuer="http://127.0.0.1:8080") as client:
        answer = await client.get(URL, params={"tenant": "huaxin"})
    assert answer.headers["set-cookie"].startswith("guanxi_sign_in_")
    assert "Secure" not in answer.headers["set-cookie"]


async def test_back_from_the_provider_the_session_begins_where_the_person_was(
    client: httpx.AsyncClient, service: SignInService
) -> None:
    state = await begin(client)
    answer = await come_back(client, state, iss="https://login.example", session_state="not ours")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/?tab=2#top")
    (finished,) = service.finished
    assert finished == pb.FinishSignInRequest(
        sign_in=f"sealed-{state}",
        identity_provider_id=PROVIDER,
        state=state,
        code="c",
        issuer="https://login.example",
    )
    assert list(client.cookies) == ["__Host-guanxi_session"]
    session = answer.headers.get_list("set-cookie")[0]
    assert session == "__Host-guanxi_session=r; Path=/; Max-Age=1209600; HttpOnly; SameSite=Strict; Secure"
    again = await come_back(client, state)
    assert (again.status_code, again.json()["reason"]) == (401, "SIGN_IN_EXPIRED")


async def test_several_tabs_sign_in_at_once_each_to_its_own_place(
    client: httpx.AsyncClient, service: SignInService
) -> None:
    states = {place: await begin(client, place) for place in ("/one", "/two", f"{FRONT_END}/three?x=1")}
    for place, state in reversed(states.items()):
        answer = await come_back(client, state)
        assert (answer.status_code, answer.headers["location"]) == (303, place)
    assert [each.sign_in for each in service.finished] == [f"sealed-{state}" for state in reversed(states.values())]


async def test_the_oldest_of_many_tabs_makes_room(client: httpx.AsyncClient) -> None:
    states = [await begin(client) for _ in range(MAX_UNDER_WAY + 3)]
    assert len(client.cookies) == MAX_UNDER_WAY
    assert (await come_back(client, states[2])).status_code == 401
    assert (await come_back(client, states[3])).status_code == 303


async def test_whoever_did_not_begin_in_this_browser_is_not_signed_in(
    client: httpx.AsyncClient, service: SignInService
) -> None:
    """Login CSRF: the answer to somebody else's question."""
    await begin(client)
    for query in ({}, {"code": "c"}, {"state": "x" * 43, "code": "c"}, {"state": "../é", "code": "c"}, {"error": "e"}):
        answer = await client.get(CALLBACK, params=query)
        assert (answer.status_code, answer.json()["reason"]) == (401, "SIGN_IN_EXPIRED")
        assert "set-cookie" not in answer.headers
    assert service.finished == []


@pytest.mark.parametrize("value", ["nothing", ".", "x.é", "sealed.!", ""])
async def test_a_cookie_that_is_none_of_ours_signs_nobody_in(service: SignInService, value: str) -> None:
    async with browser(service) as client:
        name = f"__Host-guanxi_sign_in_{'s' * 16}"
        answer = await client.get(
            CALLBACK, params={"state": "s" * 43, "code": "c"}, headers={b"cookie": f"{name}={value}".encode("latin-1")}
        )
    assert answer.status_code in (401, 303)
    assert answer.headers.get("location", "/") == "/"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("access_denied", "SIGN_IN_DENIED"),
        ("login_required", "SIGN_IN_DENIED"),
        ("temporarily_unavailable", "UNAVAILABLE"),
        ("invalid_scope", "SIGN_IN_REFUSED"),
        ("<script>", "SIGN_IN_REFUSED"),
    ],
)
async def test_what_the_provider_refuses_is_told_where_the_person_was(
    client: httpx.AsyncClient, service: SignInService, error: str, reason: str
) -> None:
    state = await begin(client)
    answer = await come_back(client, state, error=error)
    assert (answer.status_code, service.finished) == (303, [])
    assert answer.headers["location"] == f"/console/?tab=2&sign_in_error={reason}#top"
    assert list(client.cookies) == []


async def test_what_we_refuse_is_told_where_the_person_was(client: httpx.AsyncClient, service: SignInService) -> None:
    state = await begin(client)
    service.fail = failing(grpc.StatusCode.UNAUTHENTICATED, "No.", reason="SIGN_IN_USER_UNKNOWN")
    back = await come_back(client, state)
    assert back.headers["location"] == "/console/?tab=2&sign_in_error=SIGN_IN_USER_UNKNOWN#top"
    assert list(client.cookies) == []
    service.fail = failing(grpc.StatusCode.NOT_FOUND, "No.", reason="IDENTITY_PROVIDER_NOT_FOUND")
    answer = await client.get(URL, params={"tenant": "nobody", "return_to": "/console/"})
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/console/?sign_in_error=IDENTITY_PROVIDER_NOT_FOUND",
    )


async def test_a_page_of_another_site_cannot_sign_anybody_in(client: httpx.AsyncClient) -> None:
    for site, status in (("cross-site", 403), ("same-site", 303), ("same-origin", 303), ("none", 303)):
        answer = await client.get(URL, params={"tenant": "huaxin"}, headers={"sec-fetch-site": site})
        assert answer.status_code == status
        if status == 403:
            assert answer.json()["metadata"] == {"rule": "cross_site"}
            assert answer.json()["detail"].startswith("A page of another site may not begin a sign-in")
    # The provider is another site: back from it is another matter.
    state = await begin(client)
    answer = await client.get(CALLBACK, params={"state": state, "code": "c"}, headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 303


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "tenant"),
        ("tenant=", "tenant"),
        ("tenant=a&tenant=b", "tenant"),
        ("tenant=a&colour=1", "colour"),
        ("tenant=a&return_to=https://evil.example/", "return_to"),
        ("tenant=a&return_to=//evil.example/", "return_to"),
        ("tenant=a&return_to=", "return_to"),
    ],
)
async def test_a_question_that_makes_no_sense_names_the_parameter(
    client: httpx.AsyncClient, service: SignInService, query: str, field: str
) -> None:
    answer = await client.get(f"{URL}?{query}")
    assert (answer.status_code, [each["field"] for each in answer.json()["errors"]]) == (400, [field])
    assert (service.begun, "set-cookie" in answer.headers) == ([], False)


async def test_signing_in_is_limited_by_address(service: SignInService) -> None:
    async with browser(service, rate_limit_anonymous=0.001, rate_limit_anonymous_burst=2) as client:
        answers = [await client.get(URL, params={"tenant": "huaxin"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [303, 303, 429]


# --- where people may be sent back to


def host_of(return_to: str) -> str:
    """Whom a browser would ask, by the URL standard: it drops tabs and line breaks, and a backslash is a slash."""
    text = return_to.strip("".join(map(chr, range(33))))
    for dropped in "\t\n\r":
        text = text.replace(dropped, "")
    head, mark, tail = text.partition("?")
    return urlsplit(urljoin("https://gateway/a/", head.replace("\\", "/") + mark + tail)).netloc


SIGNS = ("/", "\\", "//", ":", "@", "?", "#", ".", "..", "\t", "\n", "\r", " ", "%2f", "%5c", "é", "\x00")
PIECES = st.sampled_from((*SIGNS, "https:", "javascript:", "evil.example", "front.example", "gateway"))
PLACES = st.one_of(st.lists(PIECES, max_size=6).map("".join), st.text(max_size=20))


@given(PLACES)
@example("https://front.example@evil.example/")
@example("https://front.example.evil.example/")
@example("/\\evil.example")
@example("/\t/evil.example")
def test_nobody_is_sent_anywhere_but_to_us_and_who_is_allowed(return_to: str) -> None:
    if is_safe(return_to, (FRONT_END, "*")):
        assert host_of(return_to) in {"gateway", "front.example"}
        assert not return_to.lower().startswith("javascript:")
        assert return_to.isprintable()


@pytest.mark.parametrize("good", ["/", "/console/accounts?x=1#y", "/a:b", f"{FRONT_END}", f"{FRONT_END}/x?y#z"])
def test_our_pages_and_those_of_allowed_origins_are_good_places(good: str) -> None:
    assert is_safe(good, (FRONT_END,))
    told = with_reason(good, "SIGN_IN_DENIED")
    assert is_safe(told, (FRONT_END,))
    assert parse_qs(urlsplit(told).query)["sign_in_error"] == ["SIGN_IN_DENIED"]
    assert urlsplit(told).fragment == urlsplit(good).fragment


@pytest.mark.parametrize(
    "bad",
    ["console", "", "//x", "/\\x", "https://other.example/", "https://FRONT.example", "x" * 1001, "/é", "https://["],
)
def test_other_places_are_not(bad: str) -> None:
    assert not is_safe(bad, (FRONT_END,))
