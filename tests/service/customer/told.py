"""What the service has told of a record, by its outbox and by its history."""

from typing import Any
from uuid import UUID

from crm.event.v1 import event_pb2
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_kit.database.statements import statement
from crm_kit.plumbing import outbox
from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from sqlalchemy import Select, bindparam, select

from tests.service.running import Running, User


async def events_of(customer: Running, tenant_id: UUID, id: str) -> list[event_pb2.Event]:
    """The events of a record in their order: one for each of its versions."""
    async with customer.unit_of_work(tenant_id) as work:
        rows = await work.all(events_of_aggregate(), aggregate_id=UUID(id))
    found = [event_pb2.Event.FromString(row["event"]) for row in rows]
    # Of an import the list of jobs tells, too, under the same id.
    events = [each for each in found if each.aggregate_type == found[0].aggregate_type]
    assert [event.aggregate_version for event in events] == list(range(1, len(events) + 1))
    return events


async def told_of(customer: Running, tenant_id: UUID, id: str) -> list[Message]:
    """What these events say."""
    return [payload_of(event) for event in await events_of(customer, tenant_id, id)]


async def as_of(customer: Running, by: User, collection: str, told: Any) -> Message:
    """A record as it was when this was told of it, by its history."""
    request = resources_pb2.GetRecordAsOfRequest(collection=collection, id=told.id, read_time=told.update_time)
    record = await ResourceServiceStub(customer.channel).GetRecordAsOf(request, metadata=by.metadata)
    kind: type[Message] = type(told)
    # A record is on the wire what the resource's own message is.
    return kind.FromString(record.SerializeToString())


def payload_of(event: event_pb2.Event) -> Message:
    """The payload, as the message that it is."""
    kind = GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(event.payload.TypeName()))
    return kind.FromString(event.payload.value)


@statement
def events_of_aggregate() -> Select[tuple[bytes]]:
    return (
        select(outbox.c.event)
        .where(outbox.c.tenant_id == bindparam("tenant_id"), outbox.c.aggregate_id == bindparam("aggregate_id"))
        .order_by(outbox.c.aggregate_version)
    )
