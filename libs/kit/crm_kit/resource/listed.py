"""What a list of a resource can be filtered and ordered by, from the contract's options."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from crm.options.v1 import options_pb2
from sqlalchemy import ColumnElement, Index, Table, UniqueConstraint

from crm_kit.errors import InvalidArgument
from crm_kit.filtering.schema import FilterField, FilterSchema, enum_field, money_fields, team_field, user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.money import Money
from crm_kit.paging import OrderColumn, parse_order_by
from crm_kit.resource.codecs import annotation_of
from crm_kit.resource.declaration import CURRENCY
from crm_kit.resource.shape import ResourceShape
from crm_kit.resource.values import DeclarationError, enum_prefix

TYPES: dict[Any, FieldType] = {
    str: FieldType.TEXT,
    UUID: FieldType.UUID,
    int: FieldType.INTEGER,
    Decimal: FieldType.NUMBER,
    bool: FieldType.BOOL,
    date: FieldType.DATE,
    datetime: FieldType.INSTANT,
}
LIST_TYPES: dict[Any, FieldType] = {str: FieldType.TEXT_LIST, UUID: FieldType.UUID_LIST}


def filter_schema(shape: ResourceShape[Any, Any]) -> FilterSchema:
    """The fields that the contract lets a filter compare."""
    found: dict[str, FilterField] = {}
    for path, each in shape.paths.items():
        if each.filter:
            found |= _filter_fields(shape, path)
    kept = {path: each.field for path, each in shape.kept_filters.items()}
    return FilterSchema(found | _nested_fields(shape) | kept)


def _nested_fields(shape: ResourceShape[Any, Any]) -> dict[str, FilterField]:
    """The fields within lists of objects that a filter may compare, such as `accounts.account_id`.

    And lists that are computed of such rows, where the rows are found along an index and the lists are not.
    """
    marked = {
        f"{name}.{inner.name}"
        for name, each in shape.contract.items()
        if each.descriptor.message_type is not None and each.descriptor.is_repeated
        for inner in each.descriptor.message_type.fields
        if inner.GetOptions().Extensions[options_pb2.listed].filter
    }
    marked |= {name for name in shape.nested if name in shape.computed and shape.contract[name].filter}
    for path in sorted(marked ^ shape.nested.keys()):
        remedy = "add it to `nested`" if path in marked else "mark it `filter` in the contract"
        raise DeclarationError(f"{shape.noun}.{path}: lists filter by it; {remedy}")
    return shape.nested


def _filter_fields(shape: ResourceShape[Any, Any], name: str) -> dict[str, FilterField]:
    annotation = annotation_of(shape.hint_of(name))
    column = column_of(shape, name)
    kind = annotation.kind
    if kind is Money:
        return money_fields(name, column, shape.table.c[CURRENCY])
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        prefix = enum_prefix(shape.paths[name].descriptor.enum_type.name)
        field_type = FieldType.TEXT_LIST if annotation.repeated else FieldType.ENUM
        return {name: enum_field(column, list(kind), prefix=prefix, type=field_type)}
    types = LIST_TYPES if annotation.repeated else TYPES
    if kind not in types:
        remedy = "a filter cannot compare it; take `filter` off in the contract"
        raise DeclarationError(f"{shape.noun}.{name}: {kind}: {remedy}")
    refers_to = shape.paths[name].refers_to
    if refers_to == "users":
        return {name: user_field(column, type=types[kind])}
    if refers_to == "teams":
        return {name: team_field(column)}
    compared, is_phone_number = key_of(shape, name), shape.paths[name].phone_number
    return {name: FilterField(types[kind], compared, collated=compared is not column, phone_number=is_phone_number)}


def key_of(shape: ResourceShape[Any, Any], name: str) -> ColumnElement[Any]:
    """What lists and summaries compare: of text that people write its collation key, of all else the value."""
    return shape.table.c[shape.collated[name]] if name in shape.collated else column_of(shape, name)


def column_of(shape: ResourceShape[Any, Any], name: str) -> ColumnElement[Any]:
    """What lists and summaries show: a column, or what is computed."""
    if name in shape.listed_as:
        return shape.listed_as[name]
    if name in shape.within:
        return shape.within[name]
    if name in shape.computed:
        return shape.computed[name]
    if name not in shape.table.c:
        raise DeclarationError(f"{shape.noun}.{name}: lists go by it; store it in a column of {shape.table.name}")
    return shape.table.c[name]


def orders(shape: ResourceShape[Any, Any]) -> dict[str, OrderColumn]:
    """The fields that the contract lets a list be ordered by, each with an index that serves it."""
    found = {"id": OrderColumn(shape.table.c.id)}
    for path, each in shape.paths.items():
        if each.order and path != "id":
            column: Any = key_of(shape, path)
            if not any(_serves(index, column.name) for index in _indexes(shape.table)):
                remedy = f"lists are ordered by it; add an index on tenant_id, {column.name}, id"
                raise DeclarationError(f"{shape.noun}.{path}: {remedy}")
            found[path] = OrderColumn(column, nullable=bool(column.nullable), key=shape.collated.get(path, ""))
    return found


def check_default_order(shape: ResourceShape[Any, Any], orders: Mapping[str, OrderColumn]) -> None:
    """DeclarationError where lists could not be ordered as they are when nobody asks for an order."""
    try:
        parse_order_by("", orders, shape.default_order)
    except InvalidArgument as error:
        remedy = f"{error.detail}; mark it `order` in the contract, or say another `default_order`"
        raise DeclarationError(f"{shape.noun}.{shape.default_order}: {remedy}") from None


def _indexes(table: Table) -> Iterator[tuple[str, ...]]:
    """The columns of each index of all rows; what is unique has one."""
    for index in table.indexes:
        yield tuple(column.name for column in index.columns) if _is_whole(index) else ()
    for each in table.constraints:
        if isinstance(each, UniqueConstraint):
            yield tuple(column.name for column in each.columns)


def _is_whole(index: Index) -> bool:
    return index.dialect_options["postgresql"]["where"] is None


def _serves(columns: tuple[str, ...], name: str) -> bool:
    return columns[:2] == ("tenant_id", name)
