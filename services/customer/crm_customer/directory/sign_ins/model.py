"""Rules of signing in with an identity provider: what begins it, and what must hold before anybody is let in.

OpenID Connect Core 1.0 section 3.1, PKCE (RFC 7636), and the best current practice of RFC 9700.
"""

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import UUID

from crm_kit.errors import Unauthenticated

from crm_customer.directory.identity_providers.model import IdentityProvider

# So long a person may take at the provider.
LIFETIME = timedelta(minutes=10)
MAX_SUBJECT_LENGTH = 255


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in that has begun: for which provider, and the secrets that tie its answers to it."""

    tenant_id: UUID
    provider_id: UUID
    state: str
    nonce: str
    verifier: str
    expire_time: datetime

    @property
    def challenge(self) -> str:
        """The code challenge, by S256."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    @property
    def digest(self) -> bytes:
        """By what it is known that it was finished."""
        return hashlib.sha256(self.state.encode()).digest()

    def authorization_url(self, endpoint: str, provider: IdentityProvider, redirect_uri: str, login: str) -> str:
        """Where the person is sent to; `login` may be empty."""
        asked = {
            "response_type": "code",
            "client_id": provider.client_id or "",
            "redirect_uri": redirect_uri,
            "scope": provider.login_claim.scope,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
        }
        parts = urlsplit(endpoint)
        query = urlencode(asked | ({"login_hint": login} if login else {}))
        return urlunsplit(parts._replace(query=f"{parts.query}&{query}" if parts.query else query))

    def check_answer(self, *, state: str, provider_id: UUID, now: datetime) -> None:
        """Raise Unauthenticated unless the answer is one to this sign-in, by its own provider, in time."""
        right = hmac.compare_digest(state.encode(), self.state.encode()) and provider_id == self.provider_id
        if not right or now >= self.expire_time:
            raise expired()

    def check_id_token(self, claims: Mapping[str, Any], client_id: str) -> None:
        """Raise Unauthenticated unless a verified ID token was made for this sign-in and for us."""
        if not hmac.compare_digest(str(claims.get("nonce")).encode(), self.nonce.encode()):
            raise refused("the ID token is of another sign-in")
        audience = claims.get("aud")
        several = isinstance(audience, list) and len(audience) > 1
        if claims.get("azp", None if several else client_id) != client_id:
            raise refused("the ID token was issued to somebody else")
        subject = str(claims["sub"])
        if not 0 < len(subject) <= MAX_SUBJECT_LENGTH or not subject.isprintable():
            raise refused("the ID token has no subject that can be kept")

    def to_json(self) -> bytes:
        """Everything there is to it, secrets included."""
        values = [self.tenant_id.hex, self.provider_id.hex, self.state, self.nonce, self.verifier]
        return json.dumps([*values, int(self.expire_time.timestamp())]).encode()


def begin(tenant_id: UUID, provider_id: UUID, *, now: datetime) -> SignIn:
    """A sign-in whose secrets nobody has seen, of 256 bits each."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    return SignIn(tenant_id, provider_id, state, nonce, verifier, now + LIFETIME)


def from_json(data: bytes) -> SignIn:
    """The sign-in that `to_json` wrote."""
    tenant, provider, state, nonce, verifier, expires = json.loads(data)
    return SignIn(UUID(tenant), UUID(provider), state, nonce, verifier, datetime.fromtimestamp(expires, UTC))


def expired() -> Unauthenticated:
    """The answer belongs to no sign-in that is under way here."""
    return Unauthenticated("the sign-in is over, or was begun elsewhere; begin again", reason="SIGN_IN_EXPIRED")


def refused(detail: str) -> Unauthenticated:
    """What the provider says does not hold."""
    return Unauthenticated(detail, reason="SIGN_IN_REFUSED")


def unknown_user() -> Unauthenticated:
    """The provider knows the person; whether nobody here is meant or somebody who is not active, is not said."""
    return Unauthenticated("no active user is known by this sign-in", reason="SIGN_IN_USER_UNKNOWN")
