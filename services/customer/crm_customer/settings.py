"""What the customer service reads from its environment beside what all services read."""

from crm_kit.settings import ServiceSettings
from pydantic import Field, SecretStr


class CustomerSettings(ServiceSettings):
    # Encrypts the private keys of the built-in issuer and the client secrets of identity providers at rest.
    signing_key_secret: SecretStr = Field(min_length=16)
    # By which the sales service proves who it is when it creates the account of a lead.
    sales_key: SecretStr = Field(min_length=32)
    access_token_seconds: int = Field(default=900, ge=30, le=86_400)
    refresh_token_days: int = Field(default=14, ge=1, le=365)
    # Read by the commands seed-demo and create-tenant only.
    demo_password: SecretStr = SecretStr("")
    admin_password: SecretStr = SecretStr("")

    @property
    def is_development(self) -> bool:
        """Without TLS this is somebody's own machine: then identity providers may be on it, too."""
        return self.issuer.startswith("http://")
