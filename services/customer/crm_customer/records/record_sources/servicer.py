"""SourceValueService: from message to command or query and back, nothing else."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import source_values_pb2 as pb
from crm_kit.change_proposals.queries import value_now
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.resource.label import Shown
from crm_kit.resource.values import from_value
from crm_kit.wire import time_from
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.contacts.resource import CONTACTS
from crm_customer.records.record_sources import commands
from crm_customer.records.source_values.keeping import AnyResource
from crm_customer.records.source_values.model import SourceValue, agrees
from crm_customer.records.source_values.queries import standing_of
from crm_customer.records.source_values.wire import value_to_pb


class SourceValueServicer:
    contract = pb.DESCRIPTOR.services_by_name["SourceValueService"]

    async def GetAccountSourceValues(
        self, request: pb.GetAccountSourceValuesRequest, reader: Reader
    ) -> pb.RecordSourceValues:
        return await told(reader, ACCOUNTS, UUID(request.id))

    async def StateAccountSourceValues(
        self, request: pb.StateAccountSourceValuesRequest, work: UnitOfWork
    ) -> pb.RecordSourceValues:
        return await stated(work, ACCOUNTS, request, events.AccountSourcesChanged)

    async def WithdrawAccountSourceValue(
        self, request: pb.WithdrawAccountSourceValueRequest, work: UnitOfWork
    ) -> Empty:
        await withdrawn(work, ACCOUNTS, request, "accounts.write", events.AccountSourcesChanged)
        return Empty()

    async def GetContactSourceValues(
        self, request: pb.GetContactSourceValuesRequest, reader: Reader
    ) -> pb.RecordSourceValues:
        return await told(reader, CONTACTS, UUID(request.id))

    async def StateContactSourceValues(
        self, request: pb.StateContactSourceValuesRequest, work: UnitOfWork
    ) -> pb.RecordSourceValues:
        return await stated(work, CONTACTS, request, events.ContactSourcesChanged)

    async def WithdrawContactSourceValue(
        self, request: pb.WithdrawContactSourceValueRequest, work: UnitOfWork
    ) -> Empty:
        await withdrawn(work, CONTACTS, request, "contacts.write", events.ContactSourcesChanged)
        return Empty()


async def told(reader: Reader, resource: AnyResource, id: UUID) -> pb.RecordSourceValues:
    """What sources say of a record that the caller may read."""
    record = await resource.get(reader, id)
    await resource.note(reader, [resource.message_of(record)], Shown.RECORD)
    return to_pb(resource, record, await standing_of(reader, resource.collection, id))


async def stated(work: UnitOfWork, resource: AnyResource, request: Any, event: type[Message]) -> pb.RecordSourceValues:
    """The same after somebody has said what a source says."""
    record, values = await commands.state_values(
        work,
        resource,
        UUID(request.id),
        {path: from_value(value) for path, value in request.values.items()},
        source=request.source.strip(),
        proof=request.proof.strip() or None,
        observed_time=time_from(request.observed_time) if request.HasField("observed_time") else None,
        event=event,
    )
    await resource.note(work, [resource.message_of(record)], Shown.RECORD)
    return to_pb(resource, record, values)


async def withdrawn(
    work: UnitOfWork, resource: AnyResource, request: Any, permission: str, event: type[Message]
) -> None:
    """Have a source say nothing more."""
    id, value_id = UUID(request.id), UUID(request.source_value_id)
    await commands.withdraw_value(work, resource, id, value_id, permission=permission, event=event)


def to_pb(resource: AnyResource, record: Any, values: Sequence[SourceValue]) -> pb.RecordSourceValues:
    """What sources say beside what the record has; what is hidden from the caller goes when the answer is whole."""
    found = [value_to_pb(each, agrees=agrees(each.value, value_now(resource, record, each.field))) for each in values]
    return pb.RecordSourceValues(collection=resource.collection, record_id=str(record.id), source_values=found)
