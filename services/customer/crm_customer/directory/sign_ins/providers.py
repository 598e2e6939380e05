"""The OpenID providers as they are called: found, asked for tokens, and their tokens verified."""

import asyncio
import time
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import jwt
from crm_kit.errors import CrmError, Unauthenticated, Unavailable
from crm_kit.identity.key_ring import ALGORITHMS, KeyRing
from crm_kit.identity.provider_http import ProviderHttp
from jwt import PyJWTError

from crm_customer.directory.sign_ins.discovery import Discovered, discovered, document_address
from crm_customer.directory.sign_ins.model import refused

REMEMBERED = 500
DISCOVER_AGAIN_SECONDS = 3600.0
# After a failure a provider is left alone for so long, by everybody who comes.
ASK_AGAIN_AFTER_SECONDS = 5.0
LEEWAY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Client:
    """Who we are to a provider; without a secret it knows us by PKCE alone."""

    id: str
    secret: str | None
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a code is exchanged for."""

    id_token: str
    access_token: str


class Provider:
    """One provider that was found."""

    def __init__(self, found: Discovered, http: ProviderHttp) -> None:
        self.found = found
        self._http = http
        self._keys = KeyRing(lambda: http.get(found.jwks_uri))

    async def exchange(self, client: Client, code: str, verifier: str) -> Tokens:
        """Redeem an authorization code. Unauthenticated when the provider refuses it."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": client.redirect_uri}
        form |= {"code_verifier": verifier, "client_id": client.id}
        headers = {}
        if client.secret is not None and self.found.secret_in_form:
            form["client_secret"] = client.secret
        elif client.secret is not None:
            headers["authorization"] = basic(client.id, client.secret)
        answer = await self._http.post(self.found.token_endpoint, form, headers)
        id_token, access_token = answer.content.get("id_token"), answer.content.get("access_token")
        if answer.status != 200 or not isinstance(id_token, str):
            raise refused("the provider did not take the authorization code")
        return Tokens(id_token, access_token if isinstance(access_token, str) else "")

    async def verified(self, id_token: str, client: Client) -> Mapping[str, Any]:
        """The claims of an ID token that this provider issued to us now. Unauthenticated for any other."""
        try:
            key = await self._keys.key(str(jwt.get_unverified_header(id_token).get("kid") or ""))
            claims: Mapping[str, Any] = jwt.decode(
                id_token,
                key.key,
                # The key says which algorithm it is for; the token does not get to choose.
                algorithms=[name for name in ALGORITHMS if name == key.algorithm_name],
                audience=client.id,
                issuer=self.found.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["iss", "aud", "sub", "exp", "iat", "nonce"]},
            )
        except (PyJWTError, OverflowError) as error:
            raise refused(f"the ID token does not hold: {error}") from error
        except Unauthenticated as error:
            raise refused(error.detail) from error
        return claims

    async def user_info(self, tokens: Tokens, subject: str) -> Mapping[str, Any]:
        """What the provider says about the person beside the ID token; nothing where it has no such endpoint."""
        if self.found.userinfo_endpoint is None or not tokens.access_token:
            return {}
        headers = {"authorization": f"Bearer {tokens.access_token}"}
        claims = await self._http.get(self.found.userinfo_endpoint, headers)
        if claims.get("sub") != subject:
            raise refused("the provider speaks about somebody else")
        return claims


class Providers:
    """Every provider of every tenant, each found once an hour by whoever needs it first."""

    def __init__(self, http: ProviderHttp, *, loopback: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._http = http
        self._loopback = loopback
        self._clock = clock
        self._places: OrderedDict[str, Place] = OrderedDict()

    async def find(self, issuer: str) -> Provider:
        """The provider of this issuer. Unavailable while it does not answer, Unauthenticated when it is none."""
        place = self._places.setdefault(issuer, Place())
        self._places.move_to_end(issuer)
        if len(self._places) > REMEMBERED:
            self._places.popitem(last=False)
        # Those who come while it is asked wait for the answer, unless there is an earlier one.
        if place.is_due(self._clock()) and not (place.provider and place.asking.locked()):
            async with place.asking:
                if place.is_due(self._clock()):
                    await self._discover(issuer, place)
        if place.provider is None:
            raise place.failure.with_traceback(None)
        return place.provider

    async def _discover(self, issuer: str, place: "Place") -> None:
        """Ask the provider; what it said an hour ago goes on serving while it is silent."""
        try:
            found = discovered(issuer, await self._http.get(document_address(issuer)), loopback=self._loopback)
        except (Unavailable, Unauthenticated) as error:
            place.failed(error, self._clock())
        else:
            place.keep(found, self._http, self._clock())


class Place:
    """What is known of one issuer, and until when."""

    def __init__(self) -> None:
        self.asking = asyncio.Lock()
        self.provider: Provider | None = None
        # Why there is no provider.
        self.failure: CrmError = Unavailable("the OpenID provider was not asked yet")
        self._ask_at = float("-inf")

    def is_due(self, now: float) -> bool:
        """Whether to ask it, for the first time or again."""
        return now >= self._ask_at

    def keep(self, found: Discovered, http: ProviderHttp, now: float) -> None:
        """It has answered. Its keys stay while it says the same."""
        if self.provider is None or self.provider.found != found:
            self.provider = Provider(found, http)
        self._ask_at = now + DISCOVER_AGAIN_SECONDS

    def failed(self, error: CrmError, now: float) -> None:
        """It has not, or not as a provider does."""
        self.failure = error
        self._ask_at = now + ASK_AGAIN_AFTER_SECONDS


def basic(client_id: str, secret: str) -> str:
    """The Authorization header of a client, each part form-encoded first (RFC 6749 section 2.3.1)."""
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return f"Basic {b64encode(pair.encode()).decode()}"
