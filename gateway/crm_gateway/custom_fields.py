"""The fields that tenants have added to a collection, as its service tells them."""

from collections.abc import Iterable, Mapping
from typing import Any

import grpc

from crm_gateway.channels import Channels, Metadata
from crm_gateway.problems import ProblemError, from_rpc_error
from crm_gateway.transcode.operations import Operation

# A page has room for all that there can be.
PAGE_SIZE = 200
PATH = "/v1/custom-fields/"


class CustomFieldLists:
    """The lists of custom fields, by the path of the collection whose records have them: `/v1/accounts`."""

    def __init__(self, operations: Iterable[Operation], channels: Channels) -> None:
        self._lists: Mapping[str, Operation] = {
            each.binding.template.replace(PATH, "/v1/"): each
            for each in operations
            if each.rpc.name.startswith("List") and each.rpc.response.name == "ListCustomFieldsResponse"
        }
        self._channels = channels

    async def read(self, path: str, metadata: Metadata, seconds: float) -> list[Any]:
        """Those in use, in their order; none where records have none. ProblemError when they may not be read."""
        found = self._lists.get(path)
        if found is None:
            return []
        request = found.reader.new()
        request.page_size = PAGE_SIZE
        try:
            reply = await self._channels.call_of(found.rpc)(request, metadata, seconds)
        except grpc.aio.AioRpcError as error:
            raise ProblemError(from_rpc_error(error, peer=found.rpc.owner)) from error
        return list(reply.message.custom_fields)
