"""Who may come in at all: an early look at the bearer token, and the rate limits.

The services verify the token again; here it only names the tenant for the limits and saves a call that must fail.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from crm_kit.errors import Unauthenticated

from crm_gateway.connections import network_of
from crm_gateway.limits import Decision, Limit, Limiter
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

    def knows(self, token: str) -> bool:
        """Whether the token was verified lately, so that it costs next to nothing to look at it again."""
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
        peer = network_of(client)
        if public:
            return self._within([(f"address {peer}", self._anonymous)])
        return self._within(await self._keys(authorization, peer))

    async def _keys(self, authorization: bytes | None, peer: str) -> list[tuple[str, Limit]]:
        """The buckets of who comes with this token. Bad tokens take from that of their address.

        Once that is empty, only those get in from there whose token is known to be good.
        """
        failures = (f"refused {peer}", self._anonymous)
        now = self._monotonic()
        try:
            token = bearer(authorization)
            if self._verifier is None:
                return [(f"token {hash(token)}", self._token)]
            if not self._verifier.knows(token):
                self._refuse_if_empty(self._limiter.peek(*failures, now))
            caller = await self._verifier.verify(token)
        except Unauthenticated:
            self._within([failures])
            raise
        return [(f"token {caller.token_id}", self._token), (f"tenant {caller.tenant_id}", self._tenant)]

    def _within(self, keys: list[tuple[str, Limit]]) -> Headers:
        decision = self._limiter.admit(keys, self._monotonic())
        self._refuse_if_empty(decision)
        return [] if decision is None else decision.headers()

    @staticmethod
    def _refuse_if_empty(decision: Decision | None) -> None:
        if decision is None or decision.allowed:
            return
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
