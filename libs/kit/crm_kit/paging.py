"""Keyset paging: a page starts after the last row of the page before, wherever that row is by now.

Rows inserted while a caller pages are neither doubled nor skipped, and page 1000 costs what page 1 costs.
Nulls come last, ascending and descending. Token and predicate know the position only by the values of a row.
A page backward is read in the reversed order, in which nulls come first, and turned round.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Table,
    UnaryExpression,
    and_,
    bindparam,
    or_,
    select,
    tuple_,
    union_all,
)

from crm_kit.errors import InvalidArgument, invalid_field
from crm_kit.packing import OrderValue, pack, unpack

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
MAX_ORDER_TERMS = 5

Position = tuple[OrderValue, ...]

_DIRECTIONS = {False: b">", True: b"<"}
_ORDER_TERM = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_.]*)(?:\s+(asc|desc))?\s*")


def page_size_of(asked: int) -> int:
    """Rows a page has: 50 when 0 is asked for, at most 200; InvalidArgument when negative."""
    if asked < 0:
        raise invalid_field("page_size", "range", "must not be negative")
    return min(asked or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


class Keyed(Protocol):
    """A row, or whatever else has values by name."""

    def __getitem__(self, name: str, /) -> Any: ...


Row = TypeVar("Row", bound=Keyed)


# --- order


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """Where the values of an order are rows of their own: at most one beside each record, found by `condition`.

    Those of the order begin with `first` and end before `end`. An index on value and `id`, which is the record's,
    serves them. `kind` says what they are.
    """

    records: Table
    values: FromClause
    condition: ColumnElement[bool]
    first: ColumnElement[bool]
    end: ColumnElement[bool]
    id: ColumnElement[Any]
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class OrderColumn:
    """What a list may be ordered by; rows have it as `key`, or under its own name. Its type is that of the binds."""

    expression: ColumnElement[Any]
    nullable: bool = False
    beside: Beside | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """One field of an order, in one direction. Terms of one list are equal by name and direction."""

    name: str
    column: OrderColumn
    descending: bool = False
    nulls_first: bool = False

    def clause(self) -> UnaryExpression[Any]:
        """For `ORDER BY`. Of columns without nulls it does not say where they go: no plain index would serve."""
        expression = self.column.expression
        directed = expression.desc() if self.descending else expression.asc()
        if not self.column.nullable:
            return directed
        return directed.nulls_first() if self.nulls_first else directed.nulls_last()


@dataclass(frozen=True, slots=True)
class Order:
    """A total order of a list's rows; it ends with `id` and so never ties. Usable as a cache key."""

    terms: tuple[OrderTerm, ...]

    @property
    def text(self) -> str:
        """The order in one spelling, for example `name desc, id desc`; of values beside the record with their kind."""
        kinds = [f" {term.column.beside.kind}" if term.column.beside else "" for term in self.terms]
        return ", ".join(
            term.name + kind + (" desc" if term.descending else "")
            for term, kind in zip(self.terms, kinds, strict=True)
        )

    def clauses(self) -> list[UnaryExpression[Any]]:
        """For `ORDER BY`."""
        return [term.clause() for term in self.terms]

    def reversed(self) -> "Order":
        """The same rows from the last to the first."""
        return Order(
            tuple(
                replace(term, descending=not term.descending, nulls_first=not term.nulls_first) for term in self.terms
            )
        )

    def position_of(self, row: Keyed) -> Position:
        """Where a row stands: its values of the order's fields."""
        return tuple(row[term.column.key or term.name] for term in self.terms)


def parse_order_by(text: str, allowed: Mapping[str, OrderColumn], default: str) -> Order:
    """The order for `order_by` (AIP-132: `field, other desc`), or the default when it is empty.

    `allowed` has to have `id`. Where `id` is not named it is added as the last term, in the direction of the
    term before it, so that one index read in one direction serves. InvalidArgument names `order_by`.
    """
    terms: dict[str, OrderTerm] = {}
    for part in (text if text.strip() else default).split(","):
        term = _parse_term(part, allowed)
        if term.name in terms:
            raise invalid_field("order_by", "order", f"{term.name} is named twice")
        terms[term.name] = term
    if len(terms.keys() - {"id"}) > MAX_ORDER_TERMS:
        raise invalid_field("order_by", "order", f"names more than {MAX_ORDER_TERMS} fields besides id")
    last = next(reversed(terms.values()))
    terms.setdefault("id", OrderTerm("id", allowed["id"], last.descending))
    # No two rows share an id: what is named after it orders nothing.
    return Order(tuple(terms.values())[: list(terms).index("id") + 1])


