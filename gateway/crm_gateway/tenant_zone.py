"""The time zone of the caller's tenant, as the customer service tells it."""

from collections.abc import Iterable
from zoneinfo import ZoneInfo

import grpc
from crm_kit.zones import DEFAULT_ZONE

from crm_gateway.channels import Channels, Metadata
from crm_gateway.problems import ProblemError, from_rpc_error
from crm_gateway.transcode.operations import Operation


class TenantZones:
    """Reads the zone anew each time: it may be changed."""

    def __init__(self, operations: Iterable[Operation], channels: Channels) -> None:
        self._get = next((each for each in operations if each.rpc.name == "GetTenant"), None)
        self._channels = channels

    async def read(self, metadata: Metadata, seconds: float) -> ZoneInfo:
        """The zone, as services take it for a tenant of which they know nothing yet; ProblemError when nobody says."""
        if self._get is None:
            return ZoneInfo(DEFAULT_ZONE)
        try:
            reply = await self._channels.call_of(self._get.rpc)(self._get.reader.new(), metadata, seconds)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return ZoneInfo(DEFAULT_ZONE)
            raise ProblemError(from_rpc_error(error, peer=self._get.rpc.owner)) from error
        return ZoneInfo(reply.message.time_zone)
