"""`include=owner,account`: the records that an answer refers to, beside it, so that a screen needs one request.

They are read as their own collections give them, with the caller's token: what the caller may not see is left out. A
collection whose service does not answer is named in `missing`, and the rest of the answer is there all the same.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from crm.options.v1 import options_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from crm_gateway.channels import Call, Channels, Metadata
from crm_gateway.contract import Rpc
from crm_gateway.problems import LabelsOf, without_labels
from crm_gateway.protojson.encoder import Encode, Encoders
from crm_gateway.protojson.fields import message_of
from crm_gateway.records import collection_name
from crm_gateway.texts.catalogue import Language
from crm_gateway.translation.actions import translate_actions
from crm_gateway.translation.answers import Translate, translator

INCLUDE = "include"
INCLUDED, MISSING = "included", "missing"
# What an answer with `include` has beside its own fields.
BESIDE = frozenset({INCLUDED, MISSING})
ACTIONS = "actions"
BATCH_GET = "/crm.resource.v1.ResourceService/BatchGetRecords"
BATCH_ACTIONS = "/crm.resource.v1.ResourceService/BatchGetRecordActions"
MAX_IDS, MAX_ACTION_IDS = 200, 50
# The caller may see nothing there; that is not a failure.
_NOTHING_TO_SEE = frozenset({grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND})


@dataclass(frozen=True, slots=True)
class Reference:
    """A field with the id of another record, and the collection that has it: `owner_id` and `users`.

    What can be done with a record is found by its own id: `id` and `actions`, `of` the collection that it is in.
    """

    id: str
    collection: str
    of: str = ""


def references_of(record: Descriptor, collections: Collection[str]) -> dict[str, Reference]:
    """What records of a type refer to, by the word of `include`: `owner` for `owner_id`."""
    found: dict[str, Reference] = {}
    for field in record.fields:
        collection = field.GetOptions().Extensions[options_pb2.refers_to]
        if field.name.endswith("_id") and not field.is_repeated and collection in collections:
            found[field.name.removesuffix("_id")] = Reference(field.name, collection)
    if (own := collection_name(record)) in collections and "id" in record.fields_by_name:
        found[ACTIONS] = Reference("id", ACTIONS, own)
    return found


def batch_actions(rpcs: Iterable[Rpc]) -> dict[str, Rpc]:
    """The rpc that says what can be done with several records of a collection, by the collection."""
    return {
        rpc.bindings[0].template.removeprefix("/v1/").partition(":")[0].replace("-", "_"): rpc
        for rpc in rpcs
        if rpc.path == BATCH_ACTIONS
    }


def batch_gets(rpcs: Iterable[Rpc]) -> dict[str, Rpc]:
    """The rpc that reads several records of a collection, by the collection."""
    return {records_field(rpc.response).name: rpc for rpc in rpcs if rpc.path == BATCH_GET}


def records_field(page: Descriptor) -> FieldDescriptor:
    """The field with the records that were read."""
    return next(field for field in page.fields if field.message_type is not None)


@dataclass(frozen=True, slots=True)
class Found:
    """Messages of so many bytes, as they were read, and what makes JSON values of them: it may take a while."""

    size: int = 0
    values: Callable[[], dict[str, Any]] = dict


@dataclass(frozen=True, slots=True)
class Source:
    """How records of one collection are read and written."""

    collection: str
    request: Any
    call: Call
    encode: Encode
    max_ids: int = MAX_IDS
    # Puts what the records say in words into the caller's language; None where they say nothing in words.
    translate: Translate | None = None
    labels_of: LabelsOf = without_labels

    async def read(self, ids: Sequence[str], metadata: Metadata, seconds: float, language: Language) -> Found | None:
        """Those of the records that the caller may see, by id; None when there is no answer."""
        try:
            reply = await self.call(self.request(ids=ids), metadata, seconds)
        except grpc.aio.AioRpcError as error:
            return Found() if error.code() in _NOTHING_TO_SEE else None
        return Found(reply.size, partial(self._values, reply.message, language))

    def _values(self, page: Any, language: Language) -> dict[str, Any]:
        if self.translate is not None:
            self.translate(page, language, self.labels_of)
        return {record.id: self.encode(record) for record in getattr(page, self.collection)}


@dataclass(frozen=True, slots=True)
class ActionSource:
    """How it is read and told what can be done with records of one collection."""

    request: Any
    call: Call
    encode: Encode
    labels_of: LabelsOf
    max_ids: int = MAX_ACTION_IDS

    async def read(self, ids: Sequence[str], metadata: Metadata, seconds: float, language: Language) -> Found | None:
        """The actions on each record that the caller may see, by id; None when there is no answer."""
        try:
            reply = await self.call(self.request(ids=ids), metadata, seconds)
        except grpc.aio.AioRpcError as error:
            return Found() if error.code() in _NOTHING_TO_SEE else None
        return Found(reply.size, partial(self._values, reply.message, language))

    def _values(self, page: Any, language: Language) -> dict[str, Any]:
        for each in page.record_actions:
            translate_actions(each, language, self.labels_of)
        return {each.id: self.encode(each)[ACTIONS] for each in page.record_actions}


class Inclusion:
    """Reads what answers refer to."""

    def __init__(self, rpcs: Collection[Rpc], channels: Channels, labels_of: LabelsOf) -> None:
        encoders = Encoders()
        self._actions = {
            collection: ActionSource(
                message_factory.GetMessageClass(rpc.request),
                channels.call_of(rpc),
                encoders.of(message_of(rpc.response.fields_by_name["record_actions"])),
                labels_of,
            )
            for collection, rpc in batch_actions(rpcs).items()
        }
        self._sources: Mapping[str, Source] = {
            collection: Source(
                collection,
                message_factory.GetMessageClass(rpc.request),
                channels.call_of(rpc),
                encoders.of(message_of(records_field(rpc.response))),
                translate=translator(rpc.response),
                labels_of=labels_of,
            )
            for collection, rpc in batch_gets(rpcs).items()
        }

    async def read(
        self,
        references: Iterable[Reference],
        records: Sequence[Any],
        metadata: Metadata,
        seconds: float,
        language: Language,
    ) -> Found:
        """`included`, the records by collection and id, and `missing`, the collections that did not answer.

        What can be done with the records of the answer themselves stands under `actions`.
        """
        wanted: dict[str, dict[str, None]] = {}
        sources: dict[str, Source | ActionSource] = {}
        for each in references:
            ids = wanted.setdefault(each.collection, {})
            ids.update((id, None) for record in records if (id := getattr(record, each.id)))
            sources[each.collection] = self._actions[each.of] if each.of else self._sources[each.collection]
        found = await asyncio.gather(
            *(read_all(sources[name], list(ids), metadata, seconds, language) for name, ids in wanted.items())
        )
        by_collection = dict(zip(wanted, found, strict=True))
        return Found(sum(each.size for each in found if each is not None), partial(_beside, by_collection))


def _beside(found: Mapping[str, Found | None]) -> dict[str, Any]:
    return {
        INCLUDED: {collection: records.values() for collection, records in found.items() if records is not None},
        MISSING: [collection for collection, records in found.items() if records is None],
    }


async def read_all(
    source: Source | ActionSource, ids: Sequence[str], metadata: Metadata, seconds: float, language: Language = "en"
) -> Found | None:
    """What there is of all ids, read as many at a time as the service takes; None when a part of them failed."""
    batches = [ids[at : at + source.max_ids] for at in range(0, len(ids), source.max_ids)]
    found = await asyncio.gather(*(source.read(batch, metadata, seconds, language) for batch in batches))
    read = [each for each in found if each is not None]
    if len(read) < len(found):
        return None
    return Found(sum(each.size for each in read), partial(_joined, read))


def _joined(parts: Sequence[Found]) -> dict[str, Any]:
    return {id: record for part in parts for id, record in part.values().items()}
