"""The statement that adds records up by group, in one reading.

They are added up four ways (GROUPING SETS): by group, by group and currency, by currency, and all of them, so that what
is no sum, such as how many accounts there are, is right in totals too. What can be put together of parts is added up by
group and currency first: a million records are mostly a few hundred of those.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    TIMESTAMP,
    ColumnElement,
    Date,
    FromClause,
    Integer,
    Numeric,
    Select,
    Text,
    bindparam,
    case,
    cast,
    false,
    func,
    literal,
    literal_column,
    null,
    select,
    true,
    tuple_,
)
from sqlalchemy.sql.elements import Grouping as Parentheses

from crm_kit.custom_fields.listing import order_column
from crm_kit.database.statements import statement
from crm_kit.filtering.schema import CUSTOM
from crm_kit.filtering.tree import FieldType, Shaped, Unit
from crm_kit.identity.access import Scope
from crm_kit.listing import Listing, whole_rows
from crm_kit.resource.buckets import beginnings, number_of
from crm_kit.resource.declaration import CURRENCY
from crm_kit.resource.listed import column_of, key_of
from crm_kit.resource.questions import AnyResource, By, Function, Grouping, Measure
from crm_kit.zones import day_in

TOTAL, OF_CURRENCY, COUNTED = "is_total", "is_of_currency", "count"


def _custom(resource: AnyResource, path: str) -> ColumnElement[Any]:
    """The value of a custom field as text."""
    value: ColumnElement[Any] = resource.table.c.custom[path.removeprefix(CUSTOM)].astext
    return value


def _value(resource: AnyResource, path: str, type: FieldType | None) -> ColumnElement[Any]:
    """A field as what it holds."""
    if not path.startswith(CUSTOM):
        return column_of(resource, path)
    if type is FieldType.DATE:
        return cast(_custom(resource, path), Date)
    return cast(_custom(resource, path), Numeric) if type is FieldType.NUMBER else _custom(resource, path)


def _measured(resource: AnyResource, measure: Measure) -> ColumnElement[Any]:
    """What a measure is of; what it tells apart are groups."""
    if measure.type is None:
        return null()
    if measure.function is Function.DISTINCT:
        return _key(resource, Grouping(measure.field, measure.type))
    return _value(resource, measure.field, measure.type)


def _key(resource: AnyResource, by: Grouping) -> ColumnElement[Any]:
    """What groups go by: a value, what a text is compared by, or the first day of what a date or instant is in."""
    if by.unit is not None:
        value = _value(resource, by.field, by.type)
        return bucket_of_instant(by.unit, value) if by.type is FieldType.INSTANT else _bucket(by.unit, value)
    if _is_custom_text(by):
        return _token(resource, by.field)
    return _custom(resource, by.field) if by.field.startswith(CUSTOM) else key_of(resource, by.field)


def _bucket(unit: Unit, local: ColumnElement[Any]) -> ColumnElement[Any]:
    """The first day of what a date, or a time as clocks show it, is in."""
    return cast(func.date_trunc(literal(unit.value), cast(local, TIMESTAMP)), Date)


def bucket_of_instant(unit: Unit, instant: ColumnElement[Any]) -> ColumnElement[Any]:
    """The same of an instant: looked up among those that begin around now, since to ask clocks costs ten times that."""
    begin = bindparam(f"begin_{unit.value}", type_=ARRAY(TIMESTAMP(timezone=True)))
    first_days = Parentheses(bindparam(f"first_days_{unit.value}", type_=ARRAY(Date)))
    # Before the first and from the last on there is none.
    around_now = first_days[func.width_bucket(instant, begin)]
    return func.coalesce(around_now, _bucket(unit, func.timezone(bindparam("zone", type_=Text), instant)))


def bucket_binds(group_by: Sequence[Grouping], now: datetime, zone: str) -> dict[str, Any]:
    """What the statement needs to know of the calendar of a zone."""
    binds: dict[str, Any] = {}
    for unit in {each.unit for each in group_by if each.type is FieldType.INSTANT}:
        if unit is not None:
            found = beginnings(unit, number_of(unit, day_in(zone, now)), zone)
            binds |= {f"begin_{unit.value}": found.instants, f"first_days_{unit.value}": found.first_days, "zone": zone}
    return binds


def _is_custom_text(by: Grouping) -> bool:
    return by.type is FieldType.TEXT and by.field.startswith(CUSTOM)


def _token(resource: AnyResource, path: str) -> ColumnElement[Any]:
    """What a text of a custom field is compared by, which stands beside the record."""
    column = order_column(resource.table, resource.collection, path, FieldType.TEXT)
    beside = column.beside
    assert beside is not None
    return select(column.expression).where(beside.condition, beside.first, beside.end).scalar_subquery()


def _told(resource: AnyResource, by: Grouping) -> ColumnElement[Any] | None:
    """What a group is told by, where that is not what it goes by: the spellings of a text are one group."""
    if by.unit is None and by.field in resource.collated:
        return column_of(resource, by.field)
    return _custom(resource, by.field) if _is_custom_text(by) else None


def _part(measure: Measure, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """What is told of some records, of which more is told together."""
    match measure.function:
        case Function.SUM | Function.AVG:
            return func.sum(column)
        case Function.MIN:
            return func.min(column)
        case Function.MAX:
            return func.max(column)
    return func.count()


def _figure(measure: Measure, parts: FromClause, index: int) -> ColumnElement[Any]:
    if measure.function is Function.COUNT:
        return func.coalesce(func.sum(parts.c[COUNTED]), 0)
    column = parts.c[f"of_{index}"]
    return func.count(column.distinct()) if measure.function is Function.DISTINCT else _part(measure, column)


@statement
def grouped(
    resource: AnyResource,
    listing: Listing,
    scope: Scope,
    filtered: Shaped,
    group_by: tuple[Grouping, ...],
    measures: tuple[Measure, ...],
    by: By,
) -> Select[Any]:
    """All records together, then the groups in their order, each with its currencies behind it."""
    in_money = any(each.is_money for each in measures)
    read = _read(resource, listing, scope, filtered, group_by, measures, in_money=in_money).subquery("read")
    parts = _parts(read, group_by, measures, in_money=in_money).subquery("parts")
    keys = tuple(parts.c[f"by_{index}"] for index, _ in enumerate(group_by))
    apart = (parts.c[CURRENCY],) if in_money else ()
    sets = dict.fromkeys((*one, *other) for one in ((), keys) for other in ((), apart))
    added = select(
        (func.grouping(keys[0]) == 1 if keys else true()).label(TOTAL),
        (func.grouping(apart[0]) == 0 if apart else false()).label(OF_CURRENCY),
        *keys,
        *(
            (_as_told(each, parts.c[f"told_{index}"]) if f"told_{index}" in parts.c else key).label(f"key_{index}")
            for index, (each, key) in enumerate(zip(group_by, keys, strict=True))
        ),
        *apart,
        func.coalesce(func.sum(parts.c[COUNTED]), 0).label(COUNTED),
        *(_figure(each, parts, index).label(f"value_{index}") for index, each in enumerate(measures)),
        *(func.sum(parts.c[f"number_{index}"]).label(f"number_{index}") for index in _averages(measures)),
    ).select_from(parts)
    if keys or apart:
        added = added.group_by(func.grouping_sets(*(tuple_(*each) for each in sets)))
    rows = added.subquery("added")
    return (
        select(rows)
        .order_by(rows.c[TOTAL].desc(), *_order(rows, group_by, measures, by, in_money=in_money))
        .limit(bindparam("row_limit", type_=Integer))
    )


def _parts(
    read: FromClause, group_by: Sequence[Grouping], measures: Sequence[Measure], *, in_money: bool
) -> Select[Any]:
    """What is added up: groups by currency, which are few, or the records where parts cannot be put together.

    How many different values there are, and which spelling most records have, is known of no two parts together.
    """
    keys = [read.c[f"by_{index}"] for index, _ in enumerate(group_by)]
    apart = [read.c[CURRENCY]] if in_money else []
    told = [read.c[name] for index, _ in enumerate(group_by) if (name := f"told_{index}") in read.c]
    of = [read.c[f"of_{index}"] for index, _ in enumerate(measures)]
    if any(each.function is Function.DISTINCT for each in measures) or any(map(_is_custom_text, group_by)):
        numbers = (case((of[index].is_(None), 0), else_=1).label(f"number_{index}") for index in _averages(measures))
        return select(*keys, *told, *apart, *of, *numbers, literal_column("1").label(COUNTED)).select_from(read)
    return (
        select(
            *keys,
            *(func.min(each).label(each.name) for each in told),
            *apart,
            *(_part(each, column).label(column.name) for each, column in zip(measures, of, strict=True)),
            *(func.count(of[index]).label(f"number_{index}") for index in _averages(measures)),
            func.count().label(COUNTED),
        )
        .select_from(read)
        .group_by(*keys, *apart)
    )


def _averages(measures: Sequence[Measure]) -> Iterator[int]:
    return (index for index, each in enumerate(measures) if each.function is Function.AVG)


def _read(
    resource: AnyResource,
    listing: Listing,
    scope: Scope,
    filtered: Shaped,
    group_by: Sequence[Grouping],
    measures: Sequence[Measure],
    *,
    in_money: bool,
) -> Select[Any]:
    """What is read of each record."""
    paths = frozenset([*(each.field for each in group_by), *(each.field for each in measures)])
    rows = whole_rows(listing, scope, filtered.tree, beside=paths & _masked(resource))
    told = ((index, _told(resource, each)) for index, each in enumerate(group_by))
    columns: list[ColumnElement[Any]] = [
        *(_key(resource, each).label(f"by_{index}") for index, each in enumerate(group_by)),
        *(each.label(f"told_{index}") for index, each in told if each is not None),
        *(_measured(resource, each).label(f"of_{index}") for index, each in enumerate(measures)),
        *([resource.table.c[CURRENCY].label(CURRENCY)] if in_money else []),
    ]
    # Kept apart: of the months of a million instants the planner believes that they are a million, and would sort them.
    return rows.with_only_columns(*columns or [literal_column("1").label("one")]).offset(literal_column("0"))


def _masked(resource: AnyResource) -> frozenset[str]:
    return frozenset() if resource.masked is None else resource.masked.fields


def _as_told(by: Grouping, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Of the spellings of a text one; of what a tenant's field has, that which most records have."""
    return func.mode().within_group(column) if _is_custom_text(by) else func.min(column)


def _order(
    rows: FromClause, group_by: Sequence[Grouping], measures: Sequence[Measure], by: By, *, in_money: bool
) -> Iterator[ColumnElement[Any]]:
    keys = [rows.c[f"by_{index}"] for index, _ in enumerate(group_by)]
    if isinstance(by.term, Grouping):
        first: ColumnElement[Any] = keys[group_by.index(by.term)]
    else:
        first = rows.c[f"value_{measures.index(by.term)}" if by.term in measures else COUNTED]
        if in_money:
            # The currencies of a group stay together; of several the largest amount counts.
            told = case((rows.c[OF_CURRENCY] == literal(by.term.is_money), first))
            first = func.max(told).over(partition_by=[rows.c[TOTAL], *keys])
    yield (first.desc() if by.descending else first.asc()).nulls_last()
    yield from (each.asc().nulls_last() for each in keys)
    if in_money:
        yield rows.c[OF_CURRENCY]
        yield rows.c[CURRENCY]
