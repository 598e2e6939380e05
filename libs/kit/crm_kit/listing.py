"""Lists: one way to filter, order and page, for every resource.

A resource declares its `Listing` once; statements are compiled once per scope, filter shape, order and position.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, Integer, Select, Uuid, any_, bindparam, func, literal, select, union_all

from crm_kit.database.connections import Record
from crm_kit.database.statements import Statement, statement
from crm_kit.database.work import Reader
from crm_kit.errors import InvalidArgument
from crm_kit.field_rights import is_hidden
from crm_kit.filtering.parsing import parse_filter
from crm_kit.filtering.schema import CUSTOM, FilterSchema
from crm_kit.filtering.sql import compile_sql, filter_values
from crm_kit.filtering.tree import EVERYTHING, And, FieldType, Filter, Has, Not, OneOf, Or, Shaped, fields_of
from crm_kit.filtering.words import FilterContext
from crm_kit.identity.access import Scope
from crm_kit.paging import (
    ListRequest,
    Order,
    OrderColumn,
    PageTokens,
    cut_page,
    merged_page,
    null_pattern,
    page_size_of,
    page_statement,
    parse_order_by,
    position_values,
)
from crm_kit.paging_beside import page_statement_beside
from crm_kit.scans import within_share

Row = TypeVar("Row")
MAX_EXACT_COUNT = 10_000
_COUNT_LIMIT = bindparam("count_limit", type_=Integer)
NONE: Mapping[str, Any] = MappingProxyType({})


class AskedPage(Protocol):
    """What every request for a page of records has, of a list or of a search."""

    @property
    def page_size(self) -> int: ...
    @property
    def page_token(self) -> str: ...
    @property
    def filter(self) -> str: ...


class Asked(AskedPage, Protocol):
    """What every List request has."""

    @property
    def order_by(self) -> str: ...


@dataclass(frozen=True, slots=True)
class PageOf:
    """What a list request without filter and order asks for."""

    page_size: int
    page_token: str
    filter: str = ""
    order_by: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a list, in its order. A token is empty where there is no other page on its side."""

    rows: list[Row]
    next_token: str
    prev_token: str


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows there are. What is not `exact` is an estimate of more than 10,000 and never below that."""

    total: int
    exact: bool


class CustomFields(Protocol):
    """What a list can be filtered and ordered by, the fields among it that the reader's tenant has added."""

    async def fields(self, reader: Reader, *, fresh: bool) -> tuple[FilterSchema, Mapping[str, OrderColumn]]:
        """With `fresh` as they are now; they may be remembered without."""


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """How one resource is listed.

    `rows(scope, filter fields)` selects what the scope may see, under the names of the order's fields; the paths
    that the caller's filter speaks of let it hide, for example, archived rows unless they are asked for.
    `whole` are the same rows for what reads all of them, and `pages` for pages, in parts that have none in common.
    """

    name: str
    rows: Callable[[Scope, frozenset[str]], Select[Any]]
    fields: FilterSchema
    orders: Mapping[str, OrderColumn]
    default_order: str = "create_time desc"
    custom: CustomFields | None = None
    whole: Callable[[Scope, frozenset[str]], Select[Any]] | None = None
    pages: Callable[[Scope, frozenset[str]], Sequence[Select[Any]]] | None = None
    # Whose records they are; of some fields of theirs the reader may know nothing.
    collection: str = ""
    # Of lists that show records of which the reader sees a label only: whether a path is part of that.
    in_label: Callable[[str], bool] | None = None
    # Puts filters that are kept in the place of the terms of a filter that name them.
    with_kept: Callable[[Reader, Filter, str], Awaitable[Filter]] | None = None

    async def page(
        self, reader: Reader, asked: Asked, tokens: PageTokens, *, rights: Mapping[str, Any] = NONE, **binds: Any
    ) -> Page[Record]:
        """One page of rows, with the tokens of the next page and of the one before.

        Tokens are of a list with these `binds`. `rights` are bound too, but a token outlives a change of them.
        """
        size = page_size_of(asked.page_size)
        tree, order = await self.read(reader, asked.filter, asked.order_by)
        of = tuple(f"{name}={value}" for name, value in sorted(binds.items()))
        request = ListRequest(self.name, reader.tenant_id, asked.filter, order.text, of)
        cursor = tokens.read(asked.page_token, request, order)
        position = cursor.position
        nulls = None if position is None else null_pattern(position)
        direction = order.reversed() if cursor.backward else order
        query = planned(select_page(self, reader.scope, Shaped.of(tree), direction, nulls), tree)
        values: dict[str, Any] = {**binds, **rights, **filter_values(tree, context_of(reader)), "page_limit": size + 1}
        async with within_share(reader, tree):
            fetched = await reader.all(query, **values | position_values(position or ()))
        rows, following, previous = cut_page(fetched, size, cursor, order)
        return Page(rows, tokens.issue(request, following), tokens.issue(request, previous))

    async def after(self, reader: Reader, tree: Filter, id: UUID | None, count: int) -> list[Record]:
        """The next rows by id that the reader may see and the filter takes, for what takes all of them in turns."""
        order = parse_order_by("id", self.orders, "id")
        query = planned(select_page(self, reader.scope, Shaped.of(tree), order, None if id is None else (False,)), tree)
        values = filter_values(tree, context_of(reader)) | position_values(() if id is None else (id,))
        async with within_share(reader, tree):
            return await reader.all(query, **values, page_limit=count)

    async def first(self, reader: Reader, tree: Filter, order: Order, count: int) -> list[Record]:
        """The first rows of an order that the reader may see and the filter takes."""
        query = planned(select_page(self, reader.scope, Shaped.of(tree), order, None), tree)
        async with within_share(reader, tree):
            return await reader.all(query, **filter_values(tree, context_of(reader)), page_limit=count)

    async def first_ids(self, reader: Reader, tree: Filter, order: Order, count: int) -> list[UUID]:
        """Their ids alone, which may be many, in no order."""
        query = planned(select_first_ids(self, reader.scope, Shaped.of(tree), order), tree)
        async with within_share(reader, tree):
            rows = await reader.all(query, **filter_values(tree, context_of(reader)), page_limit=count)
        return [row["id"] for row in rows]

    async def count(self, reader: Reader, filter: str, **binds: Any) -> Count:
        """How many rows the filter takes of those the reader may see: counted to 10,000, then estimated.

        The estimate is the planner's, for the same statement: it knows how values are distributed, but not how
        conditions go together, and nothing of how often a text contains another.
        """
        tree, _ = await self.read(reader, filter)
        total = await self.count_to(reader, tree, MAX_EXACT_COUNT + 1, **binds)
        if total <= MAX_EXACT_COUNT:
            return Count(total, exact=True)
        values: dict[str, Any] = binds | filter_values(tree, context_of(reader))
        (plan,) = await reader.all(explained(select_rows(self, reader.scope, Shaped.of(tree))), **values)
        return Count(max(MAX_EXACT_COUNT, orjson.loads(plan[0])[0]["Plan"]["Plan Rows"]), exact=False)

    async def count_to(self, reader: Reader, tree: Filter, most: int, **binds: Any) -> int:
        """How many rows the filter takes of those the reader may see, counted up to `most`."""
        counting = planned(count_rows(self, reader.scope, Shaped.of(tree)), tree)
        values = binds | filter_values(tree, context_of(reader)) | {"count_limit": most}
        async with within_share(reader, tree):
            (counted,) = await reader.all(counting, **values)
        total: int = counted[0]
        return total

    async def among(self, reader: Reader, tree: Filter, ids: Collection[UUID]) -> dict[UUID, Record]:
        """The rows with these ids that the reader may see and the filter takes, by id."""
        query = planned(select_among(self, reader.scope, Shaped.of(tree)), tree)
        rows = await reader.all(query, **filter_values(tree, context_of(reader)), ids=list(ids))
        return {row["id"]: row for row in rows}

    async def ids_among(self, reader: Reader, tree: Filter, ids: Collection[UUID]) -> set[UUID]:
        """Those of the ids whose rows the reader may see and the filter takes."""
        query = planned(select_ids_among(self, reader.scope, Shaped.of(tree)), tree)
        rows = await reader.all(query, **filter_values(tree, context_of(reader)), ids=list(ids))
        return {row["id"] for row in rows}

    async def read(self, reader: Reader, filter: str, order_by: str = "") -> tuple[Filter, Order]:
        """A filter and an order, as `parse`, with the filters that it names in their place."""
        tree, order = await self.parse(reader, filter, order_by)
        return tree if self.with_kept is None else await self.with_kept(reader, tree, filter), order

    async def parse(self, reader: Reader, filter: str, order_by: str = "") -> tuple[Filter, Order]:
        """A filter and an order. InvalidArgument for what is none; of custom fields only as they are now.

        Fields that are hidden from the reader are none.
        """
        hidden = reader.actor.access.unlisted_of(self.collection)
        if self.custom is None or (CUSTOM not in filter and CUSTOM not in order_by):
            return self._parsed(filter, order_by, self.fields, self.orders, hidden)
        try:
            return self._parsed(filter, order_by, *await self.custom.fields(reader, fresh=False), hidden)
        except InvalidArgument:
            return self._parsed(filter, order_by, *await self.custom.fields(reader, fresh=True), hidden)

    def _parsed(
        self,
        filter: str,
        order_by: str,
        fields: FilterSchema,
        orders: Mapping[str, OrderColumn],
        hidden: frozenset[str],
    ) -> tuple[Filter, Order]:
        if hidden:
            fields = shown_fields(fields, hidden)
            orders = {path: column for path, column in orders.items() if not is_hidden(path, hidden)}
        tree = parse_filter(filter, fields) if filter else EVERYTHING
        return tree, parse_order_by(order_by, orders, self.default_order)