def _parse_term(part: str, allowed: Mapping[str, OrderColumn]) -> OrderTerm:
    match = _ORDER_TERM.fullmatch(part)
    if not match:
        shown = part.strip() or "nothing"
        raise invalid_field("order_by", "order", f"expected a field, with ` desc` if wanted, found {shown}")
    name, direction = match.groups()
    if name not in allowed:
        known = ", ".join(sorted(allowed))
        told = {"field": name, "possible": known}
        raise invalid_field("order_by", "order", f"cannot order by {name}; known: {known}", metadata=told)
    return OrderTerm(name, allowed[name], direction == "desc")


# --- where a page starts


def null_pattern(position: Position) -> tuple[bool, ...]:
    """Which values are null. Statements for the same order and pattern have the same text: the cache key."""
    return tuple(value is None for value in position)


def position_values(position: Position) -> dict[str, OrderValue]:
    """The values of the predicate's bind parameters `after_0`, `after_1` ...; nulls need none."""
    return {f"after_{index}": value for index, value in enumerate(position) if value is not None}


def keyset_predicate(order: Order, nulls: tuple[bool, ...]) -> ColumnElement[bool]:
    """True of the rows after the position whose null pattern is `nulls`.

    One row comparison where all directions are equal and no column is nullable: one range of an index.
    Else a chain of ORs behind a bound on the first column, if it has one. For an order with nullable columns
    `page_statement` is the one whose cost does not grow with the depth of the page.
    """
    _check_pattern(order, nulls)
    if _is_uniform(order.terms):
        return _row_comparison(order.terms, 0)
    ranges = or_(*ranges_after(order, nulls))
    first = order.terms[0]
    if first.column.nullable:
        return ranges
    bound, value = first.column.expression, _bind(first, 0)
    return and_(bound <= value if first.descending else bound >= value, ranges)


def page_statement(base: Select[Any], order: Order, nulls: tuple[bool, ...] | None, limit: str) -> Select[Any]:
    """The statement of one page: `base` after the position (None: from the start), in order, limited.

    Bind parameters: those of `base`, `after_N`, and `limit` by the name given. `base` has to select every field
    of the order under its name, or `key`. Where the rows after a position are several ranges of an index, each is
    read on its own up to the limit, so that a deep page costs what the first costs.
    """
    count: BindParameter[int] = bindparam(limit, type_=Integer)
    first = order.terms[0].column
    if _is_uniform(order.terms) or (nulls is None and not first.nullable):
        rows = base if nulls is None else base.where(keyset_predicate(order, nulls))
        return rows.order_by(*order.clauses()).limit(count)
    whole = [first.expression.is_not(None), first.expression.is_(None)]
    ranges = whole if nulls is None else ranges_after(order, nulls)
    # Within a range the first field is null everywhere or nowhere: a plain index has it in either direction.
    plain = [replace(order.terms[0], column=replace(first, nullable=False)), *order.terms[1:]]
    parts = [
        select(base.where(part).order_by(*(term.clause() for term in plain)).limit(count).subquery(f"range_{index}"))
        for index, part in enumerate(ranges)
    ]
    return merged_page(parts, order, count)


def merged_page(parts: Sequence[Select[Any]], order: Order, count: BindParameter[int]) -> Select[Any]:
    """One page of several, each of which has as many rows as there may be."""
    merged = union_all(*parts).subquery("page")
    clauses = [
        replace(term, column=OrderColumn(merged.c[term.column.key or term.name], term.column.nullable)).clause()
        for term in order.terms
    ]
    return select(merged).order_by(*clauses).limit(count)


def ranges_after(order: Order, nulls: tuple[bool, ...]) -> list[ColumnElement[bool]]:
    """Disjoint ranges that together are the rows after the position, the nearest first."""
    _check_pattern(order, nulls)
    terms = order.terms
    found: list[ColumnElement[bool]] = []
    start = len(terms)
    while start > 0:
        # The longest run of one direction that ends here is one row comparison. A column with nulls can only
        # begin it: the comparison is never true of a row with a null there, and `_after` knows about those rows.
        end, start = start, start - 1
        while start > 0 and not nulls[start - 1] and _continues(terms[start - 1], terms[start]):
            start -= 1
        same = [_equals(term, index, nulls[index]) for index, term in enumerate(terms[:start])]
        found += [and_(*same, after) for after in _after(terms[start:end], start, nulls[start])]
    return found


def _after(run: tuple[OrderTerm, ...], index: int, is_null: bool) -> list[ColumnElement[bool]]:
    """Rows after the position in the fields of one run; those with a null come after all others, or before them."""
    first = run[0]
    if is_null:
        return [first.column.expression.is_not(None)] if first.nulls_first else []
    after = [_row_comparison(run, index)]
    return [*after, first.column.expression.is_(None)] if first.column.nullable and not first.nulls_first else after


