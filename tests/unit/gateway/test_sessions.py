"""Sessions of browsers: what the cookie is like, who is sent it, and when it ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookies import Morsel, SimpleCookie
from typing import Any

import grpc
import httpx
import pytest
from crm.customer.v1 import tokens_pb2 as pb
from crm.customer.v1 import tokens_pb2_grpc
from crm_gateway.settings import Settings

from tests.unit.gateway.account_service import failing, gateway

URL = "/v1/auth/session"
CREDENTIALS = {"tenant": "huaxin", "login": "li.wei@huaxin.example", "password": "correct horse"}
FRONT_END = "https://front.example"


class TokenService(tokens_pb2_grpc.TokenServiceServicer):
    """Gives r1, r2 and so on; refuses what is not the last one."""

    def __init__(self) -> None:
        self.given = 0
        self.revoked: list[str] = []
        self.fail: Any = None

    def _token(self) -> pb.Token:
        self.given += 1
        return pb.Token(
            access_token=f"a{self.given}",
            token_type="Bearer",
            expires_in=900,
            refresh_token=f"r{self.given}",
            refresh_expires_in=1_209_600,
        )

    async def CreateToken(self, request: Any, context: Any) -> pb.Token:
        if request.password != CREDENTIALS["password"]:
            await failing(grpc.StatusCode.UNAUTHENTICATED, "No.", reason="INVALID_CREDENTIALS")(context)
        return self._token()

    async def RefreshToken(self, request: Any, context: Any) -> pb.Token:
        if self.fail is not None:
            await self.fail(context)
        if request.refresh_token != f"r{self.given}":
            await failing(grpc.StatusCode.UNAUTHENTICATED, "No.", reason="INVALID_CREDENTIALS")(context)
        return self._token()

    async def RevokeToken(self, request: Any, context: Any) -> pb.RevokeTokenResponse:
        self.revoked.append(request.refresh_token)
        return pb.RevokeTokenResponse()

    async def ChangePassword(self, request: Any, context: Any) -> pb.ChangePasswordResponse:
        raise NotImplementedError

    async def GetSigningKeys(self, request: Any, context: Any) -> pb.SigningKeys:
        raise NotImplementedError


@pytest.fixture
def service() -> TokenService:
    return TokenService()


@asynccontextmanager
async def browser(service: TokenService, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client that keeps cookies, as a browser does."""
    server = grpc.aio.server()
    tokens_pb2_grpc.add_TokenServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        settings.setdefault("rate_limit_anonymous", 0)
        settings.setdefault("issuer", "https://gateway")
        async with gateway(customer_address=f"127.0.0.1:{port}", **settings) as client:
            client.base_url = httpx.URL("https://gateway")
            client.headers.pop("authorization")
            yield client
    finally:
        await server.stop(None)


@pytest.fixture
async def client(service: TokenService) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(service, cors_allowed_origins=(FRONT_END,)) as client:
        yield client