@lru_cache(maxsize=512)
def shown_fields(fields: FilterSchema, hidden: frozenset[str]) -> FilterSchema:
    """What a filter may compare without these."""
    return replace(fields, fields={path: each for path, each in fields.fields.items() if not is_hidden(path, hidden)})


def planned(query: Statement, tree: Filter) -> Statement:
    """The statement, planned for the values of a filter where what they find is of any number."""
    return query.planned_by_values() if _is_of_any_number(tree) else query


def _is_of_any_number(tree: Filter) -> bool:
    """Whether a filter compares custom fields, or goes by ids: of members of a list, or of the records themselves."""
    match tree:
        case Not(term):
            return _is_of_any_number(term)
        case And(terms) | Or(terms):
            return any(map(_is_of_any_number, terms))
        case Has(field) if field.type is FieldType.UUID_LIST:
            return True
        case OneOf(field) if field.type is FieldType.UUID:
            return True
    return tree.field.path.startswith(CUSTOM)


def context_of(reader: Reader) -> FilterContext:
    """What the words of a filter stand for when this reader asks."""
    access = reader.actor.access
    return FilterContext(
        reader.now, access.time_zone, me=reader.actor.user_id, team_ids=access.team_ids, region=access.default_region
    )


@statement
def select_page(
    listing: Listing, scope: Scope, filtered: Shaped, order: Order, nulls: tuple[bool, ...] | None
) -> Select[Any]:
    return _page(listing, scope, filtered, order, nulls)


