from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from crm_kit.database.statements import compile_statement
from crm_kit.errors import InvalidArgument
from crm_kit.paging import (
    ListRequest,
    Order,
    OrderColumn,
    PageTokens,
    Position,
    keyset_predicate,
    null_pattern,
    page_size_of,
    page_statement,
    parse_order_by,
    position_values,
)
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, create_engine, insert, select

rows = Table(
    "rows",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("rank", Integer),
    Column("place", Integer),
)
ALLOWED = {
    "id": OrderColumn(rows.c.id),
    "name": OrderColumn(rows.c.name),
    "rank": OrderColumn(rows.c.rank, nullable=True),
    "place": OrderColumn(rows.c.place, nullable=True),
}
REQUEST = ListRequest("accounts", UUID(int=7), "status = ACTIVE", "name, id")
TOKENS = PageTokens(b"0123456789abcdef0123456789abcdef")

Row = dict[str, Any]
SMALL = st.none() | st.integers(0, 3)
ROWS = st.lists(st.fixed_dictionaries({"name": st.sampled_from("abAB"), "rank": SMALL, "place": SMALL}), max_size=25)
ORDERS = st.lists(
    st.tuples(st.sampled_from(["name", "rank", "place", "id"]), st.sampled_from(["", " desc", " asc"])),
    min_size=1,
    max_size=4,
    unique_by=lambda term: term[0],
).map(lambda terms: ", ".join(name + direction for name, direction in terms))


def sorted_rows(table: list[Row], order: Order) -> list[Row]:
    """The oracle: stable sorts from the last term to the first, nulls last whatever the direction."""
    ordered = table
    for term in reversed(order.terms):
        there = [row for row in ordered if row[term.name] is not None]
        nulls = [row for row in ordered if row[term.name] is None]
        there.sort(key=lambda row: row[term.name], reverse=term.descending)
        ordered = there + nulls
    return ordered


PageReader = Callable[[Connection, Order, Position | None, int], list[Row]]


def page_by_predicate(database: Connection, order: Order, position: Position | None, size: int) -> list[Row]:
    statement = select(rows).order_by(*order.clauses()).limit(size)
    values: dict[str, Any] = {}
    if position is not None:
        statement = statement.where(keyset_predicate(order, null_pattern(position)))
        values = position_values(position)
    return [dict(row._mapping) for row in database.execute(statement, values)]


def page_by_statement(database: Connection, order: Order, position: Position | None, size: int) -> list[Row]:
    nulls = None if position is None else null_pattern(position)
    statement = page_statement(select(rows), order, nulls, "size")
    values = {"size": size} | (position_values(position) if position else {})
    return [dict(row._mapping) for row in database.execute(statement, values)]


def pages(database: Connection, order: Order, size: int, read: PageReader) -> Iterator[list[Row]]:
    position = None
    while True:
        page = read(database, order, position, size)
        yield page
        if len(page) < size:
            return
        token = TOKENS.issue(REQUEST, order.position_of(page[-1]))
        position = TOKENS.read(token, REQUEST, order)


@pytest.fixture(scope="module")
def database() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        rows.metadata.create_all(connection)
        yield connection
    engine.dispose()


def fill(database: Connection, table: list[Row]) -> None:
    database.execute(rows.delete())
    if table:
        database.execute(insert(rows), table)


@pytest.mark.parametrize("read", [page_by_predicate, page_by_statement])
@given(table=ROWS, text=ORDERS, size=st.integers(1, 6))
def test_paging_gives_every_row_once_and_in_order(
    database: Connection, read: PageReader, table: list[Row], text: str, size: int
) -> None:
    table = [{"id": index, **row} for index, row in enumerate(table)]
    fill(database, table)
    order = parse_order_by(text, ALLOWED, "id")
    seen = [row for page in pages(database, order, size, read) for row in page]
    assert seen == sorted_rows(table, order)


@pytest.mark.parametrize("read", [page_by_predicate, page_by_statement])
@given(table=ROWS, others=ROWS, gone=st.sets(st.integers(0, 24)), text=ORDERS, size=st.integers(1, 6))
def test_rows_that_come_and_go_while_paging_double_and_hide_no_other(
    database: Connection,
    read: PageReader,
    table: list[Row],
    others: list[Row],
    gone: set[int],
    text: str,
    size: int,
) -> None:
    # Ids of the later rows fall between those of the first ones.
    table = [{"id": 2 * index, **row} for index, row in enumerate(table)]
    arriving = [{"id": 2 * index + 1, **row} for index, row in enumerate(others)]
    leaving = [row["id"] for index, row in enumerate(table) if index in gone]
    staying = [row for row in table if row["id"] not in leaving]
    fill(database, table)
    order = parse_order_by(text, ALLOWED, "id")
    seen: list[Row] = []
    for page in pages(database, order, size, read):
        seen += page
        if arriving:
            database.execute(insert(rows), [arriving.pop()])
        if leaving:
            database.execute(rows.delete().where(rows.c.id == leaving.pop()))
    ids = [row["id"] for row in seen]
    assert len(ids) == len(set(ids))
    assert [row for row in seen if row in staying] == sorted_rows(staying, order)


