"""The public keys of one issuer: asked for when they are needed, kept while the issuer is silent."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from jwt import PyJWK, PyJWTError

from crm_kit.errors import Unauthenticated, Unavailable

ALGORITHMS = ("EdDSA", "ES256", "RS256")
"""What a token may be signed with: asymmetric algorithms only."""

REFRESH_AT_MOST_EVERY_SECONDS = 5.0
REFRESH_AT_LEAST_EVERY_SECONDS = 300.0
ASK_AGAIN_AFTER_SECONDS = 1.0
# More than any issuer has: reading keys takes time that others wait for.
MAX_KEYS = 100

# Gives the issuer's keys as a JWK set, for example {"keys": [{"kty": "OKP", "kid": "...", ...}]}.
FetchKeys = Callable[[], Awaitable[Mapping[str, Any]]]


class KeyRing:
    """The keys of one issuer, fetched when first needed, and again when an unknown key id appears.

    A key id that is not known, and an issuer that does not answer, are remembered for a moment: however many tokens
    come, the issuer is asked once in `REFRESH_AT_MOST_EVERY_SECONDS` or `ASK_AGAIN_AFTER_SECONDS`.
    """

    def __init__(self, fetch_keys: FetchKeys, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch_keys = fetch_keys
        self._clock = clock
        self._keys: dict[str, PyJWK] = {}
        self._fetched = float("-inf")
        self._failed = float("-inf")
        self._fetching = asyncio.Lock()

    async def key(self, key_id: str) -> PyJWK:
        """The key of this id, or the only one for a token that names none (OpenID Connect Core section 10.1).

        Unauthenticated when the issuer has no such key, Unavailable when it cannot be asked.
        """
        # Those who come while it is asked wait for the answer if it may hold their key, and go on if they have it.
        if self._is_due(key_id) and not (self._find(key_id) and self._fetching.locked()):
            async with self._fetching:
                if self._is_due(key_id):
                    await self._fetch(key_id)
        key = self._find(key_id)
        if key is None:
            raise Unauthenticated("the token is signed with a key that its issuer does not have")
        return key

    def _find(self, key_id: str) -> PyJWK | None:
        if not key_id and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    def _is_due(self, key_id: str) -> bool:
        known = self._find(key_id) is not None
        age = self._clock() - self._fetched
        return age > (REFRESH_AT_LEAST_EVERY_SECONDS if known else REFRESH_AT_MOST_EVERY_SECONDS)

    async def _fetch(self, key_id: str) -> None:
        """Ask the issuer. While it does not answer, the keys we have go on serving."""
        known = self._find(key_id) is not None
        if self._clock() - self._failed < ASK_AGAIN_AFTER_SECONDS:
            if known:
                return
            raise Unavailable("the token's issuer does not answer", retry_after_seconds=ASK_AGAIN_AFTER_SECONDS)
        try:
            self._keys = dict(usable_keys(await self._fetch_keys()))
        except Unavailable:
            self._failed = self._clock()
            if known:
                return
            raise
        self._fetched = self._clock()


def usable_keys(jwks: Mapping[str, Any]) -> Iterator[tuple[str, PyJWK]]:
    """Of a JWK set the keys that verify tokens, by key id; one without an id has the empty one.

    Passed over is whatever else an issuer publishes there: keys for encryption, other types, other algorithms.
    Unavailable when it is no JWK set.
    """
    keys = jwks.get("keys")
    if not isinstance(keys, list):
        raise Unavailable("the issuer's keys cannot be read")
    for each in keys[:MAX_KEYS]:
        if not isinstance(each, dict) or each.get("use", "sig") != "sig":
            continue
        try:
            key = PyJWK(each)
        except (PyJWTError, ValueError, TypeError):
            continue
        if key.algorithm_name in ALGORITHMS:
            yield str(each.get("kid") or ""), key
