"""The statements by which a unit of work writes rows, and how those of a transaction become one."""

import functools
from typing import Any

from sqlalchemy import Table, bindparam, delete, insert, update

from crm_kit.database.failures import UNMET
from crm_kit.database.statements import Statement, renumbered, statement

OUTBOX_CHANNEL = "outbox"
"""Where the relay listens."""


@statement
def insert_row(table: Table, columns: tuple[str, ...]) -> Any:
    names = ("tenant_id", *(name for name in columns if name != "tenant_id"))
    return insert(table).values({name: bindparam(name) for name in names})


@statement
def replace_row(table: Table, columns: tuple[str, ...]) -> Any:
    changed: dict[str, Any] = {
        name: bindparam(name) for name in columns if name not in {"id", "tenant_id", "create_time"}
    }
    return (
        update(table)
        .where(
            table.c.tenant_id == bindparam("tenant_id"),
            table.c.id == bindparam("id"),
            table.c.version == bindparam("expected_version"),
        )
        .values(changed)
        .returning(table.c.id)
    )


@statement
def delete_rows(table: Table, key: tuple[str, ...]) -> Any:
    return delete(table).where(
        table.c.tenant_id == bindparam("tenant_id"), *(table.c[name] == bindparam(name) for name in key)
    )


@functools.lru_cache(maxsize=2048)
def join_statements(statements: tuple[Statement, ...], must: tuple[bool, ...], wakes_relay: bool) -> str:
    """One statement of many: `WITH s0 AS (...), s1 AS (...) SELECT`, parameters renumbered in order."""
    # NOTIFY is delivered when the transaction commits, and only then.
    parts, checks, offset = [], [f"pg_notify('{OUTBOX_CHANNEL}', '')" if wakes_relay else "1"], 0
    for index, each in enumerate(statements):
        parts.append(f"s{index} AS ({renumbered(each.sql, offset)})")
        if must[index]:
            checks.append(f"crm_require((SELECT count(*) FROM s{index}), {index})")
        offset += len(each.names)
    return f"WITH {', '.join(parts)} SELECT {', '.join(checks)}"


@functools.lru_cache(maxsize=2048)
def checked_statement(query: Statement) -> str:
    """The statement, which fails when it touches no row. Its last parameter is the position to be told then."""
    return f"WITH s AS ({query.sql}) SELECT crm_require((SELECT count(*) FROM s), ${len(query.names) + 1})"


CREATE_REQUIRE = f"""
CREATE FUNCTION crm_require(touched bigint, statement_index integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    IF touched = 0 THEN RAISE EXCEPTION '%', statement_index USING ERRCODE = '{UNMET}'; END IF;
    RETURN 1;
END $$
"""
"""Executed by the kit's first migration."""
DROP_REQUIRE = "DROP FUNCTION crm_require(bigint, integer)"
