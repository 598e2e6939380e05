"""An identity provider: an OpenID provider that people of a tenant sign in with."""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.errors import AlreadyExists, NotFound, Unauthenticated, invalid_field
from crm_kit.identity.tokens import login_from
from crm_kit.outbound_http.urls import is_outbound_url

CALLBACK_PATH = "/v1/auth/session/oidc/callback"


class LoginClaim(enum.StrEnum):
    """What says which user signs in for the first time."""

    EMAIL = "EMAIL"
    PREFERRED_USERNAME = "PREFERRED_USERNAME"
    SUB = "SUB"

    @property
    def scope(self) -> str:
        """What a provider is asked for, so that it tells the claim and no more."""
        return {LoginClaim.EMAIL: "openid email", LoginClaim.PREFERRED_USERNAME: "openid profile"}.get(self, "openid")


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """Fields as in the contract; the domains are in lower case."""

    id: UUID
    display_name: str
    issuer: str
    create_time: datetime
    update_time: datetime
    version: int = 1
    client_id: str | None = None
    login_claim: LoginClaim = LoginClaim.EMAIL
    domains: tuple[str, ...] = ()
    active: bool = False
    client_secret_time: datetime | None = None

    @property
    def redirect_path(self) -> str:
        """Where its people come back to. No other provider's do: none can pass off another's answer as its own."""
        return f"{CALLBACK_PATH}/{self.id}"

    def update(self, values: dict[str, Any]) -> "IdentityProvider":
        """With new values of some fields."""
        return replace(self, **values)

    def with_new_secret(self, *, now: datetime) -> "IdentityProvider":
        """The same provider, whose client secret was set now."""
        return replace(self, client_secret_time=now)

    def checked(self, *, loopback: bool) -> "IdentityProvider":
        """The provider as it is kept. InvalidArgument for an issuer that nobody may call, and one without client id.

        `loopback`: whether an issuer may be on this very machine, without TLS, as in development.
        """
        if not is_outbound_url(self.issuer, loopback=loopback) or "?" in self.issuer:
            raise invalid_field("identity_provider.issuer", "uri", "must be an https address without query or fragment")
        if self.active and not self.client_id:
            raise invalid_field("identity_provider.client_id", "required", "is needed before the provider is active")
        return replace(self, domains=tuple(dict.fromkeys(each.lower() for each in self.domains)))

    def check_domains(self, others: Iterable["IdentityProvider"]) -> None:
        """Raise AlreadyExists for a domain that another provider of the tenant serves."""
        for other in others:
            shared = set(self.domains) & set(other.domains) if other.id != self.id else set()
            if shared:
                raise AlreadyExists(f"identity_provider.domains: {min(shared)} is served by {other.display_name}")

    def login_of(self, claims: Mapping[str, Any]) -> str | None:
        """The login that the provider vouches for, as logins are kept; None where the claims do not say it.

        They do not say an e-mail address without saying whether it is verified. Unauthenticated for one that is not,
        and for a login of another domain than the provider's.
        """
        login = login_from(claims.get(self.login_claim.value.lower()))
        is_address = self.login_claim is LoginClaim.EMAIL
        if login is None or (is_address and claims.get("email_verified") is None):
            return None
        if is_address and claims["email_verified"] is not True:
            raise Unauthenticated("the provider has not verified the e-mail address", reason="SIGN_IN_USER_UNKNOWN")
        domain = domain_of(login)
        if domain and self.domains and domain not in self.domains:
            raise not_its_domain()
        return login

    def check_serves(self, login: str, providers: Iterable["IdentityProvider"]) -> None:
        """Raise Unauthenticated for a login whose domain another of the tenant's providers serves, active or not.

        What is said of a person's login when they sign in binds as much as what they said when they were sent here.
        """
        domain = domain_of(login)
        if any(domain in other.domains for other in providers if other.id != self.id):
            raise not_its_domain()


def domain_of(login: str) -> str:
    """The domain of a login that is an e-mail address, else empty."""
    return login.rpartition("@")[2].strip().lower() if "@" in login else ""


def provider_for(providers: Sequence[IdentityProvider], login: str) -> IdentityProvider:
    """Of a tenant's active providers the one that somebody signs in with. NotFound when none, or no single one, is.

    That is the one that serves the login's domain, else the one that serves no domain in particular. Where nobody
    said a login, the only one there is will do.
    """
    domain = domain_of(login)
    found = [each for each in providers if domain and domain in each.domains]
    found = found or [each for each in providers if not each.domains]
    if not login and len(providers) == 1:
        found = list(providers)
    if len(found) != 1:
        raise no_provider()
    return found[0]


def not_its_domain() -> Unauthenticated:
    """The login is not the provider's to vouch for; no more is said than of a login that nobody has."""
    return Unauthenticated("the provider is not one for this domain", reason="SIGN_IN_USER_UNKNOWN")


def no_provider() -> NotFound:
    """There is none to sign in with; also for tenants that do not exist."""
    return NotFound("there is no identity provider for this login", reason="IDENTITY_PROVIDER_NOT_FOUND")
