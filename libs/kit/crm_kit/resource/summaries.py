"""Counts and sums of records by group, with the reader's scope and the list's filter."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Integer, Numeric, Select, bindparam, cast, func

from crm_kit.collation.keys import collation_key
from crm_kit.custom_fields.definitions import definitions_of
from crm_kit.custom_fields.model import CustomField, FieldType
from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import invalid_field
from crm_kit.filtering.schema import CUSTOM
from crm_kit.filtering.sql import filter_values
from crm_kit.filtering.tree import Shaped
from crm_kit.identity.access import Scope
from crm_kit.listing import Listing, context_of, whole_rows
from crm_kit.money import Money
from crm_kit.resource.listed import column_of, key_of
from crm_kit.resource.reading import NO_BINDS, ReadableResource
from crm_kit.resource.shape import CURRENCY
from crm_kit.scans import within_share

# Of custom fields: a record is in one group only, and only numbers are added up.
GROUPED = frozenset(FieldType) - {FieldType.MULTI_SELECT}
SUMMED = frozenset({FieldType.NUMBER})
MAX_GROUPS = 1000
# A group of amounts is one row for each currency.
MAX_ROWS = 4 * MAX_GROUPS

AnyResource = ReadableResource[Any, Any]


@dataclass(slots=True)
class Group:
    """Records with the same values of the fields: how many, and the sum of each field, amounts per currency."""

    key: Mapping[str, str]
    count: int = 0
    sums: dict[tuple[str, str], Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summary:
    """Whole groups, the largest first; the total counts also the records of groups that are `left_out`."""

    groups: Sequence[Group]
    total: int
    left_out: bool


async def summarize(
    resource: AnyResource,
    reader: Reader,
    *,
    filter: str,
    group_by: Sequence[str],
    sum: Sequence[str],
    listing: Listing | None = None,
    binds: Mapping[str, Any] = NO_BINDS,
) -> Summary:
    """At most 1,000 groups, of all records or of a narrowed `listing` with its `binds`.

    InvalidArgument for a field that cannot be grouped by or added up.
    """
    listing = listing or resource.listing
    custom = await _custom_fields(resource, reader, (*group_by, *sum))
    groups_by = [name for name, each in resource.paths.items() if each.group]
    adds_up = [name for name, each in resource.paths.items() if each.sum]
    _check(resource, "group_by", group_by, [*groups_by, *_of_types(custom, GROUPED)])
    _check(resource, "sum", sum, [*adds_up, *_of_types(custom, SUMMED)])
    tree, _ = await listing.read(reader, filter)
    query = grouped(resource, listing, reader.scope, Shaped.of(tree), tuple(group_by), tuple(sum))
    groups: dict[tuple[str | None, ...], Group] = {}
    async with within_share(reader, tree):
        rows = await reader.all(query, **binds, **filter_values(tree, context_of(reader)), row_limit=MAX_ROWS + 1)
    spelled = {name for name in group_by if name.startswith(CUSTOM) and custom[name.removeprefix(CUSTOM)].collated}
    for row in rows:
        _add(groups, resource, row, group_by, sum, spelled)
    is_cut = len(rows) > MAX_ROWS
    # The last group may have more currencies than were read.
    whole = list(groups.values())[: -1 if is_cut else None]
    if spelled:
        whole.sort(key=lambda group: -group.count)
    total = int(rows[0]["total"]) if rows else 0
    return Summary(whole[:MAX_GROUPS], total, left_out=is_cut or len(whole) > MAX_GROUPS)


async def _custom_fields(resource: AnyResource, reader: Reader, names: Sequence[str]) -> Mapping[str, CustomField]:
    """The tenant's own fields where one of the names is such a field's, as they are now; none otherwise."""
    if not resource.has_custom or not any(name.startswith(CUSTOM) for name in names):
        return {}
    return (await definitions_of(reader, resource.collection, fresh=True)).fields


def _of_types(fields: Mapping[str, CustomField], types: Container[FieldType]) -> Iterator[str]:
    return (CUSTOM + key for key, field in fields.items() if field.is_active and field.type in types)


def _check(resource: AnyResource, parameter: str, names: Sequence[str], known: Sequence[str]) -> None:
    for index, name in enumerate(names):
        if name not in known:
            possible = ", ".join(known) or "nothing"
            detail = f"{name} is not possible for {resource.collection}; possible: {possible}"
            metadata = {"field": name, "possible": possible}
            raise invalid_field(f"{parameter}[{index}]", parameter, detail, metadata=metadata)


def _add(
    groups: dict[tuple[str | None, ...], Group],
    resource: AnyResource,
    row: Record,
    group_by: Sequence[str],
    sum: Sequence[str],
    spelled: Container[str],
) -> None:
    """Add a row to its group. Texts that are `spelled` in several ways are one, told as it is spelled most often."""
    values = tuple(_text(row[f"key_{index}"]) for index, _ in enumerate(group_by))
    told = {name: value for name, value in zip(group_by, values, strict=True) if value is not None}
    key = tuple(collation_key(told[name]) if name in spelled and name in told else told.get(name) for name in group_by)
    group = groups.setdefault(key, Group(told))
    group.count += row["count"]
    for index, name in enumerate(sum):
        if row[f"sum_{index}"] is not None:
            currency = row[CURRENCY] if _is_money(resource, name) else ""
            place = name, currency or ""
            group.sums[place] = group.sums.get(place, Decimal(0)) + row[f"sum_{index}"]


def _text(value: object) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case datetime() | date():
            return value.isoformat()
    return str(value)


def _is_money(resource: AnyResource, name: str) -> bool:
    return not name.startswith(CUSTOM) and resource.hint_of(name) in (Money, Money | None)


def _custom(resource: AnyResource, name: str) -> ColumnElement[Any]:
    """The value of a custom field as text."""
    value: ColumnElement[Any] = resource.table.c.custom[name.removeprefix(CUSTOM)].astext
    return value


def _key(resource: AnyResource, name: str) -> ColumnElement[Any]:
    """What groups go by: a column, or the value of a custom field."""
    return _custom(resource, name) if name.startswith(CUSTOM) else key_of(resource, name)


def _told(resource: AnyResource, name: str, key: ColumnElement[Any]) -> ColumnElement[Any]:
    """What a group with the key is told by. The spellings of a text are one group, told as one of them."""
    return func.min(column_of(resource, name)) if name in resource.collated else key


def _number(resource: AnyResource, name: str) -> ColumnElement[Any]:
    """What is added up."""
    return cast(_custom(resource, name), Numeric) if name.startswith(CUSTOM) else column_of(resource, name)


@statement
def grouped(
    resource: AnyResource,
    listing: Listing,
    scope: Scope,
    filtered: Shaped,
    group_by: tuple[str, ...],
    sum: tuple[str, ...],
) -> Select[Any]:
    rows = whole_rows(listing, scope, filtered.tree)
    keys = [_key(resource, name) for name in group_by]
    apart = [*keys, resource.table.c[CURRENCY]] if any(_is_money(resource, name) for name in sum) else keys
    sums = [func.sum(_number(resource, name)).label(f"sum_{index}") for index, name in enumerate(sum)]
    count = func.count()
    chosen = rows.with_only_columns(
        *(
            _told(resource, name, key).label(f"key_{index}")
            for index, (name, key) in enumerate(zip(group_by, keys, strict=True))
        ),
        *(each.label(CURRENCY) for each in apart[len(keys) :]),
        count.label("count"),
        func.sum(count).over().label("total"),
        *sums,
    )
    # The currencies of a group stay together.
    in_group = func.sum(count).over(partition_by=keys) if keys else func.sum(count).over()
    chosen = chosen.order_by(in_group.desc(), *apart).limit(bindparam("row_limit", type_=Integer))
    return chosen.group_by(*apart) if apart else chosen
