"""Settings of the gateway, from the environment with the prefix `CRM_`."""

import re
from typing import Annotated, Literal

import msgspec
from crm_kit import settings
from crm_kit.identity.issuers import OidcIssuer
from crm_kit.settings import Ratio
from msgspec import Meta

from crm_gateway.access_log import Logged
from crm_gateway.connections import Bounds, networks_of

# As browsers send it: a slash at the end would match none.
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/*\s?#@A-Z]+")
ORIGIN_EXAMPLE = "for example http://localhost:5173, without a path or a slash at the end"
Seconds = Annotated[float, Meta(gt=0, le=300)]
Bytes = Annotated[int, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
PerSecond = Annotated[float, Meta(ge=0)]


class Settings(settings.Settings, kw_only=True):
    """All that can be set; durations are seconds, sizes bytes."""

    listen_address: str = "127.0.0.1:8080"
    # Where probes ask for health, with places of their own; without an address they have to ask among all others.
    health_listen_address: str = ""
    customer_address: str = "127.0.0.1:7001"
    sales_address: str = "127.0.0.1:7002"
    service_desk_address: str = "127.0.0.1:7003"
    scoring_address: str = "127.0.0.1:7004"
    # Where streams of events come from. Without it they are silent, and everything else is served.
    nats_url: Annotated[str, Meta(pattern=r"^(nats|tls)://")] = "nats://127.0.0.1:4222"

    issuer: Annotated[str, Meta(pattern=r"^https?://")] = "http://127.0.0.1:8080"
    audience: str = "guanxi"
    oidc_issuers: tuple[OidcIssuer, ...] = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    # Answers that have a line in the log, at the level info: none, those from 400 on, or all.
    access_log: Logged = "errors"
    log_format: Literal["json", "console"] = "json"
    otlp_endpoint: str = ""
    trace_sample_ratio: Ratio = 0.01

    request_timeout: Seconds = 10.0
    max_body_bytes: Bytes = 1024 * 1024
    max_upload_bytes: Annotated[int, Meta(gt=0, le=50 * 1024 * 1024)] = 50 * 1024 * 1024
    max_message_bytes: Bytes = 16 * 1024 * 1024
    # Asked to end, it goes on for so long while clients close their connections; then running requests are finished.
    departure_seconds: Annotated[float, Meta(ge=0, le=60)] = 0
    drain_timeout: Annotated[int, Meta(ge=0)] = 15
    # Of front ends elsewhere, such as http://localhost:5173; `*` lets every page read what needs no cookie.
    cors_allowed_origins: tuple[str, ...] = ()
    # Whose X-Forwarded-For is believed: addresses or networks, separated by commas.
    trusted_proxies: str = "127.0.0.1"

    # Connections of HTTP clients: those of one address are counted apart, but not those of trusted proxies. So many
    # requests of one address may also be under way, whoever brings them, and so many of one tenant: half of the 256
    # calls that a gateway has under way at a service.
    max_connections: Count = 2000
    max_connections_per_peer: Count = 200
    max_requests_per_tenant: Count = 128
    max_header_bytes: Annotated[int, Meta(ge=1024, le=256 * 1024)] = 32 * 1024
    header_timeout: Seconds = 10.0
    # Longer than the 60 s that proxies keep a connection for use: whoever sends should be the one who closes.
    idle_timeout: Annotated[float, Meta(gt=0, le=3600)] = 75.0
    # How long a client may leave an answer unread.
    send_timeout: Seconds = 30.0

    # Open streams of events of this gateway, of one tenant and of one user of it. None of them counts among requests.
    max_streams: Count = 1000
    max_streams_per_tenant: Count = 500
    max_streams_per_user: Count = 10
    # How often one says that it is alive: before proxies close connections without traffic, mostly after 30 seconds.
    stream_heartbeat: Annotated[float, Meta(gt=0, le=25)] = 20.0

    # Requests per second, and how many may come at once; 0 switches a limit off. They hold for all gateways together:
    # each admits its part. `anonymous` is per address, for requests without a token and, counted apart, for those whose
    # token does not hold.
    gateway_replicas: Count = 1
    rate_limit_token: PerSecond = 100.0
    rate_limit_token_burst: Count = 200
    rate_limit_tenant: PerSecond = 1000.0
    rate_limit_tenant_burst: Count = 2000
    rate_limit_anonymous: PerSecond = 10.0
    rate_limit_anonymous_burst: Count = 50

    def __post_init__(self) -> None:
        for origin in self.cors_allowed_origins:
            if origin != "*" and not ORIGIN.fullmatch(origin):
                raise ValueError(f"cors_allowed_origins: {origin!r} is neither an origin nor *: {ORIGIN_EXAMPLE}")

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
            for name, value in msgspec.structs.asdict(self).items()
            if name.endswith("_address") and isinstance(value, str)
        }
        return {service: address for service, address in own.items() if not service.endswith("listen")}


def host_and_port(address: str) -> tuple[str, int]:
    """127.0.0.1:8080 or [::1]:8080 in its parts."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
