"""Sessions of browsers: the refresh token stays in a cookie that no script can read.

The same tokens as of `/v1/auth:token`; here the answer has the access token alone. A request that a page of another
site makes is sent no cookie (SameSite), and one of another origin that is not allowed is refused.
"""

from collections.abc import Iterable
from typing import Any

import grpc
from crm.customer.v1 import tokens_pb2 as pb
from fastapi import APIRouter, Request, Response
from google.protobuf.message import Message

from crm_gateway.channels import Channels
from crm_gateway.exchange import EXCHANGE_KEY, Exchange, read_body
from crm_gateway.openapi.other_routes import answer_of, reference
from crm_gateway.openapi.responses import failures
from crm_gateway.problems import Problem, ProblemError
from crm_gateway.protojson.encoder import json_bytes
from crm_gateway.routes.cookies import Cookies
from crm_gateway.settings import Settings
from crm_gateway.transcode.dispatch import check_content_type, metadata_of, timeout_of
from crm_gateway.transcode.operations import Operation

COOKIE = "guanxi_session"
MAX_ORIGIN_TOLD = 300
_CALLS = (
    "TokenService.CreateToken",
    "TokenService.RefreshToken",
    "TokenService.RevokeToken",
    "SignInService.BeginSignIn",
    "SignInService.FinishSignIn",
)
_TOLD = ("access_token", "token_type", "expires_in", "refresh_expires_in")

router = APIRouter()


class Sessions:
    """The calls that sessions are made of."""

    def __init__(self, operations: Iterable[Operation], channels: Channels, settings: Settings) -> None:
        by_rpc = {each.rpc.full_name: each for each in operations}
        self._operations = {name.partition(".")[2]: by_rpc[f"crm.customer.v1.{name}"] for name in _CALLS}
        self._calls = {name: channels.call_of(each.rpc) for name, each in self._operations.items()}
        self._settings = settings
        self._cookies = Cookies.of(settings)
        self._encode = self._operations["CreateToken"].encode

    async def call(self, name: str, request: Message, exchange: Exchange) -> Any:
        """The response of a call to the issuer; ProblemError when it refuses."""
        seconds = timeout_of(exchange.headers.get(b"x-request-timeout"), self._settings.request_timeout)
        try:
            reply = await self._calls[name](request, metadata_of(exchange), seconds)
        except grpc.aio.AioRpcError as error:
            raise ProblemError(self._operations[name].problem_of(error)) from error
        return reply.message

    async def credentials(self, exchange: Exchange) -> Message:
        """The body: tenant, login and password."""
        body = await read_body(exchange, self._settings.max_body_bytes, self._settings.request_timeout)
        # A page of another origin cannot send JSON without asking first.
        check_content_type(exchange.headers.get(b"content-type"))
        message: Message = self._operations["CreateToken"].reader.read((), exchange.query, body)
        return message

    def answer(self, token: pb.Token) -> Response:
        """The access token for the page, the refresh token for the browser."""
        content = self._encode(token)
        told = json_bytes({name: content[name] for name in _TOLD})
        headers = {
            "cache-control": "no-store",
            "set-cookie": self.cookie(token.refresh_token, token.refresh_expires_in),
        }
        return Response(told, headers=headers, media_type="application/json")

    def cookie(self, value: str, seconds: int) -> str:
        """The `Set-Cookie` header; 0 seconds end the cookie."""
        return self._cookies.header(COOKIE, value, seconds, "Strict")

    def token_of(self, request: Request) -> str:
        """The refresh token in the request's cookie; empty without one."""
        return request.cookies.get(self._cookies.name(COOKIE), "")

    def check_origin(self, exchange: Exchange) -> None:
        """Raise a 403 when a page of an origin that is neither ours nor allowed makes the request."""
        origin = exchange.headers.get(b"origin")
        if origin is None:
            return
        host = exchange.headers.get(b"host", b"")
        allowed = {each.encode() for each in self._settings.cors_allowed_origins} | {b"https://" + host}
        if not self._cookies.secure:
            allowed.add(b"http://" + host)
        if origin not in allowed:
            told = origin.decode("latin-1")[:MAX_ORIGIN_TOLD]
            raise ProblemError(Problem(403, "PERMISSION_DENIED", values={"rule": "origin", "origin": told}))


