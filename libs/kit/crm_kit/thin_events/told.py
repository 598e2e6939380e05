"""What is told of an event."""

from collections.abc import Set
from typing import Any

from crm.event.v1 import event_pb2

from crm_kit.thin_events.model import EventType
from crm_kit.thin_events.types import Beside


def data_of(
    event: event_pb2.Event, type: EventType, beside: Beside | None = None, hidden: Set[str] = frozenset()
) -> dict[str, Any]:
    """The event as JSON has it, for who may not see some fields; of what is beside a record with both ids."""
    return {
        "id": event.id,
        "type": type.name,
        "collection": type.collection,
        "record_id": beside.record_id if beside else event.aggregate_id,
        **({f"{beside.noun}_id": event.aggregate_id} if beside else {}),
        "version": event.aggregate_version,
        "changed_fields": [name for name in event.changed_fields if name not in hidden],
        "actor_id": event.actor_id,
        "request_id": event.request_id,
        "time": event.occur_time.ToJsonString(),
    }
