"""What the contract says of a resource's fields, read from the options beside them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from crm.options.v1 import options_pb2
from google.api import field_behavior_pb2
from google.protobuf.message import Message

from crm_kit.labels import collection_field, name_beside
from crm_kit.resource.values import DeclarationError

# Sent along with an update to say which record is meant, in which version; never changed by it.
ADDRESSING = frozenset({"id", "etag"})
# What people call a record by; other records that refer to it are shown with it.
NAME = "display_name"


@dataclass(frozen=True, slots=True)
class FieldContract:
    """One field: who sets it, and what lists may do with it.

    `given`: a caller may send it. `settable`: a create sets it. `changeable`: an update changes it, too.
    `changed_by`: the rpcs that change it where updates do not. The descriptor is the contract's own.
    `exact`: what is listed by it is compared letter by letter.
    """

    name: str
    descriptor: Any
    given: bool
    settable: bool
    changeable: bool
    changed_by: tuple[str, ...]
    filter: bool
    order: bool
    group: bool
    sum: bool
    exact: bool
    refers_to: str
    sensitive: bool
    without_history: bool
    phone_number: bool


@dataclass(frozen=True, slots=True)
class NamedId:
    """An id beside which the contract has the name of the record it refers to: `owner_id` and `owner_name`.

    `is_list`: there are several, and their names are in the same order. `collection_field`: the field of the message
    that says the collection, where it is not always the same one.
    """

    id: str
    name: str
    collection: str
    is_list: bool = False
    collection_field: str = ""


def named_ids(message: Any) -> tuple[NamedId, ...]:
    """The named ids of a message's descriptor."""
    found = []
    for field in message.fields:
        collection = field.GetOptions().Extensions[options_pb2.refers_to]
        name = name_beside(field.name)
        if collection and name in message.fields_by_name:
            found.append(NamedId(field.name, name, collection, field.is_repeated, collection_field(collection)))
    return tuple(found)


def own_fields(message: Any) -> dict[str, Any]:
    """The fields of a message's descriptor that its record itself has: names beside ids are another's."""
    names = {each.name for each in named_ids(message)}
    return {each.name: each for each in message.fields if each.name not in names}


def field_contracts(message: type[Message]) -> Mapping[str, FieldContract]:
    """The fields of a resource by name, in the contract's order."""
    return MappingProxyType({name: _read(each) for name, each in own_fields(message.DESCRIPTOR).items()})


def listed_within(contract: Mapping[str, FieldContract]) -> Mapping[str, FieldContract]:
    """The fields within a record's objects that lists may do something with, by path: `rfm.value`."""
    found = {}
    for name, each in contract.items():
        message = each.descriptor.message_type
        if message is None or each.descriptor.is_repeated:
            continue
        for inner in message.fields:
            if inner.GetOptions().HasExtension(options_pb2.listed):
                found[f"{name}.{inner.name}"] = _read(inner)
    return MappingProxyType(found)


def _is_output_only(field: Any) -> bool:
    return field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def _read(field: Any) -> FieldContract:
    options = field.GetOptions()
    behavior = set(options.Extensions[field_behavior_pb2.field_behavior])
    listed = options.Extensions[options_pb2.listed]
    changed_by = tuple(options.Extensions[options_pb2.changed_by])
    given = field.name not in ADDRESSING and not _is_output_only(field)
    set_once = field_behavior_pb2.IMMUTABLE in behavior
    return FieldContract(
        name=field.name,
        descriptor=field,
        given=given,
        settable=given and (set_once or not changed_by),
        changeable=given and not set_once and not changed_by,
        changed_by=changed_by,
        filter=listed.filter,
        order=listed.order,
        group=listed.group,
        sum=listed.sum,
        exact=listed.exact,
        refers_to=options.Extensions[options_pb2.refers_to],
        sensitive=options.Extensions[options_pb2.sensitive],
        without_history=options.Extensions[options_pb2.without_history],
        phone_number=options.Extensions[options_pb2.phone_number],
    )


def collection_of(message: type[Message]) -> str:
    """The collection of a resource: `accounts`."""
    collection: str = message.DESCRIPTOR.GetOptions().Extensions[options_pb2.resource].collection
    if not collection:
        name = message.DESCRIPTOR.full_name
        raise DeclarationError(f"{name} is no resource: give it option (crm.options.v1.resource) = {{collection: ...}}")
    return collection


def kept_filters_of(message: type[Message]) -> frozenset[str]:
    """What filters of a resource call records that stand for filters."""
    return frozenset(message.DESCRIPTOR.GetOptions().Extensions[options_pb2.resource].kept_filters)


def is_discussed(message: type[Message]) -> bool:
    """Whether people comment the records of a resource."""
    return not message.DESCRIPTOR.GetOptions().Extensions[options_pb2.resource].undiscussed


def takes_proposals(message: type[Message]) -> bool:
    """Whether people who may not change the records of a resource propose changes."""
    return bool(message.DESCRIPTOR.GetOptions().Extensions[options_pb2.resource].proposals)


def takes_files(message: type[Message]) -> bool:
    """Whether people attach files to the records of a resource."""
    resource = message.DESCRIPTOR.GetOptions().Extensions[options_pb2.resource]
    return not resource.undiscussed and not resource.without_files


def snake(name: str) -> str:
    """`StatusChanged` is `status_changed`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
