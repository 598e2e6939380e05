"""Signing in from a browser with the tenant's OpenID provider: there and back again, to a session.

Between the two the browser keeps the sign-in in a cookie of its own, one for each tab that is under way; the customer
service has encrypted it and alone can finish it. Whatever goes wrong, the person is sent back to where they came from
with `sign_in_error=<reason>`; only where it is not known where that is, is the answer a problem.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from crm.customer.v1 import sign_ins_pb2 as pb
from fastapi import APIRouter, Request, Response

from crm_gateway.exchange import EXCHANGE_KEY, Exchange
from crm_gateway.openapi.responses import failures
from crm_gateway.problems import Problem, ProblemError, malformed
from crm_gateway.routes.cookies import Cookies
from crm_gateway.routes.return_to import MAX_LENGTH, PARAMETER, is_safe, with_reason
from crm_gateway.routes.sessions import Sessions
from crm_gateway.settings import Settings
from crm_gateway.transcode.requests import parse_query

COOKIE = "guanxi_sign_in_"
# As many sign-ins may be under way in one browser; the oldest make room.
MAX_UNDER_WAY = 8
_STATE = re.compile(r"[A-Za-z0-9_-]{20,100}")
# What providers say went wrong (OAuth 2.0 section 4.1.2.1, OpenID Connect section 3.1.2.6); anything else is a refusal.
_REASONS = {
    "access_denied": "SIGN_IN_DENIED",
    "login_required": "SIGN_IN_DENIED",
    "consent_required": "SIGN_IN_DENIED",
    "interaction_required": "SIGN_IN_DENIED",
    "account_selection_required": "SIGN_IN_DENIED",
    "server_error": "UNAVAILABLE",
    "temporarily_unavailable": "UNAVAILABLE",
}

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page asks for; the login may be empty."""

    tenant: str
    login: str
    return_to: str


class SignInCookies:
    """The cookies of the sign-ins that are under way, named after their states."""

    def __init__(self, settings: Settings) -> None:
        self._cookies = Cookies.of(settings)
        self._origins = settings.cors_allowed_origins

    def begun(self, state: str, sign_in: str, return_to: str, seconds: int) -> str:
        """The `Set-Cookie` header of one that begins. It has to come along when a provider sends the browser back."""
        place = urlsafe_b64encode(return_to.encode()).decode().rstrip("=")
        return self._cookies.header(plain_name(state), f"{sign_in}.{place}", seconds, "Lax")

    def ended(self, name: str) -> str:
        """The `Set-Cookie` header that ends one."""
        return self._cookies.header(name, "", 0, "Lax")

    def find(self, request: Request, state: str) -> tuple[str, str, str] | None:
        """Plain name, sign-in and place to return to of the sign-in of this state, if this browser has begun it."""
        name = plain_name(state)
        sign_in, _, place = request.cookies.get(self._cookies.name(name), "").partition(".")
        if not _STATE.fullmatch(state) or not sign_in:
            return None
        try:
            return_to = urlsafe_b64decode(place.encode() + b"=" * (-len(place) % 4)).decode()
        except ValueError:
            return None
        return name, sign_in, return_to if is_safe(return_to, self._origins) else "/"

    def surplus(self, request: Request) -> list[str]:
        """The oldest of those under way that have to make room for one more; browsers send the oldest first."""
        prefix = self._cookies.name(COOKIE)
        under_way = [COOKIE + name.removeprefix(prefix) for name in request.cookies if name.startswith(prefix)]
        return under_way[: max(0, len(under_way) - MAX_UNDER_WAY + 1)]


def plain_name(state: str) -> str:
    """What the cookie of the sign-in of this state is called, but for its prefix."""
    return f"{COOKIE}{state[:16]}"


def asked_of(query: bytes, settings: Settings) -> Asked:
    """What a query asks for; ProblemError for one that cannot be read or that would lead elsewhere."""
    values: dict[str, str] = {}
    for name, value in parse_query(query):
        if name not in ("tenant", "login", "return_to"):
            raise ProblemError(malformed(name, "unknown_field", "parameter"))
        if name in values:
            raise ProblemError(malformed(name, "duplicate_key"))
        values[name] = value
    if not values.get("tenant"):
        raise ProblemError(malformed("tenant", "required"))
    return_to = values.get("return_to", "/")
    if not is_safe(return_to, settings.cors_allowed_origins):
        raise ProblemError(malformed("return_to", "return_to"))
    return Asked(values["tenant"], values.get("login", ""), return_to)


def sent_to(place: str, *cookies: str) -> Response:
    """A redirect, with the cookies to set."""
    response = Response(status_code=303, headers={"location": place, "cache-control": "no-store"})
    for cookie in cookies:
        response.headers.append("set-cookie", cookie)
    return response


def _parameter(name: str, description: str, schema: dict[str, object], *, required: bool = False) -> dict[str, object]:
    return {"name": name, "in": "query", "required": required, "description": description, "schema": schema}


