"""An event leaves only through the outbox row of the transaction that made it true."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from crm.event.v1 import event_pb2
from google.protobuf import any_pb2
from google.protobuf.message import Message

from crm_kit.database.work import UnitOfWork
from crm_kit.errors import InvalidArgument
from crm_kit.events.subjects import subject_of
from crm_kit.ids import new_id
from crm_kit.plumbing import outbox
from crm_kit.telemetry import current
from crm_kit.wire import timestamp

TYPE_URL = "type.googleapis.com/"
MAX_EVENT_BYTES = 1_000_000
"""What every broker takes: NATS allows 1 MiB with headers, unless it is configured otherwise."""


def emit(
    work: UnitOfWork,
    payload: Message,
    *,
    aggregate_type: str,
    id: UUID,
    version: int,
    changed_fields: Sequence[str] = (),
) -> None:
    """Gather an event: it becomes true with the unit_of_work, and the relay is woken.

    InvalidArgument when it would be larger than a broker takes.
    """
    full_name, request = payload.DESCRIPTOR.full_name, current.get()
    event = event_pb2.Event(
        id=str(event_id := new_id()),
        tenant_id=str(work.tenant_id),
        actor_id=str(work.actor.user_id),
        aggregate_type=aggregate_type,
        aggregate_id=str(id),
        aggregate_version=version,
        occur_time=timestamp(work.now),
        trace_parent=request.trace_parent,
        causes=work.causes,
        payload=any_pb2.Any(type_url=TYPE_URL + full_name, value=payload.SerializeToString()),
        request_id=request.request_id,
        changed_fields=changed_fields,
    )
    data = event.SerializeToString()
    if len(data) > MAX_EVENT_BYTES:
        raise too_large(aggregate_type, len(data))
    work.insert(
        outbox,
        {
            "id": event_id,
            "subject": subject_of(full_name, work.tenant_id),
            "aggregate_id": id,
            "aggregate_version": version,
            "event": data,
        },
    )
    work.wakes_relay = True


def too_large(aggregate_type: str, size: int) -> InvalidArgument:
    """The error for a record that no event can carry."""
    return InvalidArgument(
        f"{aggregate_type}: has {size} bytes with all its fields, at most {MAX_EVENT_BYTES} are possible",
        reason="RECORD_TOO_LARGE",
        metadata={"bytes": str(size), "max_bytes": str(MAX_EVENT_BYTES)},
    )


def event_of(data: bytes) -> Any:
    """The envelope back from its row or message."""
    return event_pb2.Event.FromString(data)
