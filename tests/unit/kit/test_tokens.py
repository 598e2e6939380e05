"""Bearer tokens: what holds, what does not, and when keys are fetched again."""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from crm_kit.errors import Unauthenticated
from crm_kit.identity.tokens import Issuer, TokenVerifier, login_from
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


# --- issuers beside the built-in one


def other(signer: Signer, *tenants: str, user_claim: str = "email") -> TokenVerifier:
    return TokenVerifier([Issuer(NAME, "guanxi", signer.fetch, user_claim=user_claim, tenants=frozenset(tenants))])


VERIFIED: dict[str, Any] = {"email": "li.wei@huaxin.example", "email_verified": True}


async def test_an_issuer_speaks_for_the_tenants_that_are_told_and_for_no_other(signer: Signer) -> None:
    verifier = other(signer, "huaxin", "hengda")
    assert (await verifier.verify(signer.token(tenant="HuaXin", **VERIFIED))).tenant == "huaxin"
    for tenant in ("another", "", None):
        with pytest.raises(Unauthenticated):
            await verifier.verify(signer.token(tenant=tenant, **VERIFIED))


async def test_an_issuer_of_one_tenant_need_not_name_it(signer: Signer) -> None:
    verifier = other(signer, "huaxin")
    assert (await verifier.verify(signer.token(tenant=None, **VERIFIED))).tenant == "huaxin"
    with pytest.raises(Unauthenticated):
        await verifier.verify(signer.token(tenant="another", **VERIFIED))


@pytest.mark.parametrize("verified", [False, None, "true", 1])
async def test_an_address_that_is_not_verified_is_nobodys(signer: Signer, verified: object) -> None:
    with pytest.raises(Unauthenticated, match="not verified"):
        await other(signer, "t").verify(signer.token(**VERIFIED | {"email_verified": verified}))


async def test_a_name_need_not_be_verified(signer: Signer) -> None:
    verifier = other(signer, "t", user_claim="preferred_username")
    assert (await verifier.verify(signer.token(preferred_username="li.wei"))).user == "li.wei"


@pytest.mark.parametrize(
    ("claim", "login"),
    [
        ("Li.Wei@Huaxin.Example ", "li.wei@huaxin.example"),
        # Python makes a k of the Kelvin sign: it would be somebody else's login.
        ("\u212aim@x.example", "\u212aim@x.example"),
        ("李伟@huaxin.example", "李伟@huaxin.example"),
        ("a\u0000b", None),
        ("\ud800", None),
        ("  ", None),
        (7, None),
        (None, None),
        (["a"], None),
    ],
)
def test_a_claim_is_a_login_as_logins_are_kept(claim: object, login: str | None) -> None:
    assert login_from(claim) == login


async def test_a_token_that_names_no_login_is_nobodys(signer: Signer) -> None:
    for email in ("", "a\u0000b", 7, ["a@x.example"]):
        with pytest.raises(Unauthenticated):
            await other(signer, "t").verify(signer.token(**VERIFIED | {"email": email}))


async def test_another_machines_token_may_have_ended_a_moment_ago(
    signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier, now = other(signer, "t"), time.time()
    token = signer.token(exp=int(now) - 30, **VERIFIED)
    assert (await verifier.verify(token)).user == VERIFIED["email"]
    monkeypatch.setattr(time, "time", lambda: now + 31)
    with pytest.raises(Unauthenticated):
        await verifier.verify(token)
