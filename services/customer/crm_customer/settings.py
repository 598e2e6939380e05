"""What the customer service reads from its environment beside what all services read."""

from typing import Annotated

from crm_kit.outbound_settings import OutboundSettings
from msgspec import Meta


class CustomerSettings(OutboundSettings, kw_only=True):
    # Encrypts the private keys of the built-in issuer and the client secrets of identity providers at rest.
    signing_key_secret: Annotated[str, Meta(min_length=16)]
    # By which the sales service proves who it is when it creates the account of a lead.
    sales_key: Annotated[str, Meta(min_length=32)]
    access_token_seconds: Annotated[int, Meta(ge=30, le=86_400)] = 900
    refresh_token_days: Annotated[int, Meta(ge=1, le=365)] = 14
    # Read by the commands seed-demo and create-tenant only.
    demo_password: str = ""
    admin_password: str = ""
