"""The issuers of access tokens that this installation trusts: the built-in one, and OpenID providers by setting."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, field_validator

from crm_kit.identity.key_ring import FetchKeys
from crm_kit.identity.provider_http import ProviderHttp
from crm_kit.identity.provider_urls import is_provider_url
from crm_kit.identity.tokens import Issuer, TokenVerifier


class OidcIssuer(BaseModel):
    """An issuer beside the built-in one, and the tenants that it may speak for, by slug; others it may not.

    Its users are found by login. A token says its tenant, unless the issuer has only one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field(min_length=1)
    jwks_url: str
    audience: str = Field(min_length=1)
    tenants: tuple[str, ...] = Field(min_length=1)
    tenant_claim: str = Field(default="tenant", min_length=1)
    # An `email` is believed only when the token says `email_verified`.
    login_claim: str = Field(default="email", min_length=1)

    @field_validator("jwks_url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        if not is_provider_url(url, loopback=True):
            raise ValueError("must be an https address, or http on this machine")
        return url


def verifier_of(issuer: str, audience: str, others: Sequence[OidcIssuer], built_in_keys: FetchKeys) -> TokenVerifier:
    """Verifies tokens of the built-in issuer, whose keys are given, and of others, whose keys are read over HTTP."""
    return TokenVerifier([Issuer(issuer, audience, built_in_keys), *trusted(others)])


def trusted(others: Sequence[OidcIssuer]) -> list[Issuer]:
    """The issuers as they are told."""
    if not others:
        return []
    http = ProviderHttp()
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
