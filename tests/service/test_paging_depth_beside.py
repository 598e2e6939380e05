"""Ordered by custom fields, a page deep in a list reads no more rows than the first one, in either direction."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import pytest
from crm_kit.custom_fields.listing import order_column
from crm_kit.database.statements import DIALECT, Statement, compile_statement
from crm_kit.filtering.tokens import token_of
from crm_kit.filtering.tree import FieldType
from crm_kit.paging import (
    Cursor,
    ListRequest,
    Order,
    OrderColumn,
    PageTokens,
    cut_page,
    null_pattern,
    parse_order_by,
    position_values,
)
from crm_kit.paging_beside import page_statement_beside
from crm_kit.plumbing import custom_values
from crm_local.testing import Servers
from sqlalchemy import Column, MetaData, Table, Text, Uuid, bindparam, insert, select
from sqlalchemy.schema import CreateIndex, CreateTable

from tests.service.test_paging_depth import rows_read

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

ROWS = 12_000
PAGE = 50
TENANT = UUID(int=1)
records = Table(
    "records",
    MetaData(),
    Column("tenant_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
)
SIZE, GRADE = "custom.size", "custom.grade"
ALLOWED = {
    "id": OrderColumn(records.c.id),
    SIZE: order_column(records, "records", SIZE, FieldType.NUMBER),
    GRADE: order_column(records, "records", GRADE, FieldType.ENUM),
}
ORDERS = (SIZE, f"{SIZE} desc", f"{SIZE}, id desc", f"{SIZE} desc, id", GRADE, f"{GRADE} desc")
BASE = select(records).where(records.c.tenant_id == bindparam("tenant_id"))
TOKENS = PageTokens(b"a key for page tokens in tests")


def record(index: int) -> dict[str, Any]:
    """Every third has no size, every fifth no grade."""
    size = None if index % 3 == 0 else Decimal(index % 700) / 4
    grade = None if index % 5 == 0 else "abcd"[index % 4]
    return {"id": UUID(int=index * 7919 % ROWS), "name": f"{index}", SIZE: size, GRADE: grade}


@pytest.fixture(scope="module")
async def database(servers: Servers) -> AsyncIterator["Connection"]:
    connection = await asyncpg.connect(servers.superuser_url("crm_customer"))
    for table in (records, custom_values):
        ddl = str(CreateTable(table).compile(dialect=DIALECT))
        await connection.execute(ddl.replace("CREATE TABLE", "CREATE TEMPORARY TABLE"))
    for index in custom_values.indexes:
        await connection.execute(str(CreateIndex(index).compile(dialect=DIALECT)))
    rows = [record(index) for index in range(ROWS)]
    await put(connection, records, [{"tenant_id": TENANT, "id": row["id"], "name": row["name"]} for row in rows])
    values = [
        {"tenant_id": TENANT, "collection": "records", "record_id": row["id"], "token": token, "unique": False}
        for row in rows
        for path in (SIZE, GRADE)
        if (token := token_at(row, path)) is not None
    ]
    await put(connection, custom_values, values)
    await connection.execute("VACUUM ANALYZE records")
    await connection.execute("VACUUM ANALYZE custom_values")
    yield connection
    await connection.close()


async def put(connection: "Connection", table: Table, rows: list[dict[str, Any]]) -> None:
    statement = compile_statement(insert(table))
    await connection.executemany(statement.sql, [statement.arguments(row) for row in rows])


def token_at(row: dict[str, Any], path: str) -> str | None:
    return None if row[path] is None else token_of(path.removeprefix("custom."), row[path])


def page_query(order: Order, cursor: Cursor) -> tuple[Statement, list[Any]]:
    direction, position = order.reversed() if cursor.backward else order, cursor.position
    nulls = None if position is None else null_pattern(position)
    statement = compile_statement(page_statement_beside(BASE, direction, nulls, "size"))
    values = {"tenant_id": TENANT, "size": PAGE + 1} | position_values(position or ())
    return statement, statement.arguments(values)


def expected(order: Order) -> list[dict[str, Any]]:
    """The oracle: stable sorts from the last term to the first, nulls last whatever the direction."""
    rows = [record(index) for index in range(ROWS)]
    for term in reversed(order.terms):
        there = [row for row in rows if row[term.name] is not None]
        there.sort(key=lambda row: row[term.name], reverse=term.descending)
        rows = there + [row for row in rows if row[term.name] is None]
    return rows


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("text", [*ORDERS, f"{GRADE}, {SIZE} desc", f"{SIZE}, {GRADE}"])
async def test_pages_give_every_row_once_and_in_order(database: "Connection", text: str, backward: bool) -> None:
    order = parse_order_by(text, ALLOWED, "id")
    request = ListRequest("records", TENANT, "", order.text)
    seen: list[UUID] = []
    token = TOKENS.issue(request, Cursor(backward=backward))
    while token:
        cursor = TOKENS.read(token, request, order)
        statement, arguments = page_query(order, cursor)
        fetched = [dict(row) for row in await database.fetch(statement.sql, *arguments)]
        rows, following, previous = cut_page(fetched, PAGE, cursor, order)
        ids = [row["id"] for row in rows]
        seen = [*ids, *seen] if backward else [*seen, *ids]
        token = TOKENS.issue(request, previous if backward else following)
    assert seen == [row["id"] for row in expected(order)]


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("depth", [0, ROWS // 3, ROWS * 2 // 3 - 25, ROWS * 3 // 4, ROWS - 100])
@pytest.mark.parametrize("text", [SIZE, f"{SIZE} desc", GRADE])
async def test_a_page_reads_few_rows_however_deep_it_is(
    database: "Connection", text: str, depth: int, backward: bool
) -> None:
    order = parse_order_by(text, ALLOWED, "id")
    row = expected(order)[depth]
    position = order.position_of({**row, **{path: token_at(row, path) for path in (SIZE, GRADE)}})
    statement, arguments = page_query(order, Cursor(position, backward))
    plan = await database.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}", *arguments)
    # Two rows for each record with a value; of those without, all that lie between them are passed over.
    assert sum(rows_read(json.loads(plan)[0]["Plan"])) <= 16 * (PAGE + 1), plan
