"""One gRPC channel per service, balanced over its replicas, with retries for reads only."""

from collections.abc import Callable, Iterable
from typing import Any

import grpc
import orjson

from crm_gateway.contract import Rpc

Call = Callable[..., Any]

_MAX_METADATA = 16 * 1024


def service_config(reads: Iterable[Rpc]) -> str:
    """The gRPC service config: round robin; an RPC without effect is tried again on UNAVAILABLE, within a budget."""
    names = [{"service": rpc.service, "method": rpc.name} for rpc in reads]
    retried = {
        "name": names,
        "retryPolicy": {
            "maxAttempts": 3,
            "initialBackoff": "0.05s",
            "maxBackoff": "0.5s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        },
    }
    config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [retried] if names else [],
        # Half of the budget gone, no more retries: a service that is down is not buried under them.
        "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.1},
    }
    return orjson.dumps(config).decode()


def open_channel(address: str, rpcs: Iterable[Rpc], *, max_message_bytes: int) -> grpc.aio.Channel:
    """A channel to one service. It connects when first used and again whenever it must."""
    options = (
        ("grpc.service_config", service_config(rpc for rpc in rpcs if rpc.is_read)),
        ("grpc.enable_retries", 1),
        # A replica that vanished without a word is noticed, and a restarted one found again within a second or two.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 500),
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_metadata_size", _MAX_METADATA),
    )
    return grpc.aio.insecure_channel(address, options=options)


class Channels:
    """The channels of a gateway, one per service it serves."""

    def __init__(self, addresses: dict[str, str], rpcs: Iterable[Rpc], *, max_message_bytes: int) -> None:
        by_owner: dict[str, list[Rpc]] = {owner: [] for owner in addresses}
        for rpc in rpcs:
            by_owner.setdefault(rpc.owner, []).append(rpc)
        self._channels = {
            owner: open_channel(addresses[owner], owned, max_message_bytes=max_message_bytes)
            for owner, owned in by_owner.items()
            if owner in addresses
        }

    def __getitem__(self, owner: str) -> grpc.aio.Channel:
        return self._channels[owner]

    @property
    def owners(self) -> tuple[str, ...]:
        return tuple(self._channels)

    async def close(self, grace: float) -> None:
        """Close all; calls under way get `grace` seconds."""
        for channel in self._channels.values():
            await channel.close(grace)