def _row_comparison(run: tuple[OrderTerm, ...], index: int) -> ColumnElement[bool]:
    values = [_bind(term, index + offset) for offset, term in enumerate(run)]
    columns = [term.column.expression for term in run]
    if len(run) == 1:
        return columns[0] < values[0] if run[0].descending else columns[0] > values[0]
    left, right = tuple_(*columns), tuple_(*values)
    return left < right if run[0].descending else left > right


def _equals(term: OrderTerm, index: int, is_null: bool) -> ColumnElement[bool]:
    return term.column.expression.is_(None) if is_null else term.column.expression == _bind(term, index)


def _continues(before: OrderTerm, term: OrderTerm) -> bool:
    return before.descending == term.descending and not term.column.nullable


def _is_uniform(terms: Sequence[OrderTerm]) -> bool:
    """One direction, no nulls: what one row comparison can say."""
    return len({term.descending for term in terms}) == 1 and not any(term.column.nullable for term in terms)


def _bind(term: OrderTerm, index: int) -> BindParameter[Any]:
    return bindparam(f"after_{index}", type_=term.column.expression.type)


def _check_pattern(order: Order, nulls: tuple[bool, ...]) -> None:
    for term, is_null in zip(order.terms, nulls, strict=True):
        if is_null and not term.column.nullable:
            raise ValueError(f"{term.name} is never null, the position says it is")


# --- pages in both directions


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page starts: after the row at `position`, or `backward` before it.

    Without a position it is the first page, or backward the last.
    """

    position: Position | None = None
    backward: bool = False


def cut_page(
    fetched: Sequence[Row], size: int, cursor: Cursor, order: Order
) -> tuple[list[Row], Cursor | None, Cursor | None]:
    """A page's rows in the order of the list, where the next page starts, and where the one before.

    `fetched` are up to `size + 1` rows from the cursor on, in its direction: one too many says that there are
    more. On the other side there is the row that the cursor came from, unless it has gone since.
    """
    rows, more, came_from = list(fetched[:size]), len(fetched) > size, cursor.position is not None
    if cursor.backward:
        rows.reverse()
    has_next, has_previous = (came_from, more) if cursor.backward else (more, came_from)
    # Where a page is empty all other rows are on the side it came from: they begin, or end, with the list.
    first, last = (order.position_of(rows[0]), order.position_of(rows[-1])) if rows else (None, None)
    return rows, Cursor(last) if has_next else None, Cursor(first, backward=True) if has_previous else None


# --- page tokens


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What a page token is good for: another page of this list, for this tenant, filter and order."""

    list_name: str
    tenant_id: UUID
    filter: str
    order_by: str
    # What narrows the list besides the filter, for example the account whose contacts it has.
    of: tuple[str, ...] = ()

    def identity(self) -> bytes:
        """All of it as bytes, those of each part with their number before them."""
        parts = (self.list_name, str(self.tenant_id), self.filter, self.order_by, *self.of)
        texts = [part.encode() for part in parts]
        return b"".join(len(text).to_bytes(4, "big") + text for text in texts)


class PageTokens:
    """Makes and reads page tokens: direction and values of a row, sealed together with the request they continue.

    Its holder can read nothing out of it: a search's may stand at a candidate that is not shown. Sealed by AES-256-SIV
    (RFC 5297), the same page has the same token, and any number of them may be made with the key.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("the key of page tokens has fewer than 16 bytes")
        self._cipher = AESSIV(HKDF(SHA256(), 64, salt=None, info=b"page tokens").derive(key))

    def issue(self, request: ListRequest, cursor: Cursor | None) -> str:
        """The token of the page that starts there, base64url without padding; empty when there is none."""
        if cursor is None:
            return ""
        body = _DIRECTIONS[cursor.backward] + pack(cursor.position or ())
        return urlsafe_b64encode(self._cipher.encrypt(body, [request.identity()])).rstrip(b"=").decode()

    def read(self, token: str, request: ListRequest, order: Order) -> Cursor:
        """Where the page of a token starts; an empty token is the first page's.

        InvalidArgument with reason INVALID_PAGE_TOKEN unless this key sealed it for this very request.
        """
        cursor = self.cursor(token, request)
        if cursor.position and len(cursor.position) != len(order.terms):
            raise _refused()
        return cursor

    def cursor(self, token: str, request: ListRequest) -> Cursor:
        """As `read`, for what has no order by fields."""
        if not token:
            return Cursor()
        try:
            sealed = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
            body = self._cipher.decrypt(sealed, [request.identity()])
        except (ValueError, InvalidTag):
            raise _refused() from None
        return Cursor(unpack(body[1:]) or None, backward=body[:1] == _DIRECTIONS[True])


def _refused() -> InvalidArgument:
    return invalid_field(
        "page_token",
        "page_token",
        "was not made for this list, filter and order: ask for the first page again, without a token",
        reason="INVALID_PAGE_TOKEN",
    )
