"""The issuers of tokens that this installation trusts: the built-in one, and any OpenID provider by setting."""

from collections.abc import Iterable

import httpx
from pydantic import BaseModel

from crm_kit.errors import Unavailable
from crm_kit.identity.tokens import FetchKeys, Issuer, TokenVerifier


class OidcIssuer(BaseModel):
    """An issuer beside the built-in one. Its users are found by login, its tenants by slug or id."""

    issuer: str
    jwks_url: str
    audience: str
    tenant_claim: str = "tenant"
    login_claim: str = "email"


def verifier_of(issuer: str, audience: str, others: Iterable[OidcIssuer], built_in_keys: FetchKeys) -> TokenVerifier:
    """Verifies tokens of the built-in issuer, whose keys are given, and of others, whose keys are read over HTTP."""
    providers = [
        Issuer(each.issuer, each.audience, fetch_over_http(each.jwks_url), each.tenant_claim, each.login_claim)
        for each in others
    ]
    return TokenVerifier([Issuer(issuer, audience, built_in_keys), *providers])


def fetch_over_http(url: str) -> FetchKeys:
    """Reads a JWK set from an issuer's address."""

    async def fetch() -> dict[str, object]:
        try:
            async with httpx.AsyncClient(timeout=5) as client:
                answer = await client.get(url)
                answer.raise_for_status()
                return dict(answer.json())
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable("the token's issuer does not answer") from error

    return fetch
