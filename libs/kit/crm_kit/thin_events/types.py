"""The events that people and programs are told of, by names such as `order.placed` for `crm.sales.v1.OrderPlaced`.

Read from the contracts of all services, so that whoever tells of events tells of the same.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from crm.event.v1 import event_pb2
from crm.options.v1 import options_pb2
from crm.resource.v1 import events_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import DecodeError, Message

from crm_kit.image import read_image
from crm_kit.resource.contract import snake
from crm_kit.thin_events.model import CUSTOM_FIELDS, JOBS, EventType

EVENTS_FILE = "/events.proto"
# Events of what is beside a record, each with the field that has it, which names the record.
_EVENTS_BESIDE: Mapping[str, tuple[type[Message], ...]] = {
    "comment": (events_pb2.CommentCreated, events_pb2.CommentUpdated, events_pb2.CommentDeleted),
    "attachment": (events_pb2.AttachmentAdded, events_pb2.AttachmentMoved, events_pb2.AttachmentDeleted),
    "change_proposal": (
        events_pb2.ChangeProposalCreated,
        events_pb2.ChangeProposalAccepted,
        events_pb2.ChangeProposalDeclined,
        events_pb2.ChangeProposalWithdrawn,
        events_pb2.ChangeProposalSuperseded,
        events_pb2.ChangeProposalEscalated,
    ),
    "task": (
        events_pb2.TaskCreated,
        events_pb2.TaskUpdated,
        events_pb2.TaskCompleted,
        events_pb2.TaskCancelled,
        events_pb2.TaskReopened,
        events_pb2.TaskOverdue,
    ),
    "approval": (
        events_pb2.ApprovalSubmitted,
        events_pb2.ApprovalOpinionGiven,
        events_pb2.ApprovalOverdue,
        events_pb2.ApprovalDueTimeChanged,
        events_pb2.ApprovalReassigned,
        events_pb2.ApprovalApproved,
        events_pb2.ApprovalRejected,
        events_pb2.ApprovalWithdrawn,
        events_pb2.ApprovalOutdated,
    ),
}
# Events of what a collection has as a whole, each with the field that has it, which names the collection.
_EVENTS_OF_COLLECTIONS: Mapping[str, tuple[type[Message], ...]] = {
    "job": (events_pb2.JobCreated, events_pb2.JobStarted, events_pb2.JobAdvanced, events_pb2.JobEnded),
    "custom_field": (
        events_pb2.CustomFieldCreated,
        events_pb2.CustomFieldUpdated,
        events_pb2.CustomFieldArchived,
        events_pb2.CustomFieldRestored,
        events_pb2.CustomFieldRetyped,
    ),
}
_PARTS: Mapping[str, str] = {"job": JOBS, "custom_field": CUSTOM_FIELDS}
# What is told of it: how it stands. What a job is to do, and to which records, may speak of hidden fields.
_TOLD: Mapping[str, tuple[str, ...]] = {
    "job": (
        "kind",
        "verb",
        "state",
        "total_count",
        "done_count",
        "changed_count",
        "unchanged_count",
        "failed_count",
        "skipped_count",
    ),
    "custom_field": ("key", "state"),
}
# The events that are told with a look at what they carry.
CARRYING: Mapping[str, tuple[Any, str]] = {
    each.DESCRIPTOR.full_name: (each, place)
    for place, events in (*_EVENTS_BESIDE.items(), *_EVENTS_OF_COLLECTIONS.items())
    for each in events
}
# By it people say who reads what they keep.
VISIBILITY = "visibility"
# What every service has of its own, such as custom fields: no records that people work with.
OF_EVERY_SERVICE = "crm.resource.v1"


@dataclass(frozen=True, slots=True)
class Resource:
    """What a contract says of a resource: the name of its message, and what `EventType` has of it."""

    noun: str
    collection: str
    owner: str
    permission: str
    withheld: tuple[tuple[str, str], ...]
    # What is told of beside its records: comments, tasks, attachments, change proposals, approvals.
    beside: frozenset[str]
    # What is told of it as a whole: jobs and custom fields.
    parts: frozenset[str]
    may_be_private: bool


@dataclass(frozen=True, slots=True)
class Beside:
    """What is beside a record, such as a `comment`, a `task`, an `attachment` or an `approval`; the record's id."""

    noun: str
    record_id: str


@dataclass(frozen=True, slots=True)
class OfCollection:
    """What a collection has as a whole, a `job` or a `custom_field`: what is told of it besides its id.

    `is_own`: only whose it is reads it, whatever others may read, as of imports among jobs.
    """

    noun: str
    told: Mapping[str, Any]
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Concerned:
    """What an event tells of: the type of what happened, and where it is not to a record, about what."""

    type: EventType
    about: Beside | OfCollection | None = None


@dataclass(frozen=True)
class EventTypes:
    """All events that people and programs are told of.

    `of_records` by the full name of the event's message; `of_others`, of what is beside records and of collections as a
    whole, by that and by the collection.
    """

    of_records: Mapping[str, EventType]
    of_others: Mapping[tuple[str, str], EventType]

    @cached_property
    def all(self) -> tuple[EventType, ...]:
        return (*self.of_records.values(), *self.of_others.values())

    def concerned(self, event: event_pb2.Event) -> Concerned | None:
        """What an event is about; None for what is told to nobody."""
        full_name = event.payload.type_url.rpartition("/")[2]
        if found := self.of_records.get(full_name):
            return Concerned(found)
        if full_name not in CARRYING:
            return None
        message, place = CARRYING[full_name]
        try:
            told = getattr(message.FromString(event.payload.value), place)
        except DecodeError:
            return None
        type = self.of_others.get((full_name, told.collection))
        if type is None:
            return None
        return Concerned(type, _of_collection(place, told) if type.part else Beside(place, told.record_id))


