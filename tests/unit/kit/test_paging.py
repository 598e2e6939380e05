from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from crm_kit.database.statements import compile_statement
from crm_kit.errors import InvalidArgument
from crm_kit.paging import (
    Cursor,
    ListRequest,
    Order,
    OrderColumn,
    PageTokens,
    cut_page,
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
A_ROW = st.fixed_dictionaries({"name": st.sampled_from("abAB"), "rank": SMALL, "place": SMALL})
ROWS = st.lists(A_ROW, max_size=25)
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


PageReader = Callable[[Connection, Order, Cursor, int], list[Row]]


def page_by_predicate(database: Connection, order: Order, cursor: Cursor, size: int) -> list[Row]:
    direction, position = order.reversed() if cursor.backward else order, cursor.position
    statement = select(rows).order_by(*direction.clauses()).limit(size)
    if position is not None:
        statement = statement.where(keyset_predicate(direction, null_pattern(position)))
    return [dict(row._mapping) for row in database.execute(statement, position_values(position or ()))]


def page_by_statement(database: Connection, order: Order, cursor: Cursor, size: int) -> list[Row]:
    direction, position = order.reversed() if cursor.backward else order, cursor.position
    nulls = None if position is None else null_pattern(position)
    statement = page_statement(select(rows), direction, nulls, "size")
    values = {"size": size} | position_values(position or ())
    return [dict(row._mapping) for row in database.execute(statement, values)]


def read_page(
    database: Connection, order: Order, token: str, size: int, read: PageReader
) -> tuple[list[Row], str, str]:
    """A page's rows, the token of the next page and that of the page before."""
    cursor = TOKENS.read(token, REQUEST, order)
    page, following, previous = cut_page(read(database, order, cursor, size + 1), size, cursor, order)
    return page, TOKENS.issue(REQUEST, following), TOKENS.issue(REQUEST, previous)


def pages(database: Connection, order: Order, size: int, read: PageReader) -> Iterator[list[Row]]:
    token = ""
    while True:
        page, token, _ = read_page(database, order, token, size, read)
        yield page
        if not token:
            return


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


@pytest.mark.parametrize("read", [page_by_predicate, page_by_statement])
@given(table=ROWS, text=ORDERS, size=st.integers(1, 6))
def test_the_pages_back_are_the_pages_there(
    database: Connection, read: PageReader, table: list[Row], text: str, size: int
) -> None:
    table = [{"id": index, **row} for index, row in enumerate(table)]
    fill(database, table)
    order = parse_order_by(text, ALLOWED, "id")
    there, back, token = [], [], ""
    while True:
        page, token, previous = read_page(database, order, token, size, read)
        there.append(page)
        if not token:
            break
    while previous:
        page, token, previous = read_page(database, order, previous, size, read)
        assert token
        back.append(page)
    assert back == there[-2::-1]


@pytest.mark.parametrize("read", [page_by_predicate, page_by_statement])
@given(data=st.data(), table=ROWS, text=ORDERS, size=st.integers(1, 4))
def test_each_page_is_what_lies_next_to_the_page_seen_last_whatever_has_come_and_gone(
    database: Connection, read: PageReader, data: st.DataObject, table: list[Row], text: str, size: int
) -> None:
    known = {4 * index: {"id": 4 * index, **row} for index, row in enumerate(table)}
    used = set(known)
    fill(database, list(known.values()))
    order = parse_order_by(text, ALLOWED, "id")
    page, following, previous = read_page(database, order, "", size, read)
    for backward in data.draw(st.lists(st.booleans(), max_size=8)):
        arriving = data.draw(st.integers(0, 120).filter(lambda each: each not in used))
        used.add(arriving)
        known[arriving] = {"id": arriving, **data.draw(A_ROW)}
        database.execute(insert(rows), [known[arriving]])
        for gone in data.draw(st.sets(st.sampled_from(sorted(known)), max_size=3)):
            del known[gone]
            database.execute(rows.delete().where(rows.c.id == gone))
        token = previous if backward else following
        if not token:
            continue
        # The row next to which the page lies is put back for the oracle, which looks for its place.
        beside = page[:1] if backward else page[-1:]
        ordered = sorted_rows(list({row["id"]: row for row in [*known.values(), *beside]}.values()), order)
        place = ordered.index(beside[0]) if beside else 0
        # Beside an empty page are all rows, on whichever side it came from.
        before, after = ordered[:place] if beside else ordered, ordered[place + len(beside) :]
        page, following, previous = read_page(database, order, token, size, read)
        if backward:
            assert page == before[-size:]
            assert (bool(following), bool(previous)) == (bool(beside), len(before) > size)
        else:
            assert page == after[:size]
            assert (bool(following), bool(previous)) == (len(after) > size, bool(beside))


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


def test_backward_nulls_come_first_and_the_values_before_them_after() -> None:
    order = parse_order_by("rank", ALLOWED, "id").reversed()
    assert [str(clause) for clause in order.clauses()] == ["rows.rank DESC NULLS FIRST", "rows.id DESC"]
    assert sql_of(order, (False, False)) == "(rows.rank, rows.id) < ($1::INTEGER, $2::INTEGER)"
    assert sql_of(order, (True, False)) == "rows.rank IS NULL AND rows.id < $1::INTEGER OR rows.rank IS NOT NULL"


@given(ORDERS)
def test_an_order_turned_round_twice_is_itself(text: str) -> None:
    order = parse_order_by(text, ALLOWED, "id")
    assert order.reversed() != order
    assert order.reversed().reversed() == order


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
