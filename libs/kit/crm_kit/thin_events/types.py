"""The events that people and programs are told of, by names such as `order.placed` for `crm.sales.v1.OrderPlaced`.

Read from the contracts of all services, so that whoever tells of events tells of the same.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from crm.options.v1 import options_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from crm_kit.image import read_image
from crm_kit.resource.contract import snake
from crm_kit.thin_events.model import EventType

EVENTS_FILE = "/events.proto"
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


@cache
def known_event_types() -> Mapping[str, EventType]:
    """Those of all services, as `event_types`."""
    return event_types(read_image().file)


def event_types(files: Iterable[FileDescriptorProto]) -> Mapping[str, EventType]:
    """Every event that carries a resource's record, by the full name of its message, in the contract's order."""
    files = list(files)
    messages = {f".{file.package}.{each.name}": each for file in files for each in file.message_type}
    resources = dict(found for file in files for found in _resources(file, messages))
    return {
        f"{file.package}.{event.name}": _type_of(event, record)
        for file in files
        if file.name.endswith(EVENTS_FILE)
        for event in file.message_type
        if (record := _record_of(event, resources)) is not None
    }


def type_name(event: str, record: str) -> str:
    """`case.created` for `CaseCreated`, and `case.milestone_warned` for `MilestoneWarned`, which carries a `Case`."""
    noun = snake(record)
    return f"{noun}.{snake(event).removeprefix(f'{noun}_')}"


def _type_of(event: DescriptorProto, record: Resource) -> EventType:
    name = type_name(event.name, record.noun)
    return EventType(name, record.collection, record.owner, record.permission, record.withheld)


def _resources(file: FileDescriptorProto, messages: Mapping[str, DescriptorProto]) -> Iterator[tuple[str, Resource]]:
    """The resources of a contract that can be read, by the full names of their messages."""
    if file.package == OF_EVERY_SERVICE:
        return
    permissions = {
        rpc.name: rpc.options.Extensions[options_pb2.permission] for service in file.service for rpc in service.method
    }
    for record in file.message_type:
        collection = record.options.Extensions[options_pb2.resource].collection
        permission = permissions.get(f"Get{record.name}")
        if collection and permission is not None:
            owner = file.package.split(".")[1]
            withheld = tuple(dict.fromkeys(_withheld(record, messages)))
            yield f".{file.package}.{record.name}", Resource(record.name, collection, owner, permission, withheld)


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
