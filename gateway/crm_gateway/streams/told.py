"""Events as streams tell them: who did what to which record, and not the record."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cached_property

import orjson
from crm.event.v1 import event_pb2
from crm_kit.events.subjects import subject_of
from crm_kit.thin_events.model import EventType
from crm_kit.thin_events.told import data_of, id_of
from crm_kit.thin_events.types import Beside, EventTypes, OfCollection
from google.protobuf.message import DecodeError

from crm_gateway.streams.places import Place

Event = event_pb2.Event
NOTHING_HIDDEN: Set[str] = frozenset()


@dataclass(frozen=True)
class Told:
    """An event of a tenant, and the place behind it."""

    place: Place
    type: EventType
    event: Event
    # What it is about, where the event is not a record's own.
    about: Beside | OfCollection | None = None

    @property
    def record_id(self) -> str:
        """The record that it is told at; or the job or custom field, which no record has the id of."""
        return id_of(self.event, self.about)

    def frame(self, hidden: Set[str]) -> bytes:
        """As the stream has it, for who may not see some fields of the record."""
        if hidden.isdisjoint(self.event.changed_fields):
            return self._whole
        return self._written(hidden)

    @cached_property
    def _whole(self) -> bytes:
        # Mostly many streams tell the same.
        return self._written(NOTHING_HIDDEN)

    def _written(self, hidden: Set[str]) -> bytes:
        return frame(self.type.name, data_of(self.event, self.type, self.about, hidden), self.place)


def frame(name: str, data: Mapping[str, object], place: Place | None = None) -> bytes:
    """An event of a stream, by which its reader knows how far it has come where a place is given."""
    id = b"" if place is None else b"id: %s\n" % place.text.encode()
    return b"%sevent: %s\ndata: %s\n\n" % (id, name.encode(), orjson.dumps(data))


def event_of(subject: str, data: bytes) -> Event | None:
    """The event in a message of the broker; None for what is none, or was put on the subject of others."""
    try:
        event = Event.FromString(data)
        on = subject_of(full_name_of(event), event.tenant_id)
    except (DecodeError, ValueError):
        return None
    return event if subject == on else None


def told_of(event: Event, place: Place, types: EventTypes) -> Told | None:
    """What is told of an event; None for what is not of a record that somebody could read. Its payload is given up."""
    found = types.concerned(event)
    if found is None:
        return None
    # Told is what can be told by itself: what was in the record is for who reads it, with their rights.
    event.ClearField("payload")
    # What is cleared of a message keeps its room until the message goes, and many events may wait to be told.
    without_payload = Event()
    without_payload.CopyFrom(event)
    return Told(place, found.type, without_payload, found.about)


def full_name_of(event: Event) -> str:
    """The full name of the payload's type."""
    return event.payload.type_url.rpartition("/")[2]