def sql_of(order: Order, nulls: tuple[bool, ...]) -> str:
    return compile_statement(select(rows.c.id).where(keyset_predicate(order, nulls))).sql.split("WHERE ")[1]


def test_one_direction_without_nulls_is_one_row_comparison() -> None:
    assert sql_of(parse_order_by("name", ALLOWED, "id"), (False, False)) == (
        "(rows.name, rows.id) > ($1::VARCHAR, $2::INTEGER)"
    )
    assert sql_of(parse_order_by("name desc", ALLOWED, "id"), (False, False)) == (
        "(rows.name, rows.id) < ($1::VARCHAR, $2::INTEGER)"
    )


def test_mixed_directions_are_ranges_behind_a_bound_that_an_index_can_start_from() -> None:
    assert sql_of(parse_order_by("name desc, id", ALLOWED, "id"), (False, False)) == (
        "rows.name <= $1::VARCHAR AND (rows.name = $1::VARCHAR AND rows.id > $2::INTEGER OR rows.name < $1::VARCHAR)"
    )


def test_after_a_value_come_greater_values_then_nulls_and_after_a_null_only_nulls() -> None:
    order = parse_order_by("rank", ALLOWED, "id")
    assert sql_of(order, (False, False)) == ("(rows.rank, rows.id) > ($1::INTEGER, $2::INTEGER) OR rows.rank IS NULL")
    assert sql_of(order, (True, False)) == "rows.rank IS NULL AND rows.id > $1::INTEGER"


def test_parameters_have_the_names_of_their_places_and_nulls_have_none() -> None:
    order = parse_order_by("rank, name", ALLOWED, "id")
    predicate = keyset_predicate(order, (True, False, False))
    assert compile_statement(select(rows.c.id).where(predicate)).names == ("after_1", "after_2")
    assert position_values((None, "b", 4)) == {"after_1": "b", "after_2": 4}


def test_a_position_cannot_be_null_where_the_column_is_not() -> None:
    with pytest.raises(ValueError, match="name is never null"):
        keyset_predicate(parse_order_by("name", ALLOWED, "id"), (True, False))


def test_orders_of_one_text_are_the_same_key_of_a_cache() -> None:
    assert hash(parse_order_by("name desc", ALLOWED, "id")) == hash(parse_order_by(" name  desc ", ALLOWED, "id"))
    assert parse_order_by("name desc", ALLOWED, "id") == parse_order_by("name desc,id desc", ALLOWED, "id")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", "name desc, id desc"),
        ("  ", "name desc, id desc"),
        ("name", "name, id"),
        ("name asc", "name, id"),
        ("rank desc,name", "rank desc, name, id"),
        ("name , rank  desc", "name, rank desc, id desc"),
        ("id desc", "id desc"),
        ("rank desc, id, name", "rank desc, id"),
    ],
)
def test_an_order_ends_with_the_id_in_the_direction_before_it(text: str, canonical: str) -> None:
    order = parse_order_by(text, ALLOWED, "name desc")
    assert order.text == canonical
    assert parse_order_by(order.text, ALLOWED, "id") == order


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("colour", "cannot order by colour; known: id, name, place, rank"),
        ("name,,rank", "found nothing"),
        ("name,", "found nothing"),
        ("name down", "found name down"),
        ("name DESC", "found name DESC"),
        ("name desc; drop table rows", "found name desc; drop table rows"),
        ("name, name desc", "name is named twice"),
    ],
)
def test_a_bad_order_is_refused_with_what_is_wrong(text: str, told: str) -> None:
    with pytest.raises(InvalidArgument, match=told) as raised:
        parse_order_by(text, ALLOWED, "id")
    assert [violation.field for violation in raised.value.violations] == ["order_by"]


def test_an_order_has_at_most_five_fields() -> None:
    allowed = {f"field_{index}": ALLOWED["name"] for index in range(6)} | {"id": ALLOWED["id"]}
    assert len(parse_order_by("field_0,field_1,field_2,field_3,field_4", allowed, "id").terms) == 6
    with pytest.raises(InvalidArgument, match="more than 5"):
        parse_order_by(",".join(f"field_{index}" for index in range(6)), allowed, "id")


