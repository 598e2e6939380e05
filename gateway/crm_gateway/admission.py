"""Who may come in at all: an early look at the bearer token, and the rate limits.

The services verify the token again; here it only names the tenant for the limits and saves a call that must fail.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from crm_kit.errors import Unauthenticated

from crm_gateway.connections import network_of
from crm_gateway.exchange import Exchange, Headers
from crm_gateway.limits import Limit, Limiter, part_of
from crm_gateway.problems import Problem, ProblemError
from crm_gateway.settings import Settings
from crm_gateway.shares import Share


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is, as the token says. `token_id` is the same for the same token and tells nothing of it.

    `session_id` is the sign-in that it comes from, where that is known; it holds until `expire_time`, in seconds since
    1970.
    """

    tenant_id: str
    token_id: str
    user_id: str = ""
    session_id: str = ""
    expire_time: float = math.inf


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
        self._under_way = Share(settings.max_requests_per_tenant)
        parts = settings.gateway_replicas
        self._token = part_of(settings.rate_limit_token, settings.rate_limit_token_burst, parts)
        self._tenant = part_of(settings.rate_limit_tenant, settings.rate_limit_tenant_burst, parts)
        self._anonymous = part_of(settings.rate_limit_anonymous, settings.rate_limit_anonymous_burst, parts)

    async def admit(self, exchange: Exchange, *, public: bool = False, signed: bool = False) -> None:
        """Let a request in, with the `RateLimit-*` headers of its answer; ProblemError 401 or 429 for others.

        A public one is counted for its address, as one token where a program signs it; any other for its token and
        tenant.
        """
        if signed:
            limits = [(f"signed {network_of(exchange.client)}", self._token)]
        elif public:
            limits = [(f"address {network_of(exchange.client)}", self._anonymous)]
        else:
            limits = await self._limits_of_caller(exchange)
        exchange.answer_headers += self._within(limits)

    async def _limits_of_caller(self, exchange: Exchange) -> list[tuple[str, Limit]]:
        """The buckets of who comes with this token, whose tenant has room for one more request.

        Bad tokens take from a bucket of their address. When that is empty they get a 429, and good ones pass as ever:
        an office or a network operator may have one address for all its people.
        """
        try:
            token = bearer(exchange.headers.get(b"authorization"))
            if self._verifier is None:
                return [(f"token {hash(token)}", self._token)]
            caller = await self._verifier.verify(token)
        except Unauthenticated:
            self._within([(f"refused {network_of(exchange.client)}", self._anonymous)])
            raise
        exchange.tenant_id, exchange.user_id = caller.tenant_id, caller.user_id
        exchange.session_id, exchange.expire_time = caller.session_id, caller.expire_time
        self._under_way.take(caller.tenant_id, exchange)
        return [(f"token {caller.token_id}", self._token), (f"tenant {caller.tenant_id}", self._tenant)]

    def _within(self, keys: list[tuple[str, Limit]]) -> Headers:
        decision = self._limiter.admit(keys, self._monotonic())
        if decision is None:
            return []
        if decision.allowed:
            return decision.headers()
        raise ProblemError(
            Problem(
                429,
                "RATE_LIMITED",
                retry_after=decision.retry_after,
                headers=decision.headers(),
                values={"seconds": str(decision.retry_after)},
            )
        )


def bearer(authorization: bytes | None) -> str:
    """The token of an `Authorization` header."""
    if authorization is None:
        raise Unauthenticated("A bearer token is needed.")
    scheme, _, token = authorization.partition(b" ")
    token = token.strip()
    if scheme.lower() != b"bearer" or not token or not token.isascii() or not token.decode().isprintable():
        raise Unauthenticated("The Authorization header holds no bearer token.")
    return token.decode()
