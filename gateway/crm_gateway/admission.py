"""Who may come in at all: an early look at the bearer token, and the rate limits.

The services verify the token again; here it only names the tenant for the limits and saves a call that must fail.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from crm_kit.errors import Unauthenticated

from crm_gateway.limits import Limit, Limiter
from crm_gateway.problems import Problem, ProblemError
from crm_gateway.settings import Settings

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is, as the token says. `token_id` is the same for the same token and tells nothing of it."""

    tenant_id: str
    token_id: str


class TokenVerifier(Protocol):
    """Verifies bearer tokens."""

    async def verify(self, token: str) -> Caller:
        """The caller; raises `crm_kit.errors.Unauthenticated` when the token does not hold."""
        ...


class Admission:
    """Checks token and limits of a request before anything is done for it."""

    def __init__(
        self,
        settings: Settings,
        verifier: TokenVerifier | None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verifier = verifier
        self._monotonic = monotonic
        self._limiter = Limiter()
        self._token = Limit(settings.rate_limit_token, settings.rate_limit_token_burst)
        self._tenant = Limit(settings.rate_limit_tenant, settings.rate_limit_tenant_burst)
        self._anonymous = Limit(settings.rate_limit_anonymous, settings.rate_limit_anonymous_burst)

    async def admit(self, authorization: bytes | None, client: str, *, public: bool) -> Headers:
        """The `RateLimit-*` headers of an admitted request; ProblemError 401 or 429 for others.

        `client` is the peer's address, used where there is no caller.
        """
        keys = [(f"address {client}", self._anonymous)]
        if not public:
            token = bearer(authorization)
            keys = [(f"token {hash(token)}", self._token)]
            if self._verifier is not None:
                caller = await self._verifier.verify(token)
                keys = [(f"token {caller.token_id}", self._token), (f"tenant {caller.tenant_id}", self._tenant)]
        decision = self._limiter.admit(keys, self._monotonic())
        if decision is None:
            return []
        if not decision.allowed:
            raise ProblemError(
                Problem(
                    429,
                    "RATE_LIMITED",
                    retry_after=decision.retry_after,
                    headers=decision.headers(),
                    values={"seconds": str(decision.retry_after)},
                )
            )
        return decision.headers()


def bearer(authorization: bytes | None) -> str:
    """The token of an `Authorization` header."""
    if authorization is None:
        raise Unauthenticated("A bearer token is needed.")
    scheme, _, token = authorization.partition(b" ")
    token = token.strip()
    if scheme.lower() != b"bearer" or not token or not token.isascii() or not token.decode().isprintable():
        raise Unauthenticated("The Authorization header holds no bearer token.")
    return token.decode()
