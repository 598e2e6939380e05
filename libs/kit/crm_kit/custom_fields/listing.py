"""Lists filtered and ordered by custom fields: what a tenant's fields are to a filter and to an order.

The statements depend on key and type alone, so tenants whose fields are alike share them.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import ColumnElement, Table, exists

from crm_kit.custom_fields.definitions import Definitions, definitions_of
from crm_kit.custom_fields.model import CustomField
from crm_kit.custom_fields.model import FieldType as CustomType
from crm_kit.database.work import Reader
from crm_kit.filtering.schema import CUSTOM, FilterField, FilterSchema, enum_field
from crm_kit.filtering.tokens import end_of, first_of
from crm_kit.filtering.tree import FieldType
from crm_kit.paging import Beside, OrderColumn
from crm_kit.plumbing import custom_values

TYPES = {
    CustomType.TEXT: FieldType.TEXT,
    CustomType.NUMBER: FieldType.NUMBER,
    CustomType.DATE: FieldType.DATE,
    CustomType.BOOL: FieldType.BOOL,
    CustomType.SINGLE_SELECT: FieldType.ENUM,
    CustomType.MULTI_SELECT: FieldType.TEXT_LIST,
    CustomType.REFERENCE: FieldType.UUID,
}
# A record can be at one place of an order only, and ids are in no order that means anything.
NOT_ORDERED = frozenset({FieldType.TEXT_LIST, FieldType.UUID})


def fields_beyond(table: Table, collection: str) -> Callable[[str, FieldType], FilterField]:
    """What a custom field is to the SQL of a filter, by path and type."""
    return lru_cache(maxsize=1024)(partial(_filter_field, table, collection))


def _filter_field(table: Table, collection: str, path: str, type: FieldType) -> FilterField:
    value = custom_values.alias()

    def within(condition: ColumnElement[bool]) -> ColumnElement[bool]:
        return exists().where(_belongs(value, table, collection), condition).correlate(table)

    return FilterField(type, value.c.token, within=within)


@lru_cache(maxsize=1024)
def order_column(table: Table, collection: str, path: str, type: FieldType) -> OrderColumn:
    """What a list is ordered by: the token beside the record, which may be missing."""
    value, key = custom_values.alias(), path.removeprefix(CUSTOM)
    token = value.c.token
    condition, first, end = _belongs(value, table, collection), token >= first_of(key), token < end_of(key)
    return OrderColumn(
        token, nullable=True, beside=Beside(table, value, condition, first, end, value.c.record_id, type)
    )


def schema_of(schema: FilterSchema, known: Definitions) -> FilterSchema:
    """What a filter may compare: the resource's own fields, and the tenant's that are in use."""
    custom = {CUSTOM + key: _declared(schema, field) for key, field in known.fields.items() if field.is_active}
    return FilterSchema({**schema.fields, **custom}, schema.beyond)


def _declared(schema: FilterSchema, field: CustomField) -> FilterField:
    type = TYPES[field.type]
    assert schema.beyond is not None
    expression = schema.beyond(CUSTOM + field.key, type).expression
    if field.options:
        return enum_field(expression, [option.key for option in field.options], type=type)
    return FilterField(type, expression, collated=field.collated)


class CustomLists:
    """What the lists of one resource can be filtered and ordered by besides its own fields."""

    def __init__(self, table: Table, collection: str, schema: FilterSchema, orders: Mapping[str, OrderColumn]) -> None:
        self._table = table
        self._collection = collection
        self._own = schema
        self._own_orders = orders
        self._schema_of = lru_cache(maxsize=512)(partial(schema_of, schema))

    async def fields(self, reader: Reader, *, fresh: bool) -> tuple[FilterSchema, Mapping[str, OrderColumn]]:
        """The reader's tenant's fields and orders; with `fresh` as they are now."""
        known = await definitions_of(reader, self._collection, fresh=fresh)
        return self._schema_of(known), {**self._own_orders, **self._orders(known)}

    def _orders(self, known: Definitions) -> dict[str, OrderColumn]:
        typed = {CUSTOM + field.key: TYPES[field.type] for field in known.fields.values() if field.is_active}
        return {
            path: order_column(self._table, self._collection, path, type)
            for path, type in typed.items()
            if type not in NOT_ORDERED
        }


def _belongs(value: Any, table: Table, collection: str) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = (
        (value.c.tenant_id == table.c.tenant_id)
        & (value.c.collection == collection)
        & (value.c.record_id == table.c.id)
    )
    return condition