_SENT = {
    "303": {
        "description": "Sent on.",
        "headers": {
            name: {"$ref": f"#/components/headers/{name.replace('-', '')}"} for name in ("Location", "Set-Cookie")
        },
    }
} | failures()
_ADDRESS = {"type": "string", "maxLength": 254, "examples": ["li.wei@huaxin.example"]}
_PLACE = {"type": "string", "maxLength": MAX_LENGTH, "default": "/", "examples": ["/console/accounts"]}
_TENANT = {"type": "string", "minLength": 1, "maxLength": 63, "examples": ["huaxin"]}
_OPAQUE = {"type": "string", "maxLength": 4000}
_BEGIN = {
    "operationId": "BeginProviderSession",
    "tags": ["Token"],
    "summary": "Sends a browser to the tenant's OpenID provider to sign in.",
    "description": "A page goes here; it does not fetch it. A page of another site cannot. When it goes wrong, the "
    f"browser is sent back to `return_to` with `{PARAMETER}=<reason>`.\n"
    "Reasons: INVALID_ARGUMENT, PERMISSION_DENIED, RATE_LIMITED, IDENTITY_PROVIDER_NOT_FOUND, SIGN_IN_REFUSED, "
    "UNAVAILABLE.",
    "x-permission": "public",
    "security": [],
    "parameters": [
        _parameter("tenant", "The tenant's slug.", _TENANT, required=True),
        _parameter("login", "Who signs in, if known: an address chooses the provider of its domain.", _ADDRESS),
        _parameter("return_to", "A path here, or a page of an origin in CRM_CORS_ALLOWED_ORIGINS.", _PLACE),
        {"$ref": "#/components/parameters/XRequestId"},
    ],
    "responses": _SENT,
}
_FINISH = {
    "operationId": "FinishProviderSession",
    "tags": ["Token"],
    "summary": "Where the OpenID provider sends the browser back to: its session begins.",
    "description": "The cookie of the session is set, and the browser sent to where it wanted to return to; there "
    "`POST /v1/auth/session:refresh` gives the first access token. When it goes wrong, it is sent there with "
    f"`{PARAMETER}=<reason>`. Without a sign-in that is under way in this browser the answer is a problem.\n"
    "Reasons: SIGN_IN_EXPIRED, SIGN_IN_DENIED, SIGN_IN_REFUSED, SIGN_IN_USER_UNKNOWN, UNAVAILABLE, RATE_LIMITED.",
    "x-permission": "public",
    "security": [],
    "parameters": [
        {
            "name": "provider_id",
            "in": "path",
            "required": True,
            "description": "The identity provider.",
            "schema": {"type": "string", "format": "uuid"},
        },
        _parameter("state", "As it was sent to the provider.", _OPAQUE),
        _parameter("code", "The authorization code.", _OPAQUE),
        _parameter("iss", "The issuer (RFC 9207).", _OPAQUE),
        _parameter("error", "What went wrong at the provider.", _OPAQUE),
        {"$ref": "#/components/parameters/XRequestId"},
    ],
    "responses": _SENT,
}


@router.get("/v1/auth/session/oidc", openapi_extra=_BEGIN)
async def begin(request: Request) -> Response:
    """Go to the provider; the answer sets the sign-in's cookie."""
    exchange = await _admitted(request)
    # Else any page could sign people in as whom it likes, where it has an account.
    if exchange.headers.get(b"sec-fetch-site") == b"cross-site":
        raise ProblemError(Problem(403, "PERMISSION_DENIED", values={"rule": "cross_site"}))
    sessions, cookies = _parts(request)
    asked = asked_of(exchange.query, request.app.state.settings)
    message = pb.BeginSignInRequest(tenant=asked.tenant, login=asked.login)
    try:
        begun = await sessions.call("BeginSignIn", message, exchange)
    except ProblemError as error:
        return sent_to(with_reason(asked.return_to, error.problem.reason))
    cookie = cookies.begun(begun.state, begun.sign_in, asked.return_to, begun.expires_in)
    return sent_to(begun.authorization_url, cookie, *map(cookies.ended, cookies.surplus(request)))


@router.get("/v1/auth/session/oidc/callback/{provider_id}", openapi_extra=_FINISH)
async def finish(provider_id: str, request: Request) -> Response:
    """Come back from the provider; the answer sets the session's cookie and ends the sign-in's."""
    exchange = await _admitted(request)
    sessions, cookies = _parts(request)
    answer = dict(parse_query(exchange.query))
    found = cookies.find(request, answer.get("state", ""))
    if found is None:
        raise ProblemError(Problem(401, "SIGN_IN_EXPIRED"))
    name, sign_in, return_to = found
    if "error" in answer:
        reason = _REASONS.get(answer["error"], "SIGN_IN_REFUSED")
        return sent_to(with_reason(return_to, reason), cookies.ended(name))
    message = pb.FinishSignInRequest(
        sign_in=sign_in,
        identity_provider_id=provider_id,
        state=answer["state"],
        code=answer.get("code", ""),
        issuer=answer.get("iss", ""),
    )
    try:
        token = await sessions.call("FinishSignIn", message, exchange)
    except ProblemError as error:
        return sent_to(with_reason(return_to, error.problem.reason), cookies.ended(name))
    session = sessions.cookie(token.refresh_token, token.refresh_expires_in)
    return sent_to(return_to, session, cookies.ended(name))


async def _admitted(request: Request) -> Exchange:
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    await request.app.state.admission.admit(exchange, public=True)
    return exchange


def _parts(request: Request) -> tuple[Sessions, SignInCookies]:
    return request.app.state.sessions, request.app.state.sign_in_cookies
