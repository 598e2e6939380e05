"""What is told of an event."""

from collections.abc import Set
from typing import Any

from crm.event.v1 import event_pb2

from crm_kit.thin_events.model import EventType


def data_of(
    event: event_pb2.Event, type: EventType, commented_id: str = "", hidden: Set[str] = frozenset()
) -> dict[str, Any]:
    """The event as JSON has it, for who may not see some fields of the record; of a comment with what is commented."""
    return {
        "id": event.id,
        "type": type.name,
        "collection": type.collection,
        "record_id": commented_id or event.aggregate_id,
        **({"comment_id": event.aggregate_id} if commented_id else {}),
        "version": event.aggregate_version,
        "changed_fields": [name for name in event.changed_fields if name not in hidden],
        "actor_id": event.actor_id,
        "request_id": event.request_id,
        "time": event.occur_time.ToJsonString(),
    }
