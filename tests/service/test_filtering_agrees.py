"""A filter takes the same rows in PostgreSQL and in memory."""

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import pytest
from crm_kit.custom_fields.values import tokens_of
from crm_kit.database.statements import DIALECT, compile_statement
from crm_kit.filtering.evaluation import evaluate
from crm_kit.filtering.folding import fold
from crm_kit.filtering.parsing import parse_filter
from crm_kit.filtering.sql import compile_sql, filter_values
from crm_kit.filtering.tree import Filter, Not
from crm_kit.filtering.words import FilterContext
from crm_kit.plumbing import custom_values
from crm_local.testing import Servers
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.schema import CreateIndex, CreateTable

from tests.unit.kit.filtering_examples import (
    CONTEXT,
    CONTEXTS,
    CUSTOM_FIELDS,
    RECORDS,
    SCHEMA,
    TENANT,
    TREES,
    WORD_TERMS,
    record_of,
    stored,
    text_of,
    things,
)

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

EMPTY: dict[str, Any] = dict.fromkeys(column.name for column in things.c if column.nullable) | {
    "code": "",
    "rank": 0,
    "labels": [],
    "custom": {},
}
INSERT = compile_statement(insert(things))
INSERT_VALUE = compile_statement(insert(custom_values))
ROWS = st.lists(RECORDS, min_size=1, max_size=15)


@pytest.fixture(scope="module")
async def database(servers: Servers) -> AsyncIterator["Connection"]:
    connection = await asyncpg.connect(servers.superuser_url("crm_customer"))
    for table in (things, custom_values):
        ddl = str(CreateTable(table).compile(dialect=DIALECT))
        await connection.execute(ddl.replace("CREATE TABLE", "CREATE TEMPORARY TABLE"))
    for index in custom_values.indexes:
        await connection.execute(str(CreateIndex(index).compile(dialect=DIALECT)))
    await connection.execute(
        "CREATE INDEX ON things (size); CREATE INDEX ON things (rank); CREATE INDEX ON things (brand_key)"
    )
    yield connection
    await connection.close()


async def fill(database: "Connection", rows: list[dict[str, Any]]) -> None:
    await database.execute("TRUNCATE things, custom_values")
    written = [
        {"tenant_id": TENANT, "id": UUID(int=index), **stored(row), "custom": json.dumps(row["custom"])}
        for index, row in enumerate(rows)
    ]
    await database.executemany(INSERT.sql, [INSERT.arguments(row) for row in written])
    values = [
        {"tenant_id": TENANT, "collection": "things", "record_id": UUID(int=index), "token": token, "unique": False}
        for index, row in enumerate(rows)
        for key, value in row["custom"].items()
        for token in tokens_of(CUSTOM_FIELDS[key], value)
    ]
    await database.executemany(INSERT_VALUE.sql, [INSERT_VALUE.arguments(value) for value in values])


async def taken_by_sql(database: "Connection", tree: Filter, context: FilterContext = CONTEXT) -> set[int]:
    statement = compile_statement(select(things.c.id).where(compile_sql(tree, SCHEMA)))
    arguments = statement.arguments(filter_values(tree, context))
    return {row["id"].int for row in await database.fetch(statement.sql, *arguments)}


def taken_in_memory(rows: list[dict[str, Any]], tree: Filter, context: FilterContext = CONTEXT) -> set[int]:
    return {index for index, row in enumerate(rows) if evaluate(tree, record_of(row), context)}


@given(rows=ROWS, trees=st.lists(TREES, min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
async def test_sql_and_memory_take_the_same_rows(
    database: "Connection", rows: list[dict[str, Any]], trees: list[Filter]
) -> None:
    await fill(database, rows)
    for tree in trees:
        for asked in (tree, Not(tree)):
            assert await taken_by_sql(database, asked) == taken_in_memory(rows, asked), text_of(asked)


@given(rows=ROWS, terms=st.lists(WORD_TERMS, min_size=1, max_size=8), context=CONTEXTS)
@settings(max_examples=150, deadline=None)
async def test_words_mean_the_same_in_sql_and_in_memory(
    database: "Connection", rows: list[dict[str, Any]], terms: list[str], context: FilterContext
) -> None:
    await fill(database, rows)
    for text in (*terms, " AND ".join(terms), f"NOT ({' OR '.join(terms)})"):
        tree = parse_filter(text, SCHEMA)
        for asked in (tree, Not(tree)):
            assert await taken_by_sql(database, asked, context) == taken_in_memory(rows, asked, context), text


async def test_case_folds_alike_for_every_letter_of_the_basic_plane(database: "Connection") -> None:
    letters = [chr(code) for code in range(1, 0x10000) if not 0xD800 <= code < 0xE000]
    cased = [letter for letter in letters if letter.lower() != letter or letter.upper() != letter]
    assert len(cased) > 2000
    rows = await database.fetch("SELECT letter, lower(letter) AS folded FROM unnest($1::text[]) AS letter", cased)
    assert {row["letter"]: row["folded"] for row in rows} == {letter: fold(letter) for letter in cased}


async def test_text_is_ordered_by_code_point(database: "Connection") -> None:
    names = ["", "A", "Z", "a", "z", "É", "ß", "中", "\uffee", "\U0001f600", "\U000f0001"]
    rows = [EMPTY | {"name": name} for name in names]
    await fill(database, rows)
    for index, name in enumerate(names):
        tree = parse_filter(f"name < '{name}'", SCHEMA)
        assert await taken_by_sql(database, tree) == taken_in_memory(rows, tree) == set(range(index))


@pytest.mark.parametrize(
    "text",
    [
        "size = 1",
        "size < 1",
        "size = null",
        "size IN (1, 2)",
        "NOT size != 1",
        "NOT size < 1",
        "NOT (size < 1 OR size = null)",
        "NOT rank != 1",
        "NOT rank < 1",
        "NOT (rank <= 1 OR rank >= 3)",
        "brand = Volta",
        "brand IN (Volta, Ampere)",
        "NOT brand >= Volta",
        "custom.note = A",
        "custom.note >= a",
        "custom.number = A",
        "custom.fleet > 1",
        "custom.fleet IN (1, 2)",
        "custom.since <= 2026-01-01",
        "custom.vip = true",
        "custom.marks:small",
        "custom.parent = 0197c0de-0000-7000-8000-000000000000",
    ],
)
async def test_an_index_serves_a_comparison_however_it_is_turned(database: "Connection", text: str) -> None:
    tree = parse_filter(text, SCHEMA)
    statement = compile_statement(select(things.c.id).where(compile_sql(tree, SCHEMA)))
    async with database.transaction():
        # Of a table this small every row is read unless that is forbidden.
        await database.execute("SET LOCAL enable_seqscan = off")
        plan = await database.fetch(f"EXPLAIN {statement.sql}", *statement.arguments(filter_values(tree, CONTEXT)))
    assert any("Index Cond" in line[0] for line in plan), plan
