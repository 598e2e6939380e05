"""Pages ordered by values that are rows of their own, beside the records: a record may have none.

The records that have a value are read along the index of the values, and those that have none along the index of
their ids. So each is one range of an index, however deep the page; a plain outer join would read and sort them all.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Integer, Select, and_, bindparam, func, or_, select

from crm_kit.paging import (
    Order,
    OrderColumn,
    OrderTerm,
    keyset_predicate,
    merged_page,
    page_statement,
    ranges_after,
)


def page_statement_beside(base: Select[Any], order: Order, nulls: tuple[bool, ...] | None, limit: str) -> Select[Any]:
    """As `paging.page_statement`, for an order of which a term is beside the records."""
    if order.terms[0].column.beside is None:
        return page_statement(_joined(base, order), order, nulls, limit)
    count: BindParameter[int] = bindparam(limit, type_=Integer)
    bands = [_with_value(base, order, nulls), _without(base, order, nulls)]
    if order.terms[0].nulls_first:
        bands.reverse()
    parts = [band.limit(count) for band in bands if band is not None]
    if len(parts) == 1:
        return parts[0]
    # Where the nearer band fills the page the other is not looked for: among a million records there may be none of it.
    nearer = parts[0].cte()
    is_short = select(func.count()).select_from(nearer).scalar_subquery() < count
    return merged_page([select(nearer), parts[1].where(is_short)], order, count)


def _joined(base: Select[Any], order: Order, *bounds: ColumnElement[bool]) -> Select[Any]:
    """The records with the values that the order speaks of, under their names; `bounds` are of the first one's."""
    besides = [(term, term.column.beside) for term in order.terms if term.column.beside is not None]
    source: Any = besides[0][1].records
    for index, (_, beside) in enumerate(besides):
        ends = bounds if bounds and index == 0 else (beside.first, beside.end)
        source = source.outerjoin(beside.values, and_(beside.condition, *ends))
    return base.add_columns(*(term.column.expression.label(term.name) for term, _ in besides)).select_from(source)


def _with_value(base: Select[Any], order: Order, nulls: tuple[bool, ...] | None) -> Select[Any] | None:
    """The records after the position that have a value of the first term; None where all of them lie before it."""
    first = order.terms[0]
    along = Order(tuple(_along_values(term, first) for term in order.terms))
    value, beside = first.column.expression, first.column.beside
    assert beside is not None
    is_whole = nulls is None or (nulls[0] and first.nulls_first)
    if nulls is not None and nulls[0] and not is_whole:
        return None
    # An index scan begins at one bound and checks the others row by row: behind a position there is but its own.
    bounds = () if is_whole else (beside.first if first.descending else beside.end,)
    # That there is a value makes an inner join of the outer one.
    rows = _joined(base, order, *bounds).where(value.is_not(None)).order_by(*along.clauses())
    return rows if is_whole or nulls is None else rows.where(keyset_predicate(along, nulls))


def _along_values(term: OrderTerm, first: OrderTerm) -> OrderTerm:
    """A term by the columns that the index of the first term's values has."""
    beside = first.column.beside
    assert beside is not None
    if term is first:
        return replace(term, column=OrderColumn(term.column.expression))
    return replace(term, column=OrderColumn(beside.id)) if term.name == "id" else term


def _without(base: Select[Any], order: Order, nulls: tuple[bool, ...] | None) -> Select[Any] | None:
    """The records after the position that have no value of the first term; None where all of them lie before it."""
    first, *others = order.terms
    if nulls is not None and not nulls[0] and first.nulls_first:
        return None
    is_inside = nulls is not None and nulls[0]
    rows = _joined(base, order, *(_bounds(order) if is_inside else ()))
    rows = rows.where(first.column.expression.is_(None)).order_by(*(term.clause() for term in others))
    if nulls is None or not is_inside:
        return rows
    ranges = ranges_after(order, nulls)
    # With nulls first the last range is of the records that have a value.
    return rows.where(or_(*(ranges[:-1] if first.nulls_first else ranges)))


def _bounds(order: Order) -> tuple[ColumnElement[bool], ...]:
    """That values, too, are looked at from the position on only, where the ids alone say where that is."""
    first, second, *_ = order.terms
    beside = first.column.beside
    if second.name != "id" or beside is None:
        return ()
    after = bindparam("after_1", type_=beside.id.type)
    return (beside.first, beside.end, beside.id < after if second.descending else beside.id > after)
