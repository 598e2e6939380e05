"""What lists of all services can be filtered, ordered and grouped by, as far as their contracts say.

A service knows its own resources by their declarations (`resource/listed.py`); this is what it knows of those of
others, and `tests/service/test_collections_of_contract.py` holds the two against each other.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from buf.validate import validate_pb2
from crm.options.v1 import options_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from sqlalchemy import null

from crm_kit.filtering.schema import CUSTOM, FilterField, FilterSchema, enum_field, money_fields, team_field, user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.paging import OrderColumn
from crm_kit.resource.contract import own_fields
from crm_kit.resource.values import enum_prefix

_CUSTOM_PATH = re.compile(r"custom\.[a-z][a-z0-9_]{0,62}")
_GENERIC = "crm.resource.v1"
_MONEY = "crm.type.v1.Money"
_INSTANT = "google.protobuf.Timestamp"
_LISTS = {FieldType.TEXT: FieldType.TEXT_LIST, FieldType.UUID: FieldType.UUID_LIST}
_SCALARS = {FieldDescriptor.TYPE_BOOL: FieldType.BOOL, FieldDescriptor.TYPE_INT32: FieldType.INTEGER}


@dataclass(frozen=True, slots=True)
class ListedCollection:
    """What the contract says of a collection: its fields, and what lists do with them. Nested ones are paths."""

    name: str
    columns: frozenset[str]
    orders: frozenset[str]
    groups: frozenset[str]
    filters: Mapping[str, FilterField]
    has_custom: bool

    def schema_for(self, filter: str) -> FilterSchema:
        """What the filter may speak of. Fields that tenants add are taken as texts: only their service knows them."""
        custom = frozenset(_CUSTOM_PATH.findall(filter)) if self.has_custom else frozenset[str]()
        return _schema(self.name, custom)

    def orders_for(self, order_by: str) -> Mapping[str, OrderColumn]:
        """What the text may order by. No column stands behind it: only the collection's service has one."""
        custom = _CUSTOM_PATH.findall(order_by) if self.has_custom else ()
        return {name: OrderColumn(null()) for name in (*self.orders, *custom)}

    def is_custom(self, path: str) -> bool:
        """Whether a path may be a field that a tenant has added."""
        return self.has_custom and bool(_CUSTOM_PATH.fullmatch(path))


@cache
def listed_collections() -> Mapping[str, ListedCollection]:
    """The collections of all services that have a list of their own, by name."""
    pool, image = DescriptorPool(), _image()
    for file in image.file:
        pool.Add(file)
    messages = (
        (pool.FindMessageTypeByName(f"{file.package}.{message.name}"), file)
        for file in image.file
        if file.package.startswith("crm.") and file.package != _GENERIC
        for message in file.message_type
        if message.options.Extensions[options_pb2.resource].collection
    )
    found = [_collection(message) for message, file in messages if _is_listed(message, file)]
    return {each.name: each for each in found}


def _image() -> FileDescriptorSet:
    return FileDescriptorSet.FromString(files("crm_protos").joinpath("image.binpb").read_bytes())


# Whoever asks chooses the names of custom fields.
@lru_cache(maxsize=1024)
def _schema(collection: str, custom: frozenset[str]) -> FilterSchema:
    fields = listed_collections()[collection].filters
    return FilterSchema({**fields, **{path: FilterField(FieldType.TEXT) for path in custom}})


def _is_listed(message: Descriptor, file: FileDescriptorProto) -> bool:
    """Whether a List rpc beside it answers with such records, by a filter."""
    by_name = {each.name: each for each in file.message_type}
    return any(
        method.name.startswith("List")
        and any(field.type_name == f".{message.full_name}" for field in by_name[_last(method.output_type)].field)
        and any(field.name == "filter" for field in by_name[_last(method.input_type)].field)
        for service in file.service
        for method in service.method
        if _last(method.input_type) in by_name and _last(method.output_type) in by_name
    )


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _collection(message: Descriptor) -> ListedCollection:
    fields = dict(_paths(message))
    listed = {path: field.GetOptions().Extensions[options_pb2.listed] for path, field in fields.items()}
    filters: dict[str, FilterField] = {}
    for path, field in fields.items():
        if listed[path].filter:
            filters |= _filter_fields(path, field, is_list=field.is_repeated)
    for path, field in _within_lists(message):
        if field.GetOptions().Extensions[options_pb2.listed].filter:
            filters |= _filter_fields(path, field, is_list=True)
    resource = message.GetOptions().Extensions[options_pb2.resource]
    filters |= {name: FilterField(FieldType.UUID_LIST) for name in resource.kept_filters}
    return ListedCollection(
        name=resource.collection,
        columns=frozenset(name for name in (*fields, *message.fields_by_name)),
        orders=frozenset({"id", *(path for path, each in listed.items() if each.order)}),
        groups=frozenset(path for path, each in listed.items() if each.group),
        filters=filters,
        has_custom=CUSTOM.removesuffix(".") in message.fields_by_name,
    )


def _paths(message: Descriptor) -> Iterator[tuple[str, Any]]:
    """The fields of a record, and those within its objects."""
    for name, field in own_fields(message).items():
        yield name, field
        inner = field.message_type
        if inner is not None and not field.is_repeated and inner.file.package.startswith("crm."):
            yield from ((f"{name}.{each.name}", each) for each in inner.fields)


def _within_lists(message: Descriptor) -> Iterator[tuple[str, Any]]:
    for field in message.fields:
        inner = field.message_type
        if inner is not None and field.is_repeated and not inner.GetOptions().map_entry:
            yield from ((f"{field.name}.{each.name}", each) for each in inner.fields)


def _filter_fields(path: str, field: Any, *, is_list: bool) -> dict[str, FilterField]:
    if field.message_type is not None and field.message_type.full_name == _MONEY:
        return money_fields(path, None, None)
    if field.enum_type is not None:
        prefix = enum_prefix(field.enum_type.name)
        values = [each.name.removeprefix(prefix) for each in field.enum_type.values if each.number]
        type = FieldType.TEXT_LIST if is_list else FieldType.ENUM
        return {path: enum_field(None, values, prefix=prefix, type=type)}
    options, type = field.GetOptions(), _type_of(field)
    type = _LISTS[type] if is_list else type
    refers_to = options.Extensions[options_pb2.refers_to]
    if refers_to == "users":
        return {path: user_field(None, type=type)}
    if refers_to == "teams":
        return {path: team_field(None)}
    return {path: FilterField(type, phone_number=options.Extensions[options_pb2.phone_number])}


def _type_of(field: Any) -> FieldType:
    """What a field holds, or an element of its list."""
    if field.message_type is not None:
        assert field.message_type.full_name == _INSTANT, f"{field.full_name}: no filter compares it"
        return FieldType.INSTANT
    if field.type != FieldDescriptor.TYPE_STRING:
        return _SCALARS[field.type]
    rules = field.GetOptions().Extensions[validate_pb2.field]
    text = rules.repeated.items.string if field.is_repeated else rules.string
    if text.uuid or (_is_id(field.name) and not text.max_len):
        return FieldType.UUID
    if field.name.endswith("_date"):
        return FieldType.DATE
    return FieldType.NUMBER if _is_decimal(text.pattern) else FieldType.TEXT


def _is_id(name: str) -> bool:
    return name == "id" or name.endswith(("_id", "_ids"))


def _is_decimal(pattern: str) -> bool:
    """Whether a pattern takes decimal numbers and no words."""
    return bool(pattern) and bool(re.search(pattern, "1.5")) and not re.search(pattern, "a")
