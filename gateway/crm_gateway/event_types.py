"""The events that people are told of, as they choose by them: `order.placed` for `crm.sales.v1.OrderPlaced`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from crm.event.v1 import event_pb2
from crm.resource.v1 import comments_pb2, events_pb2
from crm_kit.resource.contract import snake
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError

from crm_gateway.contract import Contract
from crm_gateway.expansion import Collection, collections
from crm_gateway.records import messages_of

EVENTS_FILE = "/events.proto"
COMMENTED: Mapping[str, Any] = {
    each.DESCRIPTOR.full_name: each
    for each in (events_pb2.CommentCreated, events_pb2.CommentUpdated, events_pb2.CommentDeleted)
}


@dataclass(frozen=True, slots=True)
class EventType:
    """What happened to the records of a collection, which the service `owner` has."""

    name: str
    collection: str
    owner: str


@dataclass(frozen=True, slots=True)
class Concerned:
    """What an event tells of: the type of what happened, and of a comment the record that is commented."""

    type: EventType
    commented_id: str = ""


@dataclass(frozen=True)
class EventTypes:
    """All events that people are told of.

    `of_records` by the full name of the event's message; `of_comments` by that and by the collection that is commented.
    """

    of_records: Mapping[str, EventType]
    of_comments: Mapping[tuple[str, str], EventType]

    @cached_property
    def all(self) -> tuple[EventType, ...]:
        return (*self.of_records.values(), *self.of_comments.values())

    def concerned(self, event: event_pb2.Event) -> Concerned | None:
        """What an event is about; None for what is told to nobody."""
        full_name = event.payload.type_url.rpartition("/")[2]
        if found := self.of_records.get(full_name):
            return Concerned(found)
        if full_name not in COMMENTED:
            return None
        try:
            comment = COMMENTED[full_name].FromString(event.payload.value).comment
        except DecodeError:
            return None
        commented = self.of_comments.get((full_name, comment.collection))
        return None if commented is None else Concerned(commented, comment.record_id)


def event_types(contract: Contract) -> EventTypes:
    """Every event that carries a resource's record, or a comment on one."""
    resources = {each.message.full_name: each for each in collections(contract)}
    of_records = {
        event.full_name: EventType(type_name(event, found.message), found.name, found.get.owner)
        for event in messages_of(contract)
        if event.file.name.endswith(EVENTS_FILE) and (found := _record_of(event, resources)) is not None
    }
    of_comments = {
        (full_name, each.name): EventType(name, each.name, each.get.owner)
        for each in resources.values()
        if each.is_discussed
        for full_name, name in comment_types()
    }
    return EventTypes(of_records, of_comments)


def comment_types() -> Iterator[tuple[str, str]]:
    """The events that tell of comments: the full name of the message, and what the type is called."""
    for full_name, event in COMMENTED.items():
        yield full_name, type_name(event.DESCRIPTOR, comments_pb2.Comment.DESCRIPTOR)


def type_names(contract: Contract, message: Descriptor) -> list[str]:
    """The types of the events that tell of a resource's records, in the contract's order; none of what is none."""
    types = event_types(contract)
    prefix = f"{noun_of(message)}."
    own = [each for each in types.of_records.values() if each.name.startswith(prefix)]
    collection = next((each.collection for each in own), "")
    return [each.name for each in (*own, *types.of_comments.values()) if each.collection == collection]


def type_name(event: Descriptor, record: Descriptor) -> str:
    """`case.created` for `CaseCreated`, and `case.milestone_warned` for `MilestoneWarned`, which carries a case."""
    noun = noun_of(record)
    return f"{noun}.{snake(event.name).removeprefix(f'{noun}_')}"


def noun_of(record: Descriptor) -> str:
    return snake(record.name)


def _record_of(event: Descriptor, resources: Mapping[str, Collection]) -> Collection | None:
    """The resource whose record the event carries: its first, where it tells of others besides."""
    for field in event.fields:
        if field.message_type is not None and (found := resources.get(field.message_type.full_name)):
            return found
    return None
