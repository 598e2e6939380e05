"""Bearer tokens: verified against the keys of the issuers this installation trusts, then remembered by hash.

Only asymmetric signatures are accepted; algorithm, issuer, audience and expiry are all required to hold.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from jwt import PyJWTError

from crm_kit.errors import Unauthenticated
from crm_kit.identity.key_ring import ALGORITHMS, FetchKeys, KeyRing

REMEMBERED = 10_000
# Clocks of machines differ: a token may come from one that is ahead or, where another issues them, behind.
LEEWAY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer that is trusted, where its keys are, and which claims say who and where.

    `tenants` are the slugs it may speak for; None is the built-in issuer, whose word holds for all.
    """

    name: str
    audience: str
    fetch_keys: FetchKeys
    tenant_claim: str = "tenant"
    user_claim: str = "sub"
    tenants: frozenset[str] | None = None

    @property
    def required_claims(self) -> list[str]:
        """What a token must say."""
        needs_tenant = self.tenants is None or len(self.tenants) > 1
        return ["exp", "iss", "aud", self.user_claim, *([self.tenant_claim] if needs_tenant else [])]

    @property
    def expiry_leeway(self) -> float:
        """Seconds that a token holds longer than it says. When one of ours ends is ours to say."""
        return 0.0 if self.tenants is None else LEEWAY_SECONDS


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. `tenant` and `user` are ids from the built-in issuer, names from others.

    `session_id` is the sign-in that it comes from, where the built-in issuer says so.
    """

    issuer: str
    tenant: str
    user: str
    expire_time: float
    token_id: str
    session_id: str = ""


class TokenVerifier:
    """`await verifier.verify(token)` gives its claims or raises Unauthenticated."""

    def __init__(self, issuers: list[Issuer], clock: Callable[[], float] = time.monotonic) -> None:
        self._known = {issuer.name: (issuer, KeyRing(issuer.fetch_keys, clock)) for issuer in issuers}
        self._seen: dict[bytes, Claims] = {}

    async def verify(self, token: str) -> Claims:
        """The claims of a valid token; cheap when the same token was verified before and still holds."""
        digest = _digest(token)
        claims = self._seen.get(digest)
        if claims is None:
            claims = await self._verify(token, digest.hex())
            if len(self._seen) >= REMEMBERED:
                self._seen.clear()
            self._seen[digest] = claims
        if claims.expire_time <= time.time():
            del self._seen[digest]
            raise Unauthenticated("the token has expired")
        return claims

    async def _verify(self, token: str, token_id: str) -> Claims:
        try:
            header = jwt.get_unverified_header(token)
            told = jwt.decode(token, options={"verify_signature": False})
            known = self._known.get(str(told.get("iss")))
            if known is None:
                raise Unauthenticated("the token is of an issuer that is not trusted here")
            issuer, ring = known
            key = await ring.key(str(header.get("kid") or ""))
            payload = jwt.decode(
                token,
                key.key,
                # The key says which algorithm it is for; the token does not get to choose.
                algorithms=[name for name in ALGORITHMS if name == key.algorithm_name],
                audience=issuer.audience,
                issuer=issuer.name,
                leeway=LEEWAY_SECONDS,
                options={"require": issuer.required_claims},
            )
        except PyJWTError as error:
            raise Unauthenticated(f"the token does not hold: {error}") from error
        return Claims(
            issuer=issuer.name,
            tenant=tenant_of(issuer, payload),
            user=user_of(issuer, payload),
            expire_time=float(payload["exp"]) + issuer.expiry_leeway,
            token_id=token_id,
            session_id=str(payload.get("sid", "")) if issuer.tenants is None else "",
        )


def _digest(token: str) -> bytes:
    return hashlib.blake2b(token.encode(), digest_size=16).digest()


def tenant_of(issuer: Issuer, payload: Mapping[str, Any]) -> str:
    """The tenant that a token is for; Unauthenticated for one that its issuer may not speak for."""
    told = payload.get(issuer.tenant_claim)
    if issuer.tenants is None:
        return str(told)
    if told is None:
        (tenant,) = issuer.tenants
        return tenant
    tenant = str(told).lower()
    if tenant not in issuer.tenants:
        raise Unauthenticated("the token's issuer may not speak for this tenant")
    return tenant


def user_of(issuer: Issuer, payload: Mapping[str, Any]) -> str:
    """Whose token it is: an id from the built-in issuer, a login as logins are kept from others.

    Unauthenticated for what is no login, and for an e-mail address that the issuer has not verified.
    """
    told = payload[issuer.user_claim]
    if issuer.tenants is None:
        return str(told)
    if issuer.user_claim == "email" and payload.get("email_verified") is not True:
        raise Unauthenticated("the token's e-mail address is not verified by its issuer")
    login = login_from(told)
    if login is None:
        raise Unauthenticated("the token names no login")
    return login


def login_from(claim: object) -> str | None:
    """The login that a claim of another issuer says, in lower case as logins are kept; None when it says none.

    Only A to Z are made small: among the others are some, such as the Kelvin sign, that would become a letter of
    somebody else's login.
    """
    if not isinstance(claim, str) or not claim.strip() or not claim.isprintable():
        return None
    return claim.strip().encode().lower().decode()
