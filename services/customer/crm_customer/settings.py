"""What the customer service reads from its environment beside what all services read."""

from typing import Annotated

from crm_kit.outbound_http.addresses import Reach, reach_of
from crm_kit.settings import ServiceSettings
from msgspec import Meta


class CustomerSettings(ServiceSettings, kw_only=True):
    # Encrypts the private keys of the built-in issuer and the client secrets of identity providers at rest.
    signing_key_secret: Annotated[str, Meta(min_length=16)]
    # By which the sales service proves who it is when it creates the account of a lead.
    sales_key: Annotated[str, Meta(min_length=32)]
    access_token_seconds: Annotated[int, Meta(ge=30, le=86_400)] = 900
    refresh_token_days: Annotated[int, Meta(ge=1, le=365)] = 14
    # Networks of one's own, such as 10.1.0.0/16, that identity providers and webhook endpoints may be in; else they are
    # at public addresses.
    outbound_networks: tuple[str, ...] = ()
    # Read by the commands seed-demo and create-tenant only.
    demo_password: str = ""
    admin_password: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            reach_of(self.outbound_networks, loopback=False)
        except ValueError as error:
            raise ValueError(f"outbound_networks: {error}") from None

    @property
    def outbound_reach(self) -> Reach:
        """Which addresses may be called that tenants name."""
        return reach_of(self.outbound_networks, loopback=self.is_development)

    @property
    def is_development(self) -> bool:
        """Without TLS this is somebody's own machine: then providers and webhooks may be on it, too."""
        return self.issuer.startswith("http://")
