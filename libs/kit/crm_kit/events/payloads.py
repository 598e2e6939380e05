"""Which events a contract has, found in its descriptors, so that a new one is never forgotten by those who follow."""

from types import ModuleType
from typing import Any

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass


def events_carrying(events: ModuleType, resource: type[Message]) -> dict[type[Message], str]:
    """The events of an `events_pb2` that carry a resource as it is then -> the field that it is in."""
    found: dict[type[Message], str] = {}
    for descriptor in events.DESCRIPTOR.message_types_by_name.values():
        for field in descriptor.fields:
            if field.message_type is not None and field.message_type.full_name == resource.DESCRIPTOR.full_name:
                found[GetMessageClass(descriptor)] = field.name
    return found


def events_of(created: type[Message], record: type[Message]) -> list[type[Message]]:
    """The events of a record, which carry it and have its name, of the contract that `created` is in."""
    own: list[type[Message]] = []
    descriptor: Any
    for descriptor in created.DESCRIPTOR.file.message_types_by_name.values():
        carried = any(field.message_type is record.DESCRIPTOR for field in descriptor.fields)
        if carried and descriptor.name.startswith(record.DESCRIPTOR.name):
            own.append(GetMessageClass(descriptor))
    return own
