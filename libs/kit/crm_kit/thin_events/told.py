"""What is told of an event."""

from collections.abc import Mapping, Set
from typing import Any

from crm.event.v1 import event_pb2

from crm_kit.thin_events.model import EventType
from crm_kit.thin_events.types import Beside, OfCollection


def data_of(
    event: event_pb2.Event, type: EventType, about: Beside | OfCollection | None = None, hidden: Set[str] = frozenset()
) -> dict[str, Any]:
    """The event as JSON has it, for who may not see some fields; of what is beside a record with both ids."""
    return {
        "id": event.id,
        "type": type.name,
        "collection": type.collection,
        **_ids(event, about),
        "version": event.aggregate_version,
        "changed_fields": [name for name in event.changed_fields if name not in hidden],
        "actor_id": event.actor_id,
        "request_id": event.request_id,
        "time": event.occur_time.ToJsonString(),
        **(about.told if isinstance(about, OfCollection) else {}),
    }


def id_of(event: event_pb2.Event, about: Beside | OfCollection | None) -> str:
    """The record that an event is told at, or the job or custom field that it is about."""
    return about.record_id if isinstance(about, Beside) else event.aggregate_id


def _ids(event: event_pb2.Event, about: Beside | OfCollection | None) -> Mapping[str, str]:
    match about:
        case None:
            return {"record_id": event.aggregate_id}
        case Beside():
            return {"record_id": about.record_id, f"{about.noun}_id": event.aggregate_id}
        case OfCollection():
            return {f"{about.noun}_id": event.aggregate_id}
