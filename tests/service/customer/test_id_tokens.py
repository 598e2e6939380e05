"""ID tokens of an identity provider: what they must say, and whose signature they must have."""

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from tests.service.customer.openid_provider import CLIENT_ID, CLIENT_SECRET, KEYS, OpenIdProvider
from tests.service.customer.sign_ins import REFUSED, Firm, whose
from tests.service.running import refused

NOW = 1_000_000_000
BAD_CLAIMS: list[dict[str, Any]] = [
    {"nonce": "of another sign-in"},
    {"nonce": None},
    {"aud": "somebody else"},
    {"aud": [CLIENT_ID, "somebody else"]},
    {"aud": [CLIENT_ID, "somebody else"], "azp": "somebody else"},
    {"azp": "somebody else"},
    {"iss": "https://other.example"},
    {"exp": NOW},
    {"exp": None},
    {"iat": 4_000_000_000},
    {"iat": None},
    {"nbf": 4_000_000_000},
    {"sub": ""},
    {"sub": None},
    {"sub": 7},
    {"sub": "x" * 256},
    {"sub": "a\u0000b"},
]


@pytest.mark.parametrize("claims", BAD_CLAIMS, ids=str)
async def test_a_claim_that_does_not_hold_lets_nobody_in(firm: Firm, claims: dict[str, Any]) -> None:
    user = await firm.company.user()

    def spoilt(right: dict[str, Any]) -> str:
        told = right | claims
        kept = {name: value for name, value in told.items() if value is not None}
        # Without PyJWT's own checks of what it signs.
        return jwt.api_jws.encode(json.dumps(kept).encode(), KEYS[0], "RS256", {"kid": "one"})

    firm.openid.signs = spoilt
    with refused(*REFUSED):
        await firm.sign_in(user)


async def test_clocks_may_differ_by_a_minute(firm: Firm) -> None:
    user = await firm.company.user()
    now = int(time.time())
    assert whose(firm, await firm.sign_in(user, iat=now + 45, exp=now - 45)) == user.id


def unsigned(provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "", algorithm="none", headers={"kid": "one"})


def by_public_key(provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    """HS256 with what everybody knows."""
    head = urlsafe_b64encode(b'{"alg":"HS256","kid":"one","typ":"JWT"}').rstrip(b"=")
    body = urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
    mac = hmac.digest(provider.public_pem(), head + b"." + body, hashlib.sha256)
    return b".".join((head, body, urlsafe_b64encode(mac).rstrip(b"="))).decode()


def by_client_secret(provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, CLIENT_SECRET.ljust(32, "."), algorithm="HS256", headers={"kid": "one"})


def by_another_key(provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, KEYS[1], algorithm="RS256", headers={"kid": "one"})


def by_unknown_key(provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, KEYS[1], algorithm="RS256", headers={"kid": "unknown"})


def without_key_id(provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, KEYS[1], algorithm="RS256")


def nonsense(provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    return "a.b.c"


@pytest.mark.parametrize(
    "sign",
    [unsigned, by_public_key, by_client_secret, by_another_key, by_unknown_key, without_key_id, nonsense],
    ids=lambda sign: sign.__name__,
)
async def test_a_signature_that_is_not_the_providers_lets_nobody_in(
    firm: Firm, sign: Callable[[OpenIdProvider, dict[str, Any]], str]
) -> None:
    user = await firm.company.user()
    firm.openid.signs = lambda claims: sign(firm.openid, claims)
    with refused(*REFUSED):
        await firm.sign_in(user)


async def test_a_provider_may_change_its_key(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crm_kit.identity.key_ring.REFRESH_AT_MOST_EVERY_SECONDS", -1.0)
    user = await firm.company.user()
    await firm.sign_in(user)
    firm.openid.rotate()
    assert whose(firm, await firm.sign_in(user)) == user.id
    # The old key has gone with it.
    firm.openid.signs = lambda claims: jwt.encode(claims, KEYS[0], algorithm="RS256", headers={"kid": "one"})
    with refused(*REFUSED):
        await firm.sign_in(user)
