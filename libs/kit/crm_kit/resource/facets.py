"""The values that a field has in use, each with the number of records that have it: what a filter can offer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, FromClause, Integer, Select, bindparam, func, select, true

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import invalid_field
from crm_kit.field_rights import is_hidden
from crm_kit.filtering.sql import filter_values
from crm_kit.filtering.tree import FieldType, Shaped
from crm_kit.identity.access import Scope
from crm_kit.listing import Listing, context_of, whole_rows
from crm_kit.resource.listed import column_of, key_of
from crm_kit.resource.reading import ReadableResource
from crm_kit.scans import within_share

AnyResource = ReadableResource[Any, Any]

DEFAULT_LIMIT = 20
# Counting stops here, so that it takes no longer however many records a tenant has.
MAX_RECORDS = 100_000
LIST_TYPES = frozenset({FieldType.TEXT_LIST, FieldType.UUID_LIST})
TYPES = LIST_TYPES | {FieldType.TEXT, FieldType.ENUM, FieldType.UUID, FieldType.BOOL}


@dataclass(frozen=True, slots=True)
class ValueCounts:
    """The values with their counts, the most frequent first.

    `total` records were counted, `unset` of them have no value. `truncated`: there are more values. Not `exact`:
    counting stopped, there may be more records.
    """

    values: list[tuple[str, int]]
    unset: int
    total: int
    truncated: bool
    exact: bool


async def count_values(
    resource: AnyResource,
    reader: Reader,
    field: str,
    *,
    filter: str,
    limit: int,
    listing: Listing | None = None,
    **binds: Any,
) -> ValueCounts:
    """The `limit` most frequent values of a field, 20 when 0. InvalidArgument for a field that has none to offer.

    `listing` when they are those of another list than the resource's own, with what that binds.
    """
    listing = listing or resource.listing
    hidden = resource.unlisted_from(reader)
    known = [name for name in offered(resource) if not is_hidden(name, hidden)]
    if field not in known:
        possible = ", ".join(known)
        detail = f"{field} is not possible for {resource.collection}; possible: {possible}"
        raise invalid_field("field", "facet", detail, metadata={"field": field, "possible": possible})
    tree, _ = await listing.read(reader, filter)
    limit = limit or DEFAULT_LIMIT
    # One value more than is told shows that there are more, and one row is for the records without a value.
    limits = {"record_limit": MAX_RECORDS, "value_limit": limit + 2}
    query = counted_values(resource, listing, reader.scope, Shaped.of(tree), field)
    async with within_share(reader, tree):
        rows = await reader.all(query, **filter_values(tree, context_of(reader)), **limits, **binds)
    found = [(_text(row["value"]), row["count"]) for row in rows if row["value"] is not None]
    total = rows[0]["total"] if rows else 0
    return ValueCounts(
        values=found[:limit],
        unset=int(rows[0]["unset"] or 0) if rows else 0,
        total=total,
        truncated=len(found) > limit,
        exact=total < MAX_RECORDS,
    )


def offered(resource: AnyResource) -> Iterator[str]:
    """The fields whose values are told; personal ones are not, and an id of the record itself says nothing."""
    for name, each in resource.paths.items():
        if each.filter and not each.sensitive and name != "id" and resource.filter_schema.fields[name].type in TYPES:
            yield name


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@statement
def counted_values(resource: AnyResource, listing: Listing, scope: Scope, filtered: Shaped, field: str) -> Select[Any]:
    """A row for each value, the one without a value last; each says how many records there are in all."""
    declared = resource.filter_schema.fields[field]
    columns = {"value": column_of(resource, field), **({"key": key_of(resource, field)} if declared.collated else {})}
    rows = whole_rows(listing, scope, filtered.tree)
    chosen = rows.with_only_columns(*(column.label(name) for name, column in columns.items()))
    records = chosen.limit(bindparam("record_limit", type_=Integer)).cte("records")
    values, source = _elements(records) if declared.type in LIST_TYPES else (records, records)
    # The spellings of a text are one value, told as one of them.
    key = values.c.key if declared.collated else values.c.value
    value = func.min(values.c.value) if declared.collated else key
    count = func.count()
    return (
        select(
            value.label("value"),
            count.label("count"),
            select(func.count()).select_from(records).scalar_subquery().label("total"),
            func.sum(count).filter(key.is_(None)).over().label("unset"),
        )
        .select_from(source)
        .group_by(key)
        .order_by(key.is_(None), count.desc(), key)
        .limit(bindparam("value_limit", type_=Integer))
    )


def _elements(records: CTE) -> tuple[FromClause, FromClause]:
    """The elements of each record's lists side by side, and one that is not set for an empty list."""
    elements = func.unnest(*records.c).table_valued(*records.c.keys()).render_derived()
    return elements, records.outerjoin(elements, true())
