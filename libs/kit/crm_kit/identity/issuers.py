"""The issuers of access tokens that this installation trusts: the built-in one, and OpenID providers by setting."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from crm_kit.identity.key_ring import FetchKeys
from crm_kit.identity.provider_http import ProviderHttp
from crm_kit.identity.tokens import Issuer, TokenVerifier
from crm_kit.outbound_http.addresses import ANYWHERE, Reach
from crm_kit.outbound_http.urls import is_outbound_url

Word = Annotated[str, Meta(min_length=1)]


class OidcIssuer(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An issuer beside the built-in one, and the tenants that it may speak for, by slug; others it may not.

    Its users are found by login. A token says its tenant, unless the issuer has only one.
    """

    issuer: Word
    jwks_url: str
    audience: Word
    tenants: Annotated[tuple[str, ...], Meta(min_length=1)]
    tenant_claim: Word = "tenant"
    # An `email` is believed only when the token says `email_verified`.
    login_claim: Word = "email"

    def __post_init__(self) -> None:
        if not is_outbound_url(self.jwks_url, loopback=True):
            raise ValueError("jwks_url must be an https address, or http on this machine")


def verifier_of(issuer: str, audience: str, others: Sequence[OidcIssuer], built_in_keys: FetchKeys) -> TokenVerifier:
    """Verifies tokens of the built-in issuer, whose keys are given, and of others, whose keys are read over HTTP."""
    return TokenVerifier([Issuer(issuer, audience, built_in_keys), *trusted(others)])


def trusted(others: Sequence[OidcIssuer]) -> list[Issuer]:
    """The issuers as they are told."""
    if not others:
        return []
    # Whoever sets the platform up names them: they may be anywhere.
    http = ProviderHttp(Reach(ANYWHERE))
    return [
        Issuer(
            each.issuer,
            each.audience,
            fetch_over_http(each.jwks_url, http),
            each.tenant_claim,
            each.login_claim,
            tenants=frozenset(slug.lower() for slug in each.tenants),
        )
        for each in others
    ]


def fetch_over_http(url: str, http: ProviderHttp) -> FetchKeys:
    """Reads a JWK set from an issuer's address."""
    return lambda: http.get(url)
