"""ResourceService: what every declared resource offers, by the name of its collection."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from crm.resource.v1 import resources_pb2 as pb
from google.protobuf.message import Message

from crm_kit.custom_fields.definitions import catalogue_of
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.paging import PageTokens
from crm_kit.resource.actions import Action, Approving
from crm_kit.resource.concealing import conceal
from crm_kit.resource.facets import count_values
from crm_kit.resource.hiding import hide_archived
from crm_kit.resource.names import Names
from crm_kit.resource.permitted import actions_on
from crm_kit.resource.referred import referred_in
from crm_kit.resource.summary_wire import named_values, summarized
from crm_kit.resource.withholding import Withholding
from crm_kit.resource.writing import Resource
from crm_kit.wire import time_from

AnyResource = Resource[Any, Any]
# Which jobs or custom fields of a collection a reader may see, by their ids.
ReadablePart = Callable[[Reader, str, Collection[UUID]], Awaitable[Collection[UUID]]]


class ResourceServicer:
    # The pipeline gives each reader the scope of the collection's own permission.
    contract = pb.DESCRIPTOR.services_by_name["ResourceService"]

    def __init__(
        self,
        resources: Iterable[AnyResource],
        names: Names,
        withholding: Withholding,
        approving: Approving,
        tokens: PageTokens,
        parts: Mapping[str, ReadablePart],
    ) -> None:
        """`parts` are what collections have as a whole, by how `BatchCheckRecords` names them."""
        self._resources = {each.collection: each for each in resources}
        self._parts = parts
        self._names = names
        self._withholding = withholding
        self._approving = approving
        self._tokens = tokens

    async def BatchGetRecords(self, request: pb.BatchGetRecordsRequest, reader: Reader) -> pb.BatchGetRecordsResponse:
        resource = self._asked(request)
        # One id in two spellings is one record.
        ids = {str(UUID(id)): id for id in request.ids}
        found = await resource.read_many(reader, ids)
        await self._names.fill_in(reader, resource.message_type, list(found.values()))
        await hide_archived(reader, list(found.values()))
        await self._withholding.withhold(reader, list(found.values()))
        conceal(reader.actor.access, list(found.values()))
        return pb.BatchGetRecordsResponse(
            records=[as_record(found[id]) for id in ids if id in found],
            missing_ids=[asked for id, asked in ids.items() if id not in found],
        )

    async def BatchCheckRecords(
        self, request: pb.BatchCheckRecordsRequest, reader: Reader
    ) -> pb.BatchCheckRecordsResponse:
        resource = self._asked(request)
        # One id in two spellings is one record.
        ids = {UUID(id): id for id in request.ids}
        found: Mapping[UUID, Collection[str]]
        if request.part:
            found = dict.fromkeys(await self._parts[request.part](reader, resource.collection, ids), ())
        else:
            found = await resource.readable(reader, ids)
        return pb.BatchCheckRecordsResponse(
            readable=[
                pb.BatchCheckRecordsResponse.Readable(id=asked, hidden_fields=sorted(found[id]))
                for id, asked in ids.items()
                if id in found
            ]
        )

    async def GetRecordAsOf(self, request: pb.GetRecordAsOfRequest, reader: Reader) -> Message:
        resource = self._asked(request)
        shown: Message = await resource.as_of(reader, request.id, time_from(request.read_time))
        await self._names.fill_in(reader, resource.message_type, [shown])
        await hide_archived(reader, [shown])
        await self._withholding.withhold(reader, [shown])
        conceal(reader.actor.access, [shown])
        return shown

    async def ListRecordChanges(
        self, request: pb.ListRecordChangesRequest, reader: Reader
    ) -> pb.ListRecordChangesResponse:
        resource = self._asked(request)
        page = await resource.list_changes(reader, request, pb.ListRecordChangesResponse, self._tokens)
        await self._withholding.withhold_from_changes(reader, resource, request.id, page.changes)
        custom = await catalogue_of(reader.database).of(reader, resource.collection)
        for collection, ids in referred_in(resource.message_type.DESCRIPTOR, custom, page.changes).items():
            page.names.update(await self._names.by_id(reader, collection, ids))
        return page

    async def SummarizeRecords(
        self, request: pb.SummarizeRecordsRequest, reader: Reader
    ) -> pb.SummarizeRecordsResponse:
        resource = self._asked(request)
        return await summarized(
            resource,
            self._names,
            reader,
            request,
            measures=request.measures,
            order_by=request.order_by,
            limit=request.limit,
        )

    async def CountRecords(self, request: pb.CountRecordsRequest, reader: Reader) -> pb.CountRecordsResponse:
        resource = self._asked(request)
        count = await resource.labels.count(reader, request.filter)
        return pb.CountRecordsResponse(count=count.total, exact=count.exact)

    async def CountRecordValues(
        self, request: pb.CountRecordValuesRequest, reader: Reader
    ) -> pb.CountRecordValuesResponse:
        resource = self._asked(request)
        counted = await count_values(resource, reader, request.field, filter=request.filter, limit=request.limit)
        return pb.CountRecordValuesResponse(
            values=await named_values(resource, self._names, reader, request.field, counted),
            unset_count=counted.unset,
            total_count=counted.total,
            truncated=counted.truncated,
            exact=counted.exact,
        )

    async def GetRecordActions(self, request: pb.GetRecordActionsRequest, reader: Reader) -> pb.RecordActions:
        resource = self._asked(request)
        record = await resource.get(reader, UUID(request.id))
        (actions,) = await self._actions_on(resource, [record], reader)
        return record_actions_to_pb(record, actions)

    async def BatchGetRecordActions(
        self, request: pb.BatchGetRecordActionsRequest, reader: Reader
    ) -> pb.BatchGetRecordActionsResponse:
        resource = self._asked(request)
        # One id in two spellings is one record.
        ids = {UUID(id): id for id in request.ids}
        found = await resource.get_many(reader, ids)
        records = [found[id] for id in ids if id in found]
        actions = await self._actions_on(resource, records, reader)
        return pb.BatchGetRecordActionsResponse(
            record_actions=map(record_actions_to_pb, records, actions),
            missing_ids=[asked for id, asked in ids.items() if id not in found],
        )

    async def _actions_on(self, resource: AnyResource, records: Sequence[Any], reader: Reader) -> list[list[Action]]:
        return await actions_on(resource, records, reader, await self._approving.needs(resource.collection, reader))

    def permission_of(self, request: Any) -> str:
        """What a request needs: the permission to read the collection that it names."""
        return self._asked(request).permission

    def _asked(self, request: Any) -> AnyResource:
        """The resource of the collection that a request names; NotFound when it is not served here."""
        resource = self._resources.get(request.collection)
        if resource is None:
            raise NotFound(f"there is no collection {request.collection!r} here", reason="COLLECTION_NOT_FOUND")
        return resource


def as_record(message: Message) -> pb.Record:
    """A resource's message in place of a Record: the same bytes."""
    return pb.Record.FromString(message.SerializeToString())


def record_actions_to_pb(record: Any, actions: Iterable[Action]) -> pb.RecordActions:
    return pb.RecordActions(id=str(record.id), actions=map(action_to_pb, actions))


def action_to_pb(action: Action) -> pb.RecordActions.Action:
    return pb.RecordActions.Action(
        rpc=action.verb.rpc,
        verb=action.verb.name,
        allowed=not action.reason,
        reason=action.reason,
        detail=action.detail,
        metadata=action.metadata,
        approval=pb.RecordActions.Approval.Value(f"APPROVAL_{action.approval}"),
    )
