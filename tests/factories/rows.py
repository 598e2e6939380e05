"""Rows of any table, made up by PostgreSQL itself: by the million where that is wanted."""

from collections.abc import Iterable
from typing import Any

import asyncpg
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

# By the beginning of a type's name; `n` counts the rows.
EXAMPLES = {
    "UUID[]": "'{}'::uuid[]",
    "TEXT[]": "'{}'::text[]",
    "BYTEA[]": "'{}'::bytea[]",
    "UUID": "gen_random_uuid()",
    "TEXT": "md5(random()::text)",
    "INTEGER": "n",
    "BYTEA": "decode(md5(random()::text), 'hex')",
    "JSONB": "'[]'",
    "BOOLEAN": "false",
    "NUMERIC": "1",
    "INTERVAL": "'0'::interval",
    "TIMESTAMP": "now()",
    "DATE": "now()::date",
}


def example_of(column: Column[Any]) -> str:
    """SQL for a value of the column."""
    type = str(column.type.compile(dialect=postgresql.dialect()))
    return next(example for beginning, example in EXAMPLES.items() if type.startswith(beginning))


def required_of(table: Table, given: Iterable[str]) -> list[str]:
    """The columns that must be filled and are not given."""
    return [each.name for each in table.c if not each.nullable and each.computed is None and each.name not in given]


async def fill(connection: asyncpg.Connection, table: Table, count: int, /, **given: str) -> None:
    """Insert rows whose columns are the SQL that is given, and made up where nothing is; they refer to nothing."""
    await connection.execute("SET session_replication_role = replica")
    values = {name: example_of(table.c[name]) for name in required_of(table, given)} | given
    names = ", ".join(f'"{name}"' for name in values)
    await connection.execute(
        f"INSERT INTO {table.name} ({names}) SELECT {', '.join(values.values())} FROM generate_series(1, {count}) AS n"
    )
