"""What a service reads from its environment that calls addresses which tenants name."""

from crm_kit.outbound_http.addresses import Reach, reach_of
from crm_kit.settings import ServiceSettings


class OutboundSettings(ServiceSettings, kw_only=True):
    # Networks of one's own, such as 10.1.0.0/16, that identity providers, webhooks and mail servers may be in; else
    # they are at public addresses.
    outbound_networks: tuple[str, ...] = ()

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
        """Without TLS this is somebody's own machine: then what is called may be on it, too."""
        return self.issuer.startswith("http://")