@pytest.mark.parametrize(("asked", "given_size"), [(0, 50), (1, 1), (50, 50), (200, 200), (201, 200), (2**31 - 1, 200)])
def test_a_page_has_fifty_rows_unless_asked_and_never_more_than_two_hundred(asked: int, given_size: int) -> None:
    assert page_size_of(asked) == given_size


def test_a_page_has_no_negative_size() -> None:
    with pytest.raises(InvalidArgument, match="page_size"):
        page_size_of(-1)


VALUES = (
    st.none()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
    | st.integers(-(2**63), 2**63 - 1)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.datetimes(timezones=st.just(UTC))
    | st.dates()
    | st.uuids()
    | st.booleans()
)


def order_of(length: int) -> Order:
    names = [f"field_{index}" for index in range(length - 1)]
    return parse_order_by(",".join([*names, "id"]), dict.fromkeys([*names, "id"], ALLOWED["id"]), "id")


@given(st.lists(VALUES, min_size=1, max_size=6))
def test_a_token_brings_back_values_and_types(values: list[Any]) -> None:
    token = TOKENS.issue(REQUEST, tuple(values))
    read = TOKENS.read(token, REQUEST, order_of(len(values)))
    assert read == tuple(values)
    assert [type(value) for value in read] == [type(value) for value in values]
    assert all(character.isalnum() or character in "-_" for character in token)


def test_an_instant_of_another_zone_comes_back_as_the_same_instant() -> None:
    instant = datetime(2026, 1, 31, 8, 0, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    assert TOKENS.read(TOKENS.issue(REQUEST, (instant,)), REQUEST, order_of(1)) == (instant,)


def test_a_token_of_an_instant_and_an_id_is_short() -> None:
    position = (datetime(2026, 1, 31, tzinfo=UTC), UUID(int=2**127))
    assert len(TOKENS.issue(REQUEST, position)) < 80


def test_no_token_is_the_first_page() -> None:
    assert TOKENS.read("", REQUEST, order_of(2)) is None


TOKEN = TOKENS.issue(REQUEST, ("b", date(2026, 1, 31)))


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, list_name="contacts"),
        replace(REQUEST, tenant_id=UUID(int=8)),
        replace(REQUEST, filter="status = LOST"),
        replace(REQUEST, order_by="name desc, id desc"),
        # The same characters in all, divided differently.
        replace(REQUEST, filter="status = ACTIVEname", order_by=", id"),
    ],
)
def test_a_token_is_good_for_its_own_request_only(other: ListRequest) -> None:
    assert TOKENS.read(TOKEN, REQUEST, order_of(2)) == ("b", date(2026, 1, 31))
    with pytest.raises(InvalidArgument) as raised:
        TOKENS.read(TOKEN, other, order_of(2))
    assert raised.value.reason == "INVALID_PAGE_TOKEN"
    assert [violation.field for violation in raised.value.violations] == ["page_token"]


def refused(token: str) -> bool:
    try:
        TOKENS.read(token, REQUEST, order_of(2))
    except InvalidArgument as error:
        return error.reason == "INVALID_PAGE_TOKEN"
    return False


@given(st.integers(0, len(urlsafe_b64decode(TOKEN + "==")) - 1), st.integers(1, 255))
def test_a_token_with_any_byte_changed_is_refused(place: int, change: int) -> None:
    signed = bytearray(urlsafe_b64decode(TOKEN + "=="))
    signed[place] ^= change
    assert refused(urlsafe_b64encode(bytes(signed)).rstrip(b"=").decode())


@given(st.text(min_size=1, max_size=100).filter(lambda text: text != TOKEN))
def test_invented_tokens_are_refused(token: str) -> None:
    assert refused(token)


def test_a_token_cut_short_or_signed_with_another_key_is_refused() -> None:
    assert refused(TOKEN[:-1])
    assert refused(PageTokens(b"another key of enough bytes").issue(REQUEST, ("b", date(2026, 1, 31))))


def test_a_token_of_fewer_values_than_the_order_has_is_refused() -> None:
    assert refused(TOKENS.issue(REQUEST, ("b",)))


def test_a_weak_key_is_no_key() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        PageTokens(b"short")


def test_rows_are_not_ordered_by_floats() -> None:
    value: Any = 0.5
    with pytest.raises(TypeError, match="float"):
        TOKENS.issue(REQUEST, (value, Decimal(1)))
