"""What a service reads from its environment. A setting that makes no sense stops the start with one line."""

import sys
from typing import Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from crm_kit.identity.issuers import OidcIssuer

Settings = TypeVar("Settings", bound="BaseSettings")


class ServiceSettings(BaseSettings):
    """Common to all services; each name with the prefix `CRM_`."""

    model_config = SettingsConfigDict(env_prefix="CRM_", extra="ignore")

    database_url: str = Field(pattern=r"^postgres(ql)?://")
    database_pool_size: int = Field(default=10, ge=1, le=200)
    # Where things are has no default: one that is forgotten would be looked for on this machine, for ever.
    nats_url: str = Field(pattern=r"^(nats|tls)://")
    listen_address: str = Field(default="127.0.0.1:7000", pattern=r"^.+:[0-9]{1,5}$")
    customer_address: str = Field(min_length=1)
    sales_address: str = Field(min_length=1)
    service_desk_address: str = Field(min_length=1)
    scoring_address: str = Field(min_length=1)
    issuer: str = Field(pattern=r"^https?://")
    audience: str = "guanxi"
    oidc_issuers: list[OidcIssuer] = Field(default_factory=list)
    page_token_key: SecretStr = Field(min_length=16)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    otlp_endpoint: str = ""
    trace_sample_ratio: float = Field(default=0.01, ge=0, le=1)
    drain_seconds: float = Field(default=20, ge=0, le=300)
    connection_max_age_seconds: int = Field(default=300, ge=10)
    # Whether callers may send many calls over one stream; without it each call is one of gRPC's own.
    links: bool = True

    @field_validator("listen_address")
    @classmethod
    def port_exists(cls, address: str) -> str:
        """A port is at most 65535."""
        if int(address.rpartition(":")[2]) > 65535:
            raise ValueError("port must be at most 65535")
        return address


class MigrationSettings(BaseSettings):
    """All that `migrate` reads: it needs none of the secrets that a service serves with."""

    model_config = SettingsConfigDict(env_prefix="CRM_", extra="ignore")

    # As the owner of the schema.
    migration_database_url: str = Field(pattern=r"^postgres(ql)?://")
    # As the service works: its role is given what it needs of the schema.
    database_url: str = Field(pattern=r"^postgres(ql)?://[^/@:]+[:@]")


def read_settings(kind: type[Settings]) -> Settings:
    """The settings from the environment; one line on standard error and exit code 2 when they make no sense."""
    try:
        return kind()
    except ValidationError as error:
        prefix = str(kind.model_config.get("env_prefix", ""))
        problems = [
            f"{prefix}{'.'.join(str(part) for part in problem['loc'])}".upper() + f": {problem['msg']}"
            for problem in error.errors(include_input=False)
        ]
        sys.stderr.write("settings: " + "; ".join(problems) + "\n")
        raise SystemExit(2) from None
