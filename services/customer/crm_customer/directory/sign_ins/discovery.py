"""What a provider says about itself in its discovery document (OpenID Connect Discovery 1.0)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crm_kit.outbound_http.urls import is_outbound_url

from crm_customer.directory.sign_ins.model import refused

WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Discovered:
    """The endpoints of a provider. `secret_in_form`: it takes the client secret as a field, not as a header."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    secret_in_form: bool
    says_issuer: bool

    def check_issuer(self, said: str) -> None:
        """Raise Unauthenticated when an answer names another issuer, or none although it must (RFC 9207)."""
        if (said or self.says_issuer) and said != self.issuer:
            raise refused("the answer is of another provider")


def document_address(issuer: str) -> str:
    """Where the provider's discovery document is."""
    return issuer.rstrip("/") + WELL_KNOWN


def discovered(issuer: str, document: Mapping[str, Any], *, loopback: bool) -> Discovered:
    """What the document says; Unauthenticated when it is another issuer's, or names addresses that none may have."""
    if document.get("issuer") != issuer:
        raise refused("the provider's discovery document is of another issuer")
    endpoints = {name: document.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    if document.get("userinfo_endpoint") is not None:
        endpoints["userinfo_endpoint"] = document["userinfo_endpoint"]
    for name, url in endpoints.items():
        if not isinstance(url, str) or not is_outbound_url(url, loopback=loopback):
            raise refused(f"the provider's {name} is not an https address")
    methods = document.get("token_endpoint_auth_methods_supported")
    return Discovered(
        issuer=issuer,
        userinfo_endpoint=endpoints.pop("userinfo_endpoint", None),
        # By default it is the header (RFC 8414); who has both gets it as well.
        secret_in_form=isinstance(methods, list) and "client_secret_basic" not in methods,
        says_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        **{name: str(url) for name, url in endpoints.items()},
    )
