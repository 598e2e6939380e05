"""What a sign-in with a provider is made of, and what a provider's document must say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from crm_customer.directory.identity_providers.model import IdentityProvider
from crm_customer.directory.sealing import Sealer
from crm_customer.directory.sign_ins import model
from crm_customer.directory.sign_ins.discovery import discovered, document_address
from crm_customer.directory.sign_ins.providers import basic
from crm_kit.errors import Unauthenticated
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
TENANT, PROVIDER, OTHER = (UUID(int=number) for number in (1, 2, 3))
BEGUN = model.begin(TENANT, PROVIDER, now=NOW)


def test_the_challenge_is_that_of_rfc_7636() -> None:
    sign_in = replace(BEGUN, verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert sign_in.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_no_two_sign_ins_share_a_secret() -> None:
    begun = [model.begin(TENANT, PROVIDER, now=NOW) for _ in range(50)]
    assert len({secret for each in begun for secret in (each.state, each.nonce, each.verifier)}) == 150


@given(st.integers(0, 4_000_000_000), st.uuids(), st.uuids())
def test_a_sign_in_is_read_as_it_was_written(now: int, tenant: UUID, provider: UUID) -> None:
    begun = model.begin(tenant, provider, now=datetime.fromtimestamp(now, UTC))
    assert model.from_json(begun.to_json()) == begun


@pytest.mark.parametrize(
    ("state", "provider", "after"),
    [
        ("another", PROVIDER, timedelta(0)),
        ("", PROVIDER, timedelta(0)),
        ("é", PROVIDER, timedelta(0)),
        (BEGUN.state, OTHER, timedelta(0)),
        (BEGUN.state, PROVIDER, model.LIFETIME),
    ],
    ids=("another state", "no state", "a state of other letters", "another provider", "too late"),
)
def test_an_answer_is_to_this_question_by_this_provider_in_time(state: str, provider: UUID, after: timedelta) -> None:
    BEGUN.check_answer(state=BEGUN.state, provider_id=PROVIDER, now=NOW + model.LIFETIME - timedelta(seconds=1))
    with pytest.raises(Unauthenticated):
        BEGUN.check_answer(state=state, provider_id=provider, now=NOW + after)


@pytest.mark.parametrize("endpoint", ["https://x.example/authorize", "https://x.example/authorize?tenant=a%20b"])
def test_what_an_endpoint_asks_for_itself_stays_in_its_address(endpoint: str) -> None:
    provider = IdentityProvider(PROVIDER, "x", "https://x.example", NOW, NOW, client_id="a&b=c")
    url = urlsplit(BEGUN.authorization_url(endpoint, provider, "https://us.example/back?x", ""))
    asked = parse_qs(url.query, strict_parsing=True)
    assert asked.get("tenant") == (["a b"] if "?" in endpoint else None)
    assert (asked["client_id"], asked["redirect_uri"]) == (["a&b=c"], ["https://us.example/back?x"])
    assert "login_hint" not in asked


ISSUER = "https://x.example/realms/staff"
DOCUMENT: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://x.example/a",
    "token_endpoint": "https://x.example/t",
    "jwks_uri": "https://x.example/k",
}


def test_the_document_is_below_the_issuer() -> None:
    expected = f"{ISSUER}/.well-known/openid-configuration"
    assert [document_address(each) for each in (ISSUER, f"{ISSUER}/")] == [expected, expected]


@pytest.mark.parametrize(
    ("methods", "in_form"),
    [
        (None, False),
        (["client_secret_basic"], False),
        (["client_secret_post", "client_secret_basic"], False),
        (["client_secret_post"], True),
    ],
)
def test_the_secret_goes_where_the_provider_takes_it(methods: list[str] | None, in_form: bool) -> None:
    document = DOCUMENT | ({} if methods is None else {"token_endpoint_auth_methods_supported": methods})
    assert discovered(ISSUER, document, loopback=False).secret_in_form is in_form


@pytest.mark.parametrize("name", [name for name in DOCUMENT if name != "issuer"])
@pytest.mark.parametrize("value", [None, "", 7, "http://x.example", "http://127.0.0.1/x", "data:,x"])
def test_every_endpoint_has_an_https_address(name: str, value: object) -> None:
    with pytest.raises(Unauthenticated):
        discovered(ISSUER, DOCUMENT | {name: value}, loopback=False)


@pytest.mark.parametrize("issuer", [f"{ISSUER}/", "https://X.example/realms/staff", None])
def test_a_document_is_the_issuers_own_to_the_letter(issuer: object) -> None:
    with pytest.raises(Unauthenticated):
        discovered(ISSUER, DOCUMENT | {"issuer": issuer}, loopback=False)


def test_a_client_is_form_encoded_before_it_is_a_header() -> None:
    assert basic("a:b", "c d%") == "Basic YSUzQWI6YyUyMGQlMjU="


def test_what_is_sealed_opens_with_the_same_key_for_the_same_purpose_in_the_same_context() -> None:
    sealer = Sealer("a secret", b"one")
    sealed = sealer.seal(b"data", b"context")
    assert sealer.open(sealed, b"context") == b"data"
    assert sealer.seal(b"data", b"context") != sealed
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for other, text, context in (
        (Sealer("another", b"one"), sealed, b"context"),
        (Sealer("a secret", b"two"), sealed, b"context"),
        (sealer, sealed, b"elsewhere"),
        (sealer, changed, b"context"),
        (sealer, b"", b"context"),
        (sealer, b"short", b"context"),
    ):
        assert other.open(text, context) is None