@cache
def known_event_types() -> EventTypes:
    """Those of all services, as `event_types`."""
    return event_types(read_image().file)


def event_types(files: Iterable[FileDescriptorProto]) -> EventTypes:
    """Every event that carries a resource's record, or what is beside one, in the contract's order."""
    files = list(files)
    messages = {f".{file.package}.{each.name}": each for file in files for each in file.message_type}
    resources = dict(found for file in files for found in _resources(file, messages))
    of_records = {
        f"{file.package}.{event.name}": _type_of(event, record)
        for file in files
        if file.name.endswith(EVENTS_FILE)
        for event in file.message_type
        if (record := _record_of(event, resources)) is not None
    }
    of_others = {
        (full_name, each.collection): EventType(
            type_name(event.DESCRIPTOR.name, event.DESCRIPTOR.fields_by_name[place].message_type.name),
            each.collection,
            each.owner,
            each.permission,
            may_be_private=each.may_be_private and place in each.beside,
            part=_PARTS[place] if place in each.parts else "",
        )
        for each in resources.values()
        for full_name, (event, place) in CARRYING.items()
        if place in each.beside | each.parts
    }
    return EventTypes(of_records, of_others)


def type_name(event: str, record: str) -> str:
    """`case.created` for `CaseCreated`, and `case.milestone_warned` for `MilestoneWarned`, which carries a `Case`."""
    noun = snake(record)
    return f"{noun}.{snake(event).removeprefix(f'{noun}_')}"


def _of_collection(noun: str, told: Any) -> OfCollection:
    """What is told of a job or of a custom field, as JSON has it."""
    fields = told.DESCRIPTOR.fields_by_name
    shown = {name: _shown(fields[name], getattr(told, name)) for name in _TOLD[noun]}
    return OfCollection(noun, shown, is_own=shown.get("kind") == "IMPORT")


def _shown(field: FieldDescriptor, value: Any) -> Any:
    """A plain value; of an enum its name without the prefix, which is the enum's."""
    if field.enum_type is None:
        return value
    prefix = f"{snake(field.enum_type.name).upper()}_"
    return field.enum_type.values_by_number[value].name.removeprefix(prefix)


def _type_of(event: DescriptorProto, record: Resource) -> EventType:
    name = type_name(event.name, record.noun)
    return EventType(
        name, record.collection, record.owner, record.permission, record.withheld, may_be_private=record.may_be_private
    )


def _resources(file: FileDescriptorProto, messages: Mapping[str, DescriptorProto]) -> Iterator[tuple[str, Resource]]:
    """The resources of a contract that can be read, by the full names of their messages."""
    if file.package == OF_EVERY_SERVICE:
        return
    permissions = {
        rpc.name: rpc.options.Extensions[options_pb2.permission] for service in file.service for rpc in service.method
    }
    approvable = {
        rpc.output_type
        for service in file.service
        for rpc in service.method
        if rpc.options.Extensions[options_pb2.approvable]
    }
    for record in file.message_type:
        resource = record.options.Extensions[options_pb2.resource]
        permission = permissions.get(f"Get{record.name}")
        if resource.collection and permission is not None:
            owner = file.package.split(".")[1]
            withheld = tuple(dict.fromkeys(_withheld(record, messages)))
            beside = dict.fromkeys(("comment", "task"), not resource.undiscussed)
            beside["attachment"] = not resource.undiscussed and not resource.without_files
            beside["change_proposal"] = resource.proposals
            beside["approval"] = f".{file.package}.{record.name}" in approvable
            parts = {"job": _has_jobs(file, record.name), "custom_field": any(f.name == "custom" for f in record.field)}
            found = Resource(
                record.name,
                resource.collection,
                owner,
                permission,
                withheld,
                beside=frozenset(kind for kind, is_there in beside.items() if is_there),
                parts=frozenset(kind for kind, is_there in parts.items() if is_there),
                may_be_private=any(field.name == VISIBILITY for field in record.field),
            )
            yield f".{file.package}.{record.name}", found


def _has_jobs(file: FileDescriptorProto, record: str) -> bool:
    """Whether jobs may call an rpc of the contract: one that is marked for rules or for jobs alone, but no create."""
    marks = (options_pb2.automatable, options_pb2.bulk)
    rpcs = (rpc for service in file.service for rpc in service.method if rpc.name != f"Create{record}")
    return any(rpc.options.Extensions[mark] for rpc in rpcs for mark in marks)


def _withheld(record: DescriptorProto, messages: Mapping[str, DescriptorProto]) -> Iterator[tuple[str, str]]:
    """The fields of a record that take another permission, or have something in them that does, and which that is."""
    for field in record.field:
        for each in (field, *_within(field, messages)):
            if permission := each.options.Extensions[options_pb2.withheld_without]:
                yield field.name, permission


def _within(
    field: FieldDescriptorProto, messages: Mapping[str, DescriptorProto], above: frozenset[str] = frozenset()
) -> Iterator[FieldDescriptorProto]:
    """All fields in the message of a field, at any depth."""
    message = messages.get(field.type_name)
    if message is None or field.type_name in above:
        return
    for inner in message.field:
        yield inner
        yield from _within(inner, messages, above | {field.type_name})


def _record_of(event: DescriptorProto, resources: Mapping[str, Resource]) -> Resource | None:
    """The resource whose record the event carries: its first, where it tells of others besides."""
    return next((resources[field.type_name] for field in event.field if field.type_name in resources), None)
