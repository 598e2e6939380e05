"""`include=owner,account`: the records that an answer refers to, beside it, so that a screen needs one request.

They are read as their own collections give them, with the caller's token: what the caller may not see is left out. A
collection whose service does not answer is named in `missing`, and the rest of the answer is there all the same.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from crm.options.v1 import options_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from crm_gateway.channels import Call, Channels, Metadata
from crm_gateway.contract import Rpc
from crm_gateway.transcode.encoder import Encode, Encoders
from crm_gateway.transcode.fields import message_of

INCLUDE = "include"
INCLUDED, MISSING = "included", "missing"
# What an answer with `include` has beside its own fields.
BESIDE = frozenset({INCLUDED, MISSING})
BATCH_GET = "/crm.resource.v1.ResourceService/BatchGetRecords"
MAX_IDS = 200
# The caller may see nothing there; that is not a failure.
_NOTHING_TO_SEE = frozenset({grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND})


@dataclass(frozen=True, slots=True)
class Reference:
    """A field with the id of another record, and the collection that has it: `owner_id` and `users`."""

    id: str
    collection: str


def references_of(record: Descriptor, collections: Collection[str]) -> dict[str, Reference]:
    """What records of a type refer to, by the word of `include`: `owner` for `owner_id`."""
    found: dict[str, Reference] = {}
    for field in record.fields:
        collection = field.GetOptions().Extensions[options_pb2.refers_to]
        if field.name.endswith("_id") and not field.is_repeated and collection in collections:
            found[field.name.removesuffix("_id")] = Reference(field.name, collection)
    return found


def batch_gets(rpcs: Iterable[Rpc]) -> dict[str, Rpc]:
    """The rpc that reads several records of a collection, by the collection."""
    return {records_field(rpc.response).name: rpc for rpc in rpcs if rpc.path == BATCH_GET}


def records_field(page: Descriptor) -> FieldDescriptor:
    """The field with the records that were read."""
    return next(field for field in page.fields if field.message_type is not None)


@dataclass(frozen=True, slots=True)
class Source:
    """How records of one collection are read and written."""

    collection: str
    request: Any
    call: Call
    encode: Encode

    async def read(self, ids: Sequence[str], metadata: Metadata, seconds: float) -> dict[str, Any] | None:
        """Those of the records that the caller may see, by id; None when there is no answer."""
        try:
            page, _ = await self.call(self.request(ids=ids), metadata, seconds)
        except grpc.aio.AioRpcError as error:
            return {} if error.code() in _NOTHING_TO_SEE else None
        return {record.id: self.encode(record) for record in getattr(page, self.collection)}


class Inclusion:
    """Reads what answers refer to."""

    def __init__(self, rpcs: Iterable[Rpc], channels: Channels) -> None:
        encoders = Encoders()
        self._sources: Mapping[str, Source] = {
            collection: Source(
                collection,
                message_factory.GetMessageClass(rpc.request),
                channels.call_of(rpc),
                encoders.of(message_of(records_field(rpc.response))),
            )
            for collection, rpc in batch_gets(rpcs).items()
        }

    async def read(
        self, references: Iterable[Reference], records: Sequence[Any], metadata: Metadata, seconds: float
    ) -> dict[str, Any]:
        """`included`, the records by collection and id, and `missing`, the collections that did not answer."""
        wanted: dict[str, dict[str, None]] = {}
        for each in references:
            ids = wanted.setdefault(each.collection, {})
            ids.update((id, None) for record in records if (id := getattr(record, each.id)))
        found = await asyncio.gather(
            *(read_all(self._sources[collection], list(ids), metadata, seconds) for collection, ids in wanted.items())
        )
        by_collection = dict(zip(wanted, found, strict=True))
        return {
            INCLUDED: {collection: records for collection, records in by_collection.items() if records is not None},
            MISSING: [collection for collection, records in by_collection.items() if records is None],
        }


async def read_all(source: Source, ids: Sequence[str], metadata: Metadata, seconds: float) -> dict[str, Any] | None:
    """The records of all ids, read as many at a time as the service takes; None when a part of them failed."""
    batches = [ids[at : at + MAX_IDS] for at in range(0, len(ids), MAX_IDS)]
    records: dict[str, Any] = {}
    for each in await asyncio.gather(*(source.read(batch, metadata, seconds) for batch in batches)):
        if each is None:
            return None
        records |= each
    return records
