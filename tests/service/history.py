"""Who changed what: the changes of any record, through the contract."""

from typing import TYPE_CHECKING, Any

from crm.resource.v1 import resources_pb2 as pb
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub

from tests.service.running import Running

if TYPE_CHECKING:
    from crm.resource.v1.resources_pb2_grpc import ResourceServiceAsyncStub


async def changes_of(
    service: Running, collection: str, id: str, metadata: tuple[tuple[str, str], ...], **paging: Any
) -> pb.ListRecordChangesResponse:
    """A page of the changes of a record, newest first; `paging` are page_size and page_token."""
    stub: ResourceServiceAsyncStub = ResourceServiceStub(service.channel)
    request = pb.ListRecordChangesRequest(collection=collection, id=id, **paging)
    return await stub.ListRecordChanges(request, metadata=metadata)
