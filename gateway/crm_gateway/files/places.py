"""Where files go to and come from: the service that keeps a collection's records, called in the requester's name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from crm.resource.v1 import attachments_pb2 as pb
from crm_kit.rpc.methods import methods_of

from crm_gateway.channels import Channels
from crm_gateway.exchange import Exchange
from crm_gateway.message_parts import read_message
from crm_gateway.problems import Problem, ProblemError, from_rpc_error
from crm_gateway.shares import Share
from crm_gateway.transcode.dispatch import metadata_of
from crm_gateway.transcode.operations import Operation

_METHODS = {each.name: each for each in methods_of(pb.DESCRIPTOR.services_by_name["AttachmentService"])}
_BELOW = "/{record_id}/attachments"
# With its last part a whole file is looked at.
SECONDS = 60.0
# Each has two parts of 1 MiB in memory at most.
MAX_UPLOADS, MAX_UPLOADS_OF_TENANT = 48, 12


@dataclass(frozen=True, slots=True)
class Owner:
    """Who keeps the files of a collection."""

    collection: str
    service: str


class Places:
    """The collections that files are attached to, by their names in paths, and how many files come in at once."""

    def __init__(self, operations: Iterable[Operation], channels: Channels) -> None:
        self._channels = channels
        self._owners = owners_of(operations)
        self._of_tenant = Share(MAX_UPLOADS_OF_TENANT)
        self._of_all = Share(MAX_UPLOADS)

    def take(self, exchange: Exchange) -> None:
        """Count an upload in until it ends; ProblemError RATE_LIMITED when too many are under way."""
        self._of_tenant.take(exchange.tenant_id, exchange)
        self._of_all.take("", exchange)

    def at(self, collection: str, record_id: str, exchange: Exchange) -> "Place":
        """The record that a path names; ProblemError ROUTE_NOT_FOUND where its collection takes no files."""
        owner = self._owners.get(collection)
        if owner is None:
            raise ProblemError(Problem(404, "ROUTE_NOT_FOUND"))
        return Place(self._channels, owner, record_id, exchange)


@dataclass(frozen=True, slots=True)
class Place:
    """A record, for one request."""

    channels: Channels
    owner: Owner
    record_id: str
    exchange: Exchange

    async def call(self, name: str, request: Any) -> Any:
        """The answer of an rpc about files of the record; ProblemError when it is refused."""
        request.collection, request.record_id = self.owner.collection, self.record_id
        method, peer = _METHODS[name], self.owner.service
        try:
            data = request.SerializeToString()
            metadata = metadata_of(self.exchange)
            reply = await self.channels[peer].call(method.path, data, metadata=metadata, seconds=SECONDS)
        except grpc.aio.AioRpcError as error:
            raise ProblemError(from_rpc_error(error, peer=peer)) from error
        return await read_message(method.response, reply.data)


def owners_of(operations: Iterable[Operation]) -> Mapping[str, Owner]:
    """The owners of all collections that have attachments, by the collection's name in paths."""
    found = {}
    for each in operations:
        if each.binding.verb == "GET" and each.binding.template.endswith(_BELOW):
            collection = pb.ListAttachmentsRequest.FromString(each.rpc.preset).collection
            found[each.binding.template.split("/")[2]] = Owner(collection, each.rpc.owner)
    return found
