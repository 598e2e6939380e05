"""Bearer tokens: what holds, what does not, and when keys are fetched again."""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from crm_kit.errors import Unauthenticated
from crm_kit.identity.tokens import Issuer, TokenVerifier
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import OKPAlgorithm

NAME = "https://issuer.example"


class Signer:
    """An issuer of the test: signs with its newest key and counts how often its keys were fetched."""

    def __init__(self) -> None:
        self.keys: dict[str, Ed25519PrivateKey] = {}
        self.fetched = 0
        self.rotate("first")

    def rotate(self, key_id: str) -> None:
        self.keys[key_id] = Ed25519PrivateKey.generate()

    async def fetch(self) -> Mapping[str, Any]:
        self.fetched += 1
        public = {
            key_id: OKPAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": key_id, "alg": "EdDSA"}
            for key_id, key in self.keys.items()
        }
        return {"keys": list(public.values())}

    def token(self, key_id: str = "first", **claims: object) -> str:
        payload = {"iss": NAME, "aud": "guanxi", "exp": int(time.time()) + 600, "tenant": "t", "sub": "u"} | claims
        kept = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(kept, self.keys[key_id], algorithm="EdDSA", headers={"kid": key_id})


@pytest.fixture
def signer() -> Signer:
    return Signer()


@pytest.fixture
def verifier(signer: Signer) -> TokenVerifier:
    return TokenVerifier([Issuer(NAME, "guanxi", signer.fetch)])


async def test_a_valid_token_says_who_and_where(signer: Signer, verifier: TokenVerifier) -> None:
    claims = await verifier.verify(signer.token())
    assert (claims.tenant, claims.user, claims.issuer) == ("t", "u", NAME)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"aud": "other"},
        {"aud": None},
        {"iss": "https://other.example"},
        {"iss": None},
        {"sub": None},
        {"tenant": None},
        {"nbf": 4_000_000_000},
        {"iat": 4_000_000_000},
    ],
)
async def test_a_claim_that_does_not_hold_is_refused(
    claims: dict[str, Any], signer: Signer, verifier: TokenVerifier
) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.verify(signer.token(**claims))


async def test_a_token_from_a_machine_whose_clock_is_a_little_ahead_holds(
    signer: Signer, verifier: TokenVerifier
) -> None:
    soon = int(time.time()) + 30
    assert (await verifier.verify(signer.token(iat=soon, nbf=soon))).user == "u"


async def test_a_token_that_ended_a_moment_ago_does_not_hold(signer: Signer, verifier: TokenVerifier) -> None:
    with pytest.raises(Unauthenticated, match="the token has expired"):
        await verifier.verify(signer.token(exp=int(time.time())))


async def test_a_token_signed_by_another_key_of_the_same_name_is_refused(verifier: TokenVerifier) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.verify(Signer().token())


async def test_a_token_that_names_no_signature_is_refused(verifier: TokenVerifier) -> None:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    payload = {"iss": NAME, "aud": "guanxi", "exp": int(time.time()) + 600, "tenant": "t", "sub": "u"}
    with pytest.raises(Unauthenticated):
        await verifier.verify(f"{part({'alg': 'none', 'kid': 'first'})}.{part(payload)}.")


async def test_a_public_key_used_as_a_shared_secret_is_refused(signer: Signer, verifier: TokenVerifier) -> None:
    public = signer.keys["first"].public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    payload = {"iss": NAME, "aud": "guanxi", "exp": int(time.time()) + 600, "tenant": "t", "sub": "u"}
    forged = jwt.encode(payload, public, algorithm="HS256", headers={"kid": "first"})
    with pytest.raises(Unauthenticated):
        await verifier.verify(forged)


@pytest.mark.parametrize("token", ["", "abc", "a.b.c", "....", "é"])
async def test_what_is_no_token_is_refused(token: str, verifier: TokenVerifier) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.verify(token)


async def test_the_same_token_is_checked_once_but_its_expiry_always(
    signer: Signer, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = signer.token()
    await verifier.verify(token)
    signer.keys.clear()
    await verifier.verify(token)
    later = time.time() + 601
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(Unauthenticated):
        await verifier.verify(token)


async def test_a_new_key_is_found_and_the_old_one_still_holds(signer: Signer) -> None:
    seconds = iter(range(0, 10_000, 60))
    verifier = TokenVerifier([Issuer(NAME, "guanxi", signer.fetch)], clock=lambda: float(next(seconds)))
    await verifier.verify(signer.token())
    signer.rotate("second")
    await verifier.verify(signer.token("second"))
    await verifier.verify(signer.token("first", sub="another"))


async def test_unknown_keys_do_not_make_us_ask_the_issuer_each_time(signer: Signer, verifier: TokenVerifier) -> None:
    await verifier.verify(signer.token())
    stranger = Signer()
    stranger.rotate("unknown")
    for number in range(20):
        with pytest.raises(Unauthenticated):
            await verifier.verify(stranger.token("unknown", sub=str(number)))
    assert signer.fetched <= 2
