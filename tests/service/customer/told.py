"""What the service has told of a record, read from its outbox."""

from uuid import UUID

from crm.event.v1 import event_pb2
from crm_kit.database.statements import statement
from crm_kit.plumbing import outbox
from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from sqlalchemy import Select, bindparam, select

from tests.service.running import Running


async def events_of(customer: Running, tenant_id: UUID, id: str) -> list[event_pb2.Event]:
    """The events of a record in their order: one for each of its versions."""
    async with customer.unit_of_work(tenant_id) as work:
        rows = await work.all(events_of_aggregate(), aggregate_id=UUID(id))
    events = [event_pb2.Event.FromString(row["event"]) for row in rows]
    assert [event.aggregate_version for event in events] == list(range(1, len(events) + 1))
    return events


async def told_of(customer: Running, tenant_id: UUID, id: str) -> list[Message]:
    """What these events say."""
    return [payload_of(event) for event in await events_of(customer, tenant_id, id)]


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