@statement
def select_first_ids(listing: Listing, scope: Scope, filtered: Shaped, order: Order) -> Select[Any]:
    first = _page(listing, scope, filtered, order, None).subquery("first")
    return select(first.c.id)


def _page(
    listing: Listing, scope: Scope, filtered: Shaped, order: Order, nulls: tuple[bool, ...] | None
) -> Select[Any]:
    is_beside = any(term.column.beside is not None for term in order.terms)
    build = page_statement_beside if is_beside else page_statement
    parts = _filtered_pages(listing, scope, filtered.tree, beyond_label(listing, order))
    pages = [build(part, order, nulls, "page_limit") for part in parts]
    return pages[0] if len(pages) == 1 else merged_page(pages, order, bindparam("page_limit", type_=Integer))


@statement
def select_rows(listing: Listing, scope: Scope, filtered: Shaped) -> Select[Any]:
    return _filtered_rows(listing, scope, filtered.tree)


@statement
def select_among(listing: Listing, scope: Scope, filtered: Shaped) -> Select[Any]:
    id = listing.orders["id"].expression
    return _filtered_rows(listing, scope, filtered.tree).where(id == any_(bindparam("ids", type_=ARRAY(Uuid))))


@statement
def select_ids_among(listing: Listing, scope: Scope, filtered: Shaped) -> Select[Any]:
    id = listing.orders["id"].expression
    chosen = _filtered_rows(listing, scope, filtered.tree).with_only_columns(id.label("id"))
    return chosen.where(id == any_(bindparam("ids", type_=ARRAY(Uuid))))


@statement
def count_rows(listing: Listing, scope: Scope, filtered: Shaped) -> Select[Any]:
    parts = _filtered_pages(listing, scope, filtered.tree)
    limited = [select(literal(1)).select_from(part.limit(_COUNT_LIMIT).subquery()) for part in parts]
    return select(func.count()).select_from(union_all(*limited).limit(_COUNT_LIMIT).subquery("counted"))


def explained(query: Statement) -> Statement:
    """What the planner expects of a statement, as JSON."""
    return Statement(f"EXPLAIN (FORMAT JSON) {query.sql}", query.names, query.constants)


def _filtered_rows(listing: Listing, scope: Scope, tree: Filter) -> Select[Any]:
    return _filtered(listing, listing.rows(scope, fields_of(tree)), tree)


def whole_rows(listing: Listing, scope: Scope, tree: Filter, *, beside: frozenset[str] = frozenset()) -> Select[Any]:
    """All rows that the scope reaches and the filter takes, for what adds them up; it speaks of `beside` as well."""
    rows = listing.whole or listing.rows
    return _filtered(listing, rows(scope, fields_of(tree) | beside), tree)


def beyond_label(listing: Listing, order: Order) -> frozenset[str]:
    """The fields that an order goes by and that are no part of a label: where a record stands would tell of them."""
    in_label = listing.in_label
    return frozenset(each.name for each in order.terms if in_label is not None and not in_label(each.name))


def _filtered_pages(
    listing: Listing, scope: Scope, tree: Filter, beside: frozenset[str] = frozenset()
) -> list[Select[Any]]:
    if listing.pages is None:
        return [_filtered_rows(listing, scope, tree)]
    return [_filtered(listing, part, tree) for part in listing.pages(scope, fields_of(tree) | beside)]


def _filtered(listing: Listing, base: Select[Any], tree: Filter) -> Select[Any]:
    return base if tree is EVERYTHING else base.where(compile_sql(tree, listing.fields))
