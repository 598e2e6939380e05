"""On PostgreSQL a page deep in a list reads no more rows than the first one, and pages meet without gap or overlap."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import pytest
from crm_kit.database.statements import DIALECT, Statement, compile_statement
from crm_kit.paging import (
    Cursor,
    ListRequest,
    Order,
    OrderColumn,
    PageTokens,
    cut_page,
    null_pattern,
    page_statement,
    parse_order_by,
    position_values,
)
from crm_local.testing import Servers
from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Uuid,
    bindparam,
    insert,
    select,
)
from sqlalchemy.schema import CreateTable

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

ROWS = 6_000
TENANT = UUID(int=1)
PAGE = 50
leads = Table(
    "leads",
    MetaData(),
    Column("tenant_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("name", String(200), nullable=False),
    Column("score", Integer, nullable=False),
    Column("value", Numeric),
    Column("due_date", Date),
    Column("contact_time", DateTime(timezone=True)),
)
ALLOWED = {
    "id": OrderColumn(leads.c.id),
    "create_time": OrderColumn(leads.c.create_time),
    "name": OrderColumn(leads.c.name),
    "score": OrderColumn(leads.c.score),
    "value": OrderColumn(leads.c.value, nullable=True),
    "due_date": OrderColumn(leads.c.due_date, nullable=True),
    "contact_time": OrderColumn(leads.c.contact_time, nullable=True),
}
# Each order with the index that serves it.
INDEXES = {
    "create_time desc": "create_time, id",
    "name": "name, id",
    "score desc, create_time": "score DESC, create_time, id",
    "contact_time": "contact_time, id",
    # The same index, read from its end: nulls stand there first, and last in the list.
    "contact_time desc": "contact_time, id",
    "due_date, value desc": "due_date, value DESC NULLS LAST, id DESC",
}
BASE = select(leads).where(leads.c.tenant_id == bindparam("tenant_id"))
INSERT = compile_statement(insert(leads))
TOKENS = PageTokens(b"a key for page tokens in tests")


def lead(index: int) -> dict[str, Any]:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return {
        "tenant_id": TENANT,
        "id": UUID(int=index * 7919 % ROWS),
        "create_time": start + timedelta(microseconds=index // 3),
        "name": f"{'aAzZ中é'[index % 6]}{index % 997}",
        "score": index % 4,
        "value": None if index % 3 == 0 else Decimal(index % 50) / 4,
        "due_date": None if index % 2 else date(2026, 1, 1) + timedelta(days=index % 5),
        "contact_time": None if index % 2 else start + timedelta(minutes=index % 100),
    }


@pytest.fixture(scope="module")
async def database(servers: Servers) -> AsyncIterator["Connection"]:
    connection = await asyncpg.connect(servers.superuser_url("crm_customer"))
    ddl = str(CreateTable(leads).compile(dialect=DIALECT))
    await connection.execute(ddl.replace("CREATE TABLE", "CREATE TEMPORARY TABLE"))
    await connection.executemany(INSERT.sql, [INSERT.arguments(lead(index)) for index in range(ROWS)])
    for columns in set(INDEXES.values()):
        await connection.execute(f"CREATE INDEX ON leads (tenant_id, {columns})")
    await connection.execute("ANALYZE leads")
    yield connection
    await connection.close()


def page_query(order: Order, cursor: Cursor) -> tuple[Statement, list[Any]]:
    direction, position = order.reversed() if cursor.backward else order, cursor.position
    nulls = None if position is None else null_pattern(position)
    statement = compile_statement(page_statement(BASE, direction, nulls, "size"))
    values = {"tenant_id": TENANT, "size": PAGE + 1} | position_values(position or ())
    return statement, statement.arguments(values)


def expected(order: Order) -> list[UUID]:
    """The oracle: stable sorts from the last term to the first, nulls last whatever the direction."""
    rows = [lead(index) for index in range(ROWS)]
    for term in reversed(order.terms):
        there = [row for row in rows if row[term.name] is not None]
        there.sort(key=lambda row: row[term.name], reverse=term.descending)
        rows = there + [row for row in rows if row[term.name] is None]
    return [row["id"] for row in rows]


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("text", INDEXES)
async def test_pages_give_every_row_once_and_in_order(database: "Connection", text: str, backward: bool) -> None:
    order = parse_order_by(text, ALLOWED, "id")
    request = ListRequest("leads", TENANT, "", order.text)
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
    assert seen == expected(order)


def rows_read(plan: dict[str, Any]) -> Iterator[int]:
    """What each scan of a plan has read, with what it threw away."""
    if "Relation Name" in plan:
        loops = int(plan["Actual Loops"])
        yield loops * int(plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0))
    for inner in plan.get("Plans", []):
        yield from rows_read(inner)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("text", INDEXES)
async def test_the_first_page_and_the_last_read_few_rows(database: "Connection", text: str, backward: bool) -> None:
    statement, arguments = page_query(parse_order_by(text, ALLOWED, "id"), Cursor(backward=backward))
    plan = await database.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}", *arguments)
    assert sum(rows_read(json.loads(plan)[0]["Plan"])) <= 2 * (PAGE + 1), plan


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("depth", [0, ROWS // 4, ROWS // 2 - 25, ROWS * 3 // 4, ROWS - 100])
@pytest.mark.parametrize("text", INDEXES)
async def test_a_page_reads_few_rows_however_deep_it_is(
    database: "Connection", text: str, depth: int, backward: bool
) -> None:
    order = parse_order_by(text, ALLOWED, "id")
    found = {row["id"]: row for row in (lead(index) for index in range(ROWS))}
    position = order.position_of(found[expected(order)[depth]])
    statement, arguments = page_query(order, Cursor(position, backward))
    plan = await database.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}", *arguments)
    read = sum(rows_read(json.loads(plan)[0]["Plan"]))
    ranges = 2 * len(order.terms)
    assert read <= ranges * (PAGE + 1), plan
