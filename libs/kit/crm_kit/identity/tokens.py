"""Bearer tokens: verified against the keys of the issuers this installation trusts, then remembered by hash.

Only asymmetric signatures are accepted; algorithm, issuer, audience and expiry are all required to hold.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from jwt import PyJWK, PyJWTError

from crm_kit.errors import Unauthenticated, Unavailable

ALGORITHMS = ("EdDSA", "ES256", "RS256")
REMEMBERED = 10_000
REFRESH_AT_MOST_EVERY_SECONDS = 5.0
REFRESH_AT_LEAST_EVERY_SECONDS = 300.0
ASK_AGAIN_AFTER_SECONDS = 1.0
# Clocks of machines differ: a token may come from one that is ahead. When it ends is still ours to say.
LEEWAY_SECONDS = 60.0

# Gives the issuer's keys as a JWK set, for example {"keys": [{"kty": "OKP", "kid": "...", ...}]}.
FetchKeys = Callable[[], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer that is trusted, where its keys are, and which claims say who and where."""

    name: str
    audience: str
    fetch_keys: FetchKeys
    tenant_claim: str = "tenant"
    user_claim: str = "sub"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. `tenant` and `user` are ids from the built-in issuer, names from others."""

    issuer: str
    tenant: str
    user: str
    expire_time: float
    token_id: str


class KeyRing:
    """The keys of one issuer, fetched when first needed, and again when an unknown key id appears."""

    def __init__(self, issuer: Issuer, clock: Callable[[], float] = time.monotonic) -> None:
        self.issuer = issuer
        self._clock = clock
        self._keys: dict[str, PyJWK] = {}
        self._fetched = float("-inf")
        self._failed = float("-inf")
        self._fetching = asyncio.Lock()

    async def key(self, key_id: str) -> PyJWK:
        """The key of this id; Unauthenticated when the issuer has none, Unavailable when it cannot be asked."""
        if self._is_due(key_id):
            # Those who come meanwhile wait for the answer: it may hold their key.
            async with self._fetching:
                if self._is_due(key_id):
                    await self._fetch(key_id)
        if key_id not in self._keys:
            raise Unauthenticated("the token is signed with a key that its issuer does not have")
        return self._keys[key_id]

    def _is_due(self, key_id: str) -> bool:
        known = key_id in self._keys
        age = self._clock() - self._fetched
        return age > (REFRESH_AT_LEAST_EVERY_SECONDS if known else REFRESH_AT_MOST_EVERY_SECONDS)

    async def _fetch(self, key_id: str) -> None:
        """Ask the issuer. While it does not answer, the keys we have go on serving."""
        known = key_id in self._keys
        if self._clock() - self._failed < ASK_AGAIN_AFTER_SECONDS:
            if known:
                return
            raise Unavailable("the token's issuer does not answer", retry_after_seconds=ASK_AGAIN_AFTER_SECONDS)
        try:
            found = await self.issuer.fetch_keys()
        except Unavailable:
            self._failed = self._clock()
            if known:
                return
            raise
        self._keys = {key["kid"]: PyJWK(dict(key)) for key in found["keys"] if "kid" in key}
        self._fetched = self._clock()


class TokenVerifier:
    """`await verifier.verify(token)` gives its claims or raises Unauthenticated."""

    def __init__(self, issuers: list[Issuer], clock: Callable[[], float] = time.monotonic) -> None:
        self._rings = {issuer.name: KeyRing(issuer, clock) for issuer in issuers}
        self._seen: dict[bytes, Claims] = {}

    async def verify(self, token: str) -> Claims:
        """The claims of a valid token; cheap when the same token was verified before and still holds."""
        digest = hashlib.blake2b(token.encode(), digest_size=16).digest()
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
            ring = self._rings.get(str(told.get("iss")))
            if ring is None:
                raise Unauthenticated("the token is of an issuer that is not trusted here")
            key = await ring.key(str(header.get("kid")))
            payload = jwt.decode(
                token,
                key.key,
                # The key says which algorithm it is for; the token does not get to choose.
                algorithms=[name for name in ALGORITHMS if name == key.algorithm_name],
                audience=ring.issuer.audience,
                issuer=ring.issuer.name,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", ring.issuer.user_claim, ring.issuer.tenant_claim]},
            )
        except PyJWTError as error:
            raise Unauthenticated(f"the token does not hold: {error}") from error
        return Claims(
            issuer=ring.issuer.name,
            tenant=str(payload[ring.issuer.tenant_claim]),
            user=str(payload[ring.issuer.user_claim]),
            expire_time=float(payload["exp"]),
            token_id=token_id,
        )
