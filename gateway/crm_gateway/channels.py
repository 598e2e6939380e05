"""The channels of a gateway, one per service it serves, and how an RPC is called over them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crm_kit.rpc.channels import ServiceChannel
from google.protobuf import message_factory

from crm_gateway.contract import Rpc
from crm_gateway.message_parts import read_message


@dataclass(frozen=True, slots=True)
class Reply:
    """What a service answers: a message of so many bytes, and whether it had answered the same before."""

    message: Any
    size: int
    replayed: bool = False


Metadata = dict[str, str]
# Request, metadata and seconds to wait -> the reply.
Call = Callable[[Any, Metadata, float], Awaitable[Reply]]

_REPLAYED = ("idempotent-replayed", "true")


class Channels:
    """Service -> channel. Each connects when first used and again whenever it must."""

    def __init__(self, addresses: Mapping[str, str], *, max_message_bytes: int) -> None:
        self._channels = {
            owner: ServiceChannel(address, name=owner, max_message_bytes=max_message_bytes)
            for owner, address in addresses.items()
        }

    def __getitem__(self, owner: str) -> ServiceChannel:
        return self._channels[owner]

    @property
    def owners(self) -> tuple[str, ...]:
        return tuple(self._channels)

    def call_of(self, rpc: Rpc) -> Call:
        """How an RPC is called; a call that fails raises AioRpcError."""
        channel, path, preset = self._channels[rpc.owner], rpc.path, rpc.preset
        response = message_factory.GetMessageClass(rpc.response)

        async def call(request: Any, metadata: Metadata, seconds: float) -> Reply:
            data = preset + request.SerializeToString()
            reply = await channel.call(path, data, metadata=metadata, seconds=seconds)
            message = await read_message(response, reply.data)
            return Reply(message, len(reply.data), _REPLAYED in reply.metadata)

        return call

    async def close(self, grace: float) -> None:
        """Close all; calls under way get `grace` seconds."""
        for channel in self._channels.values():
            await channel.close(grace)
