"""Which provider somebody signs in with, and whom it may vouch for."""

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from crm_customer.directory.identity_providers.model import IdentityProvider, LoginClaim, domain_of, provider_for
from crm_kit.errors import NotFound, Unauthenticated
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 27, tzinfo=UTC)
DOMAINS = ("a.example", "b.example", "c.example")


def provider(number: int = 1, *domains: str, **values: Any) -> IdentityProvider:
    return IdentityProvider(UUID(int=number), str(number), "https://x.example", NOW, NOW, domains=domains, **values)


def chosen(providers: Sequence[IdentityProvider], login: str) -> str | None:
    try:
        return provider_for(providers, login).display_name
    except NotFound:
        return None


@pytest.mark.parametrize(
    ("login", "providers", "expected"),
    [
        ("", [provider(1)], "1"),
        ("", [provider(1, "a.example")], "1"),
        ("", [provider(1, "a.example"), provider(2)], "2"),
        ("", [provider(1), provider(2)], None),
        ("", [provider(1, "a.example"), provider(2, "b.example")], None),
        ("", [], None),
        ("x@a.example", [provider(1, "a.example"), provider(2)], "1"),
        ("X@A.Example ", [provider(1, "a.example"), provider(2)], "1"),
        ("x@b.example", [provider(1, "a.example"), provider(2)], "2"),
        ("x@b.example", [provider(1, "a.example")], None),
        ("x@sub.a.example", [provider(1, "a.example")], None),
        ("somebody", [provider(1, "a.example"), provider(2)], "2"),
        ("somebody", [provider(1, "a.example")], None),
    ],
)
def test_the_provider_of_the_domain_else_the_one_for_everybody(
    login: str, providers: list[IdentityProvider], expected: str | None
) -> None:
    assert chosen(providers, login) == expected


@given(st.permutations([("a.example",), ("b.example", "c.example"), ()]), st.sampled_from([*DOMAINS, "d.example"]))
def test_the_order_of_the_providers_does_not_matter(order: list[tuple[str, ...]], domain: str) -> None:
    providers = [provider(number, *domains) for number, domains in enumerate(order)]
    (expected,) = [number for number, domains in enumerate(order) if domain in domains] or [order.index(())]
    assert chosen(providers, f"x@{domain}") == str(expected)


VERIFIED = {"email": " Li.Wei@A.example ", "email_verified": True}


@pytest.mark.parametrize(
    ("claim", "claims", "login"),
    [
        (LoginClaim.EMAIL, VERIFIED, "li.wei@a.example"),
        (LoginClaim.EMAIL, {"preferred_username": "li.wei"}, None),
        (LoginClaim.EMAIL, {"email": "", "email_verified": True}, None),
        (LoginClaim.EMAIL, {"email": "x@a.example"}, None),
        (LoginClaim.EMAIL, {"email": "x@a.example", "email_verified": None}, None),
        (LoginClaim.PREFERRED_USERNAME, VERIFIED | {"preferred_username": "Li.Wei"}, "li.wei"),
        (LoginClaim.SUB, VERIFIED | {"sub": "4711"}, "4711"),
    ],
)
def test_the_login_is_what_the_claim_says(claim: LoginClaim, claims: dict[str, Any], login: str | None) -> None:
    assert provider(login_claim=claim).login_of(claims) == login


@pytest.mark.parametrize("verified", [False, "true", 1, 0, ""])
def test_an_address_counts_only_when_it_is_verified(verified: object) -> None:
    with pytest.raises(Unauthenticated):
        provider().login_of(VERIFIED | {"email_verified": verified})


def test_an_address_of_another_domain_is_not_the_providers_to_vouch_for() -> None:
    assert provider(1, "a.example").login_of(VERIFIED) == "li.wei@a.example"
    for domain in ("b.example", "example", "wei@a.example.b"):
        with pytest.raises(Unauthenticated):
            provider(1, domain).login_of(VERIFIED)
    for address in ("x@y@a.example.evil", "x@a.example@evil.example", "x@evil.example"):
        with pytest.raises(Unauthenticated):
            provider(1, "a.example").login_of(VERIFIED | {"email": address})


@given(st.permutations([("a.example",), ("b.example", "c.example"), ()]), st.sampled_from([*DOMAINS, "d.example"]))
def test_of_several_providers_only_the_one_that_is_chosen_for_a_login_may_vouch_for_it(
    order: list[tuple[str, ...]], domain: str
) -> None:
    providers = [provider(number, *domains) for number, domains in enumerate(order)]
    login, may = f"x@{domain}", set()
    for each in providers:
        with contextlib.suppress(Unauthenticated):
            told = each.login_of({"email": login, "email_verified": True})
            each.check_serves(str(told), providers)
            may.add(each.display_name)
    assert may == {chosen(providers, login)}


@pytest.mark.parametrize(
    ("login", "domain"), [("x@a.example", "a.example"), ("x@y@A.example", "a.example"), ("x", ""), ("x@", ""), ("", "")]
)
def test_the_domain_is_what_comes_after_the_last_at(login: str, domain: str) -> None:
    assert domain_of(login) == domain
