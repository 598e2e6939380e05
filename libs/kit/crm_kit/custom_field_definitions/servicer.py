"""CustomFieldService: from message to command or query and back, for the collections of one service."""

from collections.abc import Iterable
from typing import Any

from crm.resource.v1 import custom_fields_pb2 as pb

from crm_kit.custom_field_definitions import commands
from crm_kit.custom_field_definitions.commands import get_custom_field
from crm_kit.custom_field_definitions.resource import CUSTOM_FIELDS, OF_COLLECTION
from crm_kit.custom_field_definitions.retyping import retype_custom_field
from crm_kit.custom_fields.model import FieldType, Option
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import NotFound
from crm_kit.listing import PageOf
from crm_kit.paging import PageTokens
from crm_kit.resource.codecs import value_in, values_in
from crm_kit.resource.writing import Resource

WRITE = "custom_fields.write"
READS = (pb.GetCustomFieldRequest, pb.ListCustomFieldsRequest, pb.ListCustomFieldChangesRequest)
AnyResource = Resource[Any, Any]


class CustomFieldServicer:
    contract = pb.DESCRIPTOR.services_by_name["CustomFieldService"]

    def __init__(self, resources: Iterable[AnyResource], tokens: PageTokens) -> None:
        self._resources = {each.collection: each for each in resources if each.has_custom}
        self._tokens = tokens

    async def CreateCustomField(self, request: pb.CreateCustomFieldRequest, work: UnitOfWork) -> pb.CustomField:
        values = CUSTOM_FIELDS.values_of(request.custom_field)
        return CUSTOM_FIELDS.message(work, await commands.create_custom_field(work, request.collection, values))

    async def GetCustomField(self, request: pb.GetCustomFieldRequest, reader: Reader) -> pb.CustomField:
        return CUSTOM_FIELDS.message(reader, await get_custom_field(reader, request.collection, request.id))

    async def ListCustomFields(
        self, request: pb.ListCustomFieldsRequest, reader: Reader
    ) -> pb.ListCustomFieldsResponse:
        asked = PageOf(request.page_size, request.page_token, request.filter)
        response, of = pb.ListCustomFieldsResponse, {"collection": request.collection}
        return await CUSTOM_FIELDS.list(reader, asked, response, self._tokens, listing=OF_COLLECTION, binds=of)

    async def UpdateCustomField(self, request: pb.UpdateCustomFieldRequest, work: UnitOfWork) -> pb.CustomField:
        await get_custom_field(work, request.collection, request.custom_field.id)
        before, values = await CUSTOM_FIELDS.to_update(work, request)
        return CUSTOM_FIELDS.message(work, await commands.update_custom_field(work, before, values))

    async def ArchiveCustomField(
        self, request: pb.ArchiveCustomFieldRequest, work: UnitOfWork
    ) -> pb.ArchiveCustomFieldResponse:
        before = await get_custom_field(work, request.collection, request.id, etag=request.etag)
        field, count = await commands.archive_custom_field(work, before)
        return pb.ArchiveCustomFieldResponse(custom_field=CUSTOM_FIELDS.message(work, field), record_count=count)

    async def RestoreCustomField(self, request: pb.RestoreCustomFieldRequest, work: UnitOfWork) -> pb.CustomField:
        before = await get_custom_field(work, request.collection, request.id, etag=request.etag)
        return CUSTOM_FIELDS.message(work, await commands.restore_custom_field(work, before))

    async def RetypeCustomField(
        self, request: pb.RetypeCustomFieldRequest, work: UnitOfWork
    ) -> pb.RetypeCustomFieldResponse:
        before = await get_custom_field(work, request.collection, request.id, etag=request.etag)
        type, options = value_in(request, "type", FieldType), values_in(request, "options", Option)
        after = before.retype(type, options=options)
        field, count = await retype_custom_field(work, self._asked(request), before, after)
        return pb.RetypeCustomFieldResponse(custom_field=CUSTOM_FIELDS.message(work, field), record_count=count)

    async def ListCustomFieldChanges(
        self, request: pb.ListCustomFieldChangesRequest, reader: Reader
    ) -> pb.ListCustomFieldChangesResponse:
        await get_custom_field(reader, request.collection, request.id)
        return await CUSTOM_FIELDS.list_changes(reader, request, pb.ListCustomFieldChangesResponse, self._tokens)

    def permission_of(self, request: Any) -> str:
        """What a request needs: to read the collection that it names, or to change its custom fields."""
        resource = self._asked(request)
        return resource.permission if isinstance(request, READS) else WRITE

    def _asked(self, request: Any) -> AnyResource:
        """The resource whose custom fields a request is about; NotFound when there is none here."""
        resource = self._resources.get(request.collection)
        if resource is None:
            raise NotFound(f"{request.collection!r} have no custom fields here", reason="COLLECTION_NOT_FOUND")
        return resource