def cookie(answer: httpx.Response) -> Morsel[str]:
    (morsel,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return morsel


async def test_the_refresh_token_is_in_the_cookie_alone(client: httpx.AsyncClient) -> None:
    answer = await client.post(URL, json=CREDENTIALS)
    assert answer.status_code == 200
    told = {"access_token": "a1", "token_type": "Bearer", "expires_in": 900, "refresh_expires_in": 1_209_600}
    assert answer.json() == told
    assert answer.headers["cache-control"] == "no-store"
    morsel = cookie(answer)
    # From this host alone, or a page of a sibling domain could have people work in its own session.
    assert (morsel.key, morsel.value, morsel["path"]) == ("__Host-guanxi_session", "r1", "/")
    assert morsel["domain"] == ""
    assert (morsel["httponly"], morsel["samesite"], morsel["secure"]) == (True, "Strict", True)
    assert morsel["max-age"] == "1209600"


async def test_a_cookie_may_go_without_tls_only_where_the_issuer_does(service: TokenService) -> None:
    async with browser(service, issuer="http://127.0.0.1:8080") as client:
        client.base_url = httpx.URL("http://127.0.0.1:8080")
        morsel = cookie(await client.post(URL, json=CREDENTIALS))
        assert (morsel.key, morsel["secure"], morsel["httponly"]) == ("guanxi_session", "", True)
        assert (await client.post(f"{URL}:refresh")).status_code == 200


async def test_a_cookie_that_another_host_could_have_set_is_no_session(
    client: httpx.AsyncClient, service: TokenService
) -> None:
    await client.post(URL, json=CREDENTIALS)
    client.cookies = httpx.Cookies({"guanxi_session": "r1"})
    assert (await client.post(f"{URL}:refresh")).status_code == 401
    assert service.given == 1


async def test_each_refresh_gives_the_next_token_and_cookie(client: httpx.AsyncClient) -> None:
    await client.post(URL, json=CREDENTIALS)
    answers = [await client.post(f"{URL}:refresh") for _ in range(2)]
    assert [answer.json()["access_token"] for answer in answers] == ["a2", "a3"]
    assert [cookie(answer).value for answer in answers] == ["r2", "r3"]


async def test_a_refusal_leaves_the_cookie_that_a_newer_sign_in_may_have_set(
    client: httpx.AsyncClient, service: TokenService
) -> None:
    await client.post(URL, json=CREDENTIALS)
    service.given += 1
    answer = await client.post(f"{URL}:refresh")
    assert (answer.status_code, answer.json()["reason"]) == (401, "INVALID_CREDENTIALS")
    assert "set-cookie" not in answer.headers
    assert (await client.post(URL, json=CREDENTIALS)).status_code == 200
    assert (await client.post(f"{URL}:refresh")).status_code == 200


async def test_a_cookie_is_kept_when_the_issuer_does_not_answer(
    client: httpx.AsyncClient, service: TokenService
) -> None:
    await client.post(URL, json=CREDENTIALS)
    service.fail = failing(grpc.StatusCode.UNAVAILABLE, "down")
    answer = await client.post(f"{URL}:refresh")
    assert (answer.status_code, "set-cookie" in answer.headers) == (503, False)
    service.fail = None
    assert (await client.post(f"{URL}:refresh")).status_code == 200


async def test_without_a_cookie_there_is_no_session(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{URL}:refresh", headers={"accept-language": "zh"})
    assert (answer.status_code, answer.json()["reason"]) == (401, "UNAUTHENTICATED")
    assert answer.json()["detail"] == "此浏览器没有会话，请先登录。"


async def test_the_end_revokes_the_token_and_the_cookie(client: httpx.AsyncClient, service: TokenService) -> None:
    await client.post(URL, json=CREDENTIALS)
    answer = await client.delete(URL)
    assert (answer.status_code, service.revoked, cookie(answer)["max-age"]) == (204, ["r1"], "0")
    assert "__Host-guanxi_session" not in client.cookies
    assert (await client.delete(URL)).status_code == 204
    assert service.revoked == ["r1"]


async def test_wrong_credentials_set_no_cookie(client: httpx.AsyncClient) -> None:
    answer = await client.post(URL, json=CREDENTIALS | {"password": "wrong"})
    assert (answer.status_code, answer.json()["reason"]) == (401, "INVALID_CREDENTIALS")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://gateway.evil.example", "http://gateway"])
async def test_a_page_of_another_origin_gets_no_session(client: httpx.AsyncClient, origin: str) -> None:
    await client.post(URL, json=CREDENTIALS)
    for verb, path in (("POST", URL), ("POST", f"{URL}:refresh"), ("DELETE", URL)):
        answer = await client.request(verb, path, headers={"origin": origin})
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize("origin", ["https://gateway", FRONT_END])
async def test_our_own_pages_and_allowed_ones_have_sessions(client: httpx.AsyncClient, origin: str) -> None:
    headers = {"origin": origin}
    answers = [
        await client.post(URL, json=CREDENTIALS, headers=headers),
        await client.post(f"{URL}:refresh", headers=headers),
        await client.delete(URL, headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 204]
    credentials = "true" if origin == FRONT_END else None
    assert {answer.headers.get("access-control-allow-credentials") for answer in answers} == {credentials}


async def test_an_origin_that_is_allowed_as_one_of_all_has_no_session(service: TokenService) -> None:
    async with browser(service, cors_allowed_origins=("*",)) as client:
        answer = await client.post(URL, json=CREDENTIALS, headers={"origin": FRONT_END})
    assert answer.status_code == 403
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "The origin http://localhost:5173 is not allowed; CRM_CORS_ALLOWED_ORIGINS names those that are."),
        ("zh", "不允许来源 http://localhost:5173；允许的来源由 CRM_CORS_ALLOWED_ORIGINS 指定。"),
    ],
)
async def test_who_refuses_an_origin_names_it_and_the_setting(
    client: httpx.AsyncClient, language: str, told: str
) -> None:
    headers = {"origin": "http://localhost:5173", "accept-language": language}
    for answer in (
        await client.post(URL, json=CREDENTIALS, headers=headers),
        await client.post(f"{URL}:refresh", headers=headers),
        await client.delete(URL, headers=headers),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (403, told)
        assert answer.json()["metadata"] == {"rule": "origin", "origin": "http://localhost:5173"}


@pytest.mark.parametrize(
    "origin", ["http://localhost:5173/", "localhost:5173", "https://*.huaxin.example", "", "HTTP://A"]
)
def test_an_origin_that_no_browser_sends_stops_the_start(origin: str) -> None:
    with pytest.raises(ValueError, match=r"^cors_allowed_origins: .* for example http://localhost:5173"):
        Settings(cors_allowed_origins=(origin,))


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"tenant=huaxin", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b"{", "application/json", 400),
        (b'{"colour": 1}', "application/json", 400),
    ],
)
async def test_a_body_that_is_no_json_of_credentials_is_refused(
    client: httpx.AsyncClient, content: bytes, media_type: str, status: int
) -> None:
    answer = await client.post(URL, content=content, headers={"content-type": media_type})
    assert (answer.status_code, "set-cookie" in answer.headers) == (status, False)


async def test_signing_in_is_limited_by_address(service: TokenService) -> None:
    async with browser(service, rate_limit_anonymous=0.001, rate_limit_anonymous_burst=2) as client:
        answers = [await client.post(URL, json=CREDENTIALS) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
