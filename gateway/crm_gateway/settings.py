"""Settings of the gateway, from the environment with the prefix `CRM_`."""

from typing import Literal

from crm_kit.identity.issuers import OidcIssuer
from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from crm_gateway.access_log import Logged
from crm_gateway.connections import Bounds, networks_of


class Settings(BaseSettings):
    """All that can be set; durations are seconds, sizes bytes."""

    model_config = SettingsConfigDict(env_prefix="CRM_", frozen=True, extra="ignore")

    listen_address: str = "127.0.0.1:8080"
    # Where probes ask for health, with places of their own; without an address they have to ask among all others.
    health_listen_address: str = ""
    customer_address: str = "127.0.0.1:7001"
    sales_address: str = "127.0.0.1:7002"
    service_desk_address: str = "127.0.0.1:7003"
    scoring_address: str = "127.0.0.1:7004"

    issuer: str = Field(default="http://127.0.0.1:8080", pattern=r"^https?://")
    audience: str = "guanxi"
    oidc_issuers: list[OidcIssuer] = Field(default_factory=list)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    # Answers that have a line in the log, at the level info: none, those from 400 on, or all.
    access_log: Logged = "errors"
    log_format: Literal["json", "console"] = "json"
    otlp_endpoint: str = ""
    trace_sample_ratio: float = Field(default=0.01, ge=0, le=1)

    request_timeout: float = Field(default=10.0, gt=0, le=300)
    max_body_bytes: int = Field(default=1024 * 1024, gt=0)
    max_upload_bytes: int = Field(default=50 * 1024 * 1024, gt=0, le=50 * 1024 * 1024)
    max_message_bytes: int = Field(default=16 * 1024 * 1024, gt=0)
    # Asked to end, it goes on for so long while clients close their connections; then running requests are finished.
    departure_seconds: float = Field(default=0, ge=0, le=60)
    drain_timeout: int = Field(default=15, ge=0)
    cors_allowed_origins: tuple[str, ...] = ()
    # Whose X-Forwarded-For is believed: addresses or networks, separated by commas.
    trusted_proxies: str = "127.0.0.1"

    # Connections of HTTP clients: those of one address are counted apart, but not those of trusted proxies. So many
    # requests of one address may also be under way, whoever brings them, and so many of one tenant: half of the 256
    # calls that a gateway has under way at a service.
    max_connections: int = Field(default=2000, ge=1)
    max_connections_per_peer: int = Field(default=200, ge=1)
    max_requests_per_tenant: int = Field(default=128, ge=1)
    max_header_bytes: int = Field(default=32 * 1024, ge=1024, le=256 * 1024)
    header_timeout: float = Field(default=10.0, gt=0, le=300)
    # Longer than the 60 s that proxies keep a connection for use: whoever sends should be the one who closes.
    idle_timeout: float = Field(default=75.0, gt=0, le=3600)
    # How long a client may leave an answer unread.
    send_timeout: float = Field(default=30.0, gt=0, le=300)

    # Requests per second, and how many may come at once; 0 switches a limit off. They hold for all gateways together:
    # each admits its part. `anonymous` is per address, for requests without a token and, counted apart, for those whose
    # token does not hold.
    gateway_replicas: int = Field(default=1, ge=1)
    rate_limit_token: float = Field(default=100.0, ge=0)
    rate_limit_token_burst: int = Field(default=200, ge=1)
    rate_limit_tenant: float = Field(default=1000.0, ge=0)
    rate_limit_tenant_burst: int = Field(default=2000, ge=1)
    rate_limit_anonymous: float = Field(default=10.0, ge=0)
    rate_limit_anonymous_burst: int = Field(default=50, ge=1)

    @model_validator(mode="after")
    def _no_origin_is_a_pattern(self) -> "Settings":
        for origin in self.cors_allowed_origins:
            if "*" in origin and origin != "*":
                raise ValueError(f"cors_allowed_origins: {origin!r} is neither an origin nor *")
        return self

    @property
    def bounds(self) -> Bounds:
        """What connections are held to."""
        return Bounds(
            connections=self.max_connections,
            per_address=self.max_connections_per_peer,
            head_bytes=self.max_header_bytes,
            head_seconds=self.header_timeout,
            idle_seconds=self.idle_timeout,
            stall_seconds=self.send_timeout,
            proxies=networks_of(self.trusted_proxies),
        )

    @property
    def addresses(self) -> dict[str, str]:
        """Service -> host:port: of each the setting that ends in `_address`, beside our own."""
        own = {
            name.removesuffix("_address"): value
            for name, value in self
            if name.endswith("_address") and isinstance(value, str)
        }
        return {service: address for service, address in own.items() if not service.endswith("listen")}


def host_and_port(address: str) -> tuple[str, int]:
    """127.0.0.1:8080 or [::1]:8080 in its parts."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
