"""Fields that roles hide: which can be hidden at all, by the contracts, and which somebody with several roles misses.

A field is written as `accounts.phone_numbers`, one that a tenant has added as `accounts.custom.bank_contact`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from crm.options.v1 import options_pb2
from google.api import field_behavior_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from crm_kit.errors import denied
from crm_kit.image import read_image
from crm_kit.labels import name_beside

CUSTOM = "custom"
EVERYTHING = "*"
# Of each collection the fields that somebody does not see.
Hidden = Mapping[str, frozenset[str]]
NOTHING: Hidden = MappingProxyType({})
NO_FIELDS: frozenset[str] = frozenset()
# What every record has: it is known by these, and lists and pages go by them.
OF_EVERY_RECORD = frozenset({"id", "etag", "create_time", "update_time", "display_name"})
# Who sees a record follows from these.
OF_OWNERS = frozenset({"owner_id", "owner_team_id"})


@dataclass(frozen=True, slots=True)
class Hideable:
    """What of a collection can be hidden: some of its own fields, and of custom fields all where it `has_custom`.

    `permission` is what reading one of its records takes.
    """

    permission: str
    fields: frozenset[str]
    has_custom: bool

    def has(self, field: str) -> bool:
        """Whether the field can be hidden. A custom field need not be there yet."""
        return field in self.fields or (self.has_custom and field.startswith(f"{CUSTOM}."))


@dataclass(frozen=True, slots=True)
class Telling:
    """Fields of a collection that tell of others: `following` with those that each follows from, EVERYTHING for all.

    `speaking` are lists with the part of an entry that names another field, EVERYTHING where the entry is the name.
    """

    following: Mapping[str, frozenset[str]]
    speaking: Mapping[str, str]


NOTHING_TELLS = Telling(MappingProxyType({}), MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class RoleFields:
    """What a role says of fields: the permissions that it grants, and which fields it hides."""

    grants: Collection[str]
    hidden: Collection[str]

    def shows(self, collection: str, field: str) -> bool:
        """Whether it lets its holders read the collection, this field included."""
        permission = hideable()[collection].permission
        may_read = permission in self.grants or EVERYTHING in self.grants
        return may_read and f"{collection}.{field}" not in self.hidden


@cache
def hideable() -> Mapping[str, Hideable]:
    """Of each collection of all services whose fields roles can hide, what can be hidden."""
    found = {}
    for file in read_image().file:
        for message in file.message_type:
            resource = message.options.Extensions[options_pb2.resource]
            if resource.hides_fields:
                permission = _read_permission(file, message)
                own = frozenset(each.name for each in _own_fields(message) if _can_be_hidden(each))
                has_custom = any(each.name == CUSTOM for each in message.field)
                found[resource.collection] = Hideable(permission, own, has_custom)
    return MappingProxyType(found)


def hideable_fields() -> list[str]:
    """All fields that roles can hide, in order; of custom fields how they are written."""
    return sorted(
        f"{collection}.{field}"
        for collection, each in hideable().items()
        for field in (*each.fields, *([f"{CUSTOM}.<key>"] if each.has_custom else ()))
    )


def can_be_hidden(path: str) -> bool:
    """Whether roles can hide the field of a path."""
    collection, _, field = path.partition(".")
    known = hideable().get(collection)
    return known is not None and known.has(field)


def hidden_by(roles: Iterable[RoleFields]) -> Hidden:
    """What all these roles together hide: what one of them does, and none that grants reading the collection shows."""
    roles = list(roles)
    named = {path for role in roles for path in role.hidden if can_be_hidden(path)}
    if not named:
        return NOTHING
    found: dict[str, set[str]] = {}
    for collection, _, field in (path.partition(".") for path in named):
        if not any(role.shows(collection, field) for role in roles):
            found.setdefault(collection, set()).add(field)
    return {collection: frozenset(fields) for collection, fields in found.items()}


@cache
def telling() -> Mapping[str, Telling]:
    """Of each collection that has such the fields that tell of others."""
    found = {}
    for message in (message for file in read_image().file for message in file.message_type):
        options = {each.name: each.options.Extensions for each in message.field}
        following = {name: frozenset(each[options_pb2.follows_from]) for name, each in options.items()}
        speaking = {name: each[options_pb2.speaks_of] for name, each in options.items() if each[options_pb2.speaks_of]}
        following = {name: of for name, of in following.items() if of}
        if following or speaking:
            collection = message.options.Extensions[options_pb2.resource].collection
            found[collection] = Telling(MappingProxyType(following), MappingProxyType(speaking))
    return MappingProxyType(found)


def telling_of(collection: str) -> Telling:
    """The fields of a collection that tell of others."""
    return telling().get(collection, NOTHING_TELLS)


def with_following(collection: str, hidden: frozenset[str]) -> frozenset[str]:
    """The fields that somebody does not see: those that roles hide, and what follows from one of them."""
    if not hidden:
        return NO_FIELDS
    following = telling_of(collection).following
    return hidden | {name for name, of in following.items() if EVERYTHING in of or not hidden.isdisjoint(of)}


def with_speaking(collection: str, hidden: frozenset[str]) -> frozenset[str]:
    """The same with what speaks of all fields, and so of hidden ones: lists do not go by it, events do not name it."""
    return hidden.union(telling_of(collection).speaking) if hidden else NO_FIELDS


def is_hidden(path: str, hidden: Collection[str]) -> bool:
    """Whether a path of a record is a hidden field, or leads into one: `amount.currency_code` into `amount`."""
    return path in hidden or path.partition(".")[0] in hidden


def require_shown(collection: str, hidden: Collection[str], paths: Iterable[str]) -> None:
    """PermissionDenied for the first path of a record of the collection that is among the hidden ones."""
    found = next((path for path in sorted(paths) if is_hidden(path, hidden)), None) if hidden else None
    if found is not None:
        field = f"{collection}.{found}"
        raise denied("hidden_field", f"the field {field} is hidden from you", field=field)


def _read_permission(file: FileDescriptorProto, message: DescriptorProto) -> str:
    """That of its Get rpc."""
    (permission,) = (
        rpc.options.Extensions[options_pb2.permission]
        for service in file.service
        for rpc in service.method
        if rpc.name == f"Get{message.name}"
    )
    return str(permission)


def _own_fields(message: DescriptorProto) -> list[FieldDescriptorProto]:
    """Its fields but for names beside ids, which go with those."""
    names = {name_beside(each.name) for each in message.field if each.options.Extensions[options_pb2.refers_to]}
    return [each for each in message.field if each.name not in names]


def _can_be_hidden(field: FieldDescriptorProto) -> bool:
    """All that is about a record; not what it is known by, who sees it by, or what verbs can be done with it by.

    Nobody could create a record without what is REQUIRED.
    """
    options = field.options.Extensions
    behavior: Any = field_behavior_pb2.field_behavior
    needed = field_behavior_pb2.REQUIRED in options[behavior]
    shown = needed or options[options_pb2.changed_by] or options[options_pb2.always_shown]
    return field.name not in OF_EVERY_RECORD | OF_OWNERS | {CUSTOM} and not shown
