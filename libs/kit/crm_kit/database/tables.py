"""How every table looks: tenant first, rows of other tenants invisible.

`tenant_table` declares it for SQLAlchemy; `protect` writes the row-level security that a migration executes.
What a violated constraint means to a caller stands beside the constraint, in its `info`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    Connection,
    Constraint,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.schema import SchemaItem

# Rows that belong to no tenant (leases, for example) carry this one.
SYSTEM_TENANT = UUID(int=0)
NAMING = {"ix": "%(table_name)s_%(column_0_N_name)s_index"}


@dataclass(frozen=True, slots=True)
class Violation:
    """What a caller is told when a constraint refuses a row."""

    code: str  # "exists", "reference", or "conflict": trying again tells what is wrong
    reason: str
    field: str
    detail: str


class Clock(StrEnum):
    """Whose time it is that a row has."""

    # Of the machines, by which tokens expire and failures are forgotten, also those of sandboxes.
    SYSTEM = "SYSTEM"
    # Of the tenant, which a sandbox moves.
    TENANT = "TENANT"


@dataclass(frozen=True, slots=True)
class Retention:
    """Rows go once the instant or day in `column` is further back than `age`; never while it is null.

    By the clock that writes the column, or a sandbox whose clock is moved loses rows early or keeps them for ever.
    """

    column: str
    age: timedelta
    clock: Clock


@dataclass(frozen=True, slots=True)
class Kept:
    """No row goes by itself; `why` says what bounds the table, or why all of it is worth keeping."""

    why: str


def tenant_table(
    name: str,
    metadata: MetaData,
    *items: SchemaItem,
    key: Sequence[str] = ("id",),
    plumbing: bool = False,
    retention: Retention | Kept | None = None,
) -> Table:
    """A table whose primary key is the tenant and `key`. Plumbing tables can also be read across tenants.

    Every table says how long its rows are there, but those of declared resources: records stay until somebody deletes
    them. What is found by a retention has an index for it.
    """
    table = Table(
        name,
        metadata,
        Column("tenant_id", Uuid, nullable=False),
        *items,
        PrimaryKeyConstraint("tenant_id", *key, name=f"{name}_pkey"),
        info={"plumbing": plumbing, "retention": retention},
    )
    if isinstance(retention, Retention):
        column = table.c[retention.column]
        columns = [column] if plumbing else [table.c.tenant_id, column]
        # Rows without a time, such as events that are not published, are not in it: one index fewer to write.
        timed = column.is_not(None) if column.nullable else None
        info = {"across_tenants": plumbing}
        Index(f"{name}_retention_index", *columns, info=info, postgresql_where=timed)
    return table


def versioned_columns() -> list[Column[Any]]:
    """The columns every resource ends with."""
    return [
        Column("version", Integer, nullable=False),
        Column("create_time", DateTime(timezone=True), nullable=False),
        Column("update_time", DateTime(timezone=True), nullable=False),
    ]


def unique(name: str, *columns: str, reason: str, field: str, detail: str) -> UniqueConstraint:
    """A key that is unique within the tenant."""
    violation = Violation("exists", reason, field, detail)
    return UniqueConstraint("tenant_id", *columns, name=name, info={"violation": violation})


def reference(
    column: str, target: str, *, name: str, field: str, reason: str = "REFERENCE_NOT_FOUND"
) -> ForeignKeyConstraint:
    """A reference to a row of the same tenant, `target` being its table."""
    violation = Violation("reference", reason, field, "does not exist")
    return ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{target}.tenant_id", f"{target}.id"],
        name=name,
        info={"violation": violation},
    )


def protect(connection: Connection, table: str, *, plumbing: bool = False) -> None:
    """Force row-level security on a table: the tenant set on the connection, or nothing at all."""
    everyone = "current_setting('crm.tenant_id', true) = '*' OR " if plumbing else ""
    rule = f"{everyone}tenant_id = nullif(nullif(current_setting('crm.tenant_id', true), ''), '*')::uuid"
    for command in (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant ON {table} USING ({rule}) WITH CHECK ({rule})",
    ):
        connection.execute(text(command))


def violations_of(*parts: MetaData) -> dict[str, Violation]:
    """Constraint name -> what a caller is told, for all tables. Unique indexes are constraints, too."""
    tables = [table for metadata in parts for table in metadata.tables.values()]
    constraints: list[Constraint | Index] = []
    for table in tables:
        constraints += [*table.constraints]
        constraints += [*table.indexes]
    return {str(each.name): each.info["violation"] for each in constraints if "violation" in each.info}