_SESSION = {
    "type": "object",
    "title": "Session",
    "description": "A session of a browser, whose refresh token is in a cookie.",
    "required": list(_TOLD),
    "properties": {
        "access_token": {
            "type": "string",
            "description": "Sent as `Authorization: Bearer ...`; kept in memory only.",
            "examples": ["eyJhbGciOiJFZERTQSIsImtpZCI6IjEifQ.eyJzdWIiOiIwMTkyMGYzYyJ9.c2lnbmF0dXJl"],
        },
        "token_type": {"type": "string", "description": "Always `Bearer`.", "examples": ["Bearer"]},
        "expires_in": {"type": "integer", "description": "Seconds the access token holds.", "examples": [900]},
        "refresh_expires_in": {
            "type": "integer",
            "description": "Seconds the session lasts when it is not refreshed.",
            "examples": [1209600],
        },
    },
}
_GIVEN = answer_of({"application/json": {"schema": _SESSION}}, headers=["Set-Cookie"])
_PARAMETERS = [{"$ref": "#/components/parameters/XRequestId"}, {"$ref": "#/components/parameters/XRequestTimeout"}]
_BEGIN = {
    "operationId": "BeginSession",
    "tags": ["Token"],
    "summary": "Signs a user in from a browser: the refresh token becomes a cookie that no script can read.",
    "description": "The cookie is HttpOnly and SameSite=Strict. Where the issuer has an https address it is Secure, "
    "and its name begins with `__Host-`.\n"
    "Reasons: INVALID_CREDENTIALS, RATE_LIMITED, PERMISSION_DENIED.",
    "x-permission": "public",
    "security": [],
    "parameters": _PARAMETERS,
    "requestBody": {"required": True, "content": {"application/json": {"schema": reference("CreateTokenRequest")}}},
    "responses": _GIVEN,
}
_REFRESH = {
    "operationId": "RefreshSession",
    "tags": ["Token"],
    "summary": "Gives the next access token of a browser's session, and a new cookie.",
    "description": "Two tabs may do so at the same time, and a lost answer can be asked for again within 30 seconds.\n"
    "Reasons: INVALID_CREDENTIALS, UNAUTHENTICATED, PERMISSION_DENIED.",
    "x-permission": "public",
    "security": [{"session": []}],
    "parameters": _PARAMETERS,
    "responses": _GIVEN,
}
_END = {
    "operationId": "EndSession",
    "tags": ["Token"],
    "summary": "Ends a browser's session and its cookie.",
    "description": "Reasons: PERMISSION_DENIED.",
    "x-permission": "public",
    "security": [{"session": []}],
    "parameters": _PARAMETERS,
    "responses": {"204": {"$ref": "#/components/responses/Done"}} | failures(),
}


@router.post("/v1/auth/session", openapi_extra=_BEGIN)
async def begin(request: Request) -> Response:
    """Sign in; the answer sets the cookie."""
    sessions, exchange = await _admitted(request)
    credentials = await sessions.credentials(exchange)
    return sessions.answer(await sessions.call("CreateToken", credentials, exchange))


@router.post("/v1/auth/session:refresh", openapi_extra=_REFRESH)
async def refresh(request: Request) -> Response:
    """Go on; the answer replaces the cookie. One that does not hold is left: the browser may have a newer one."""
    sessions, exchange = await _admitted(request)
    asked = pb.RefreshTokenRequest(refresh_token=sessions.token_of(request))
    if not asked.refresh_token:
        raise ProblemError(Problem(401, "UNAUTHENTICATED", text="UNAUTHENTICATED.no_session"))
    return sessions.answer(await sessions.call("RefreshToken", asked, exchange))


@router.delete("/v1/auth/session", openapi_extra=_END)
async def end(request: Request) -> Response:
    """Sign out, whether there was a session or not."""
    sessions, exchange = await _admitted(request)
    if token := sessions.token_of(request):
        await sessions.call("RevokeToken", pb.RevokeTokenRequest(refresh_token=token), exchange)
    return Response(status_code=204, headers={"cache-control": "no-store", "set-cookie": sessions.cookie("", 0)})


async def _admitted(request: Request) -> tuple[Sessions, Exchange]:
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    sessions: Sessions = request.app.state.sessions
    await request.app.state.admission.admit(exchange, public=True)
    sessions.check_origin(exchange)
    return sessions, exchange
