"""Rows that lie below one another: each has the id of the one above it, or none, in `parent_id`."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Table, Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader


@statement
def from_here_up(table: Table) -> Select[Any]:
    """The row and all above it. UNION, not UNION ALL: it ends even where a tree is none."""
    here = (
        select(table.c.id, table.c.parent_id)
        .where(table.c.tenant_id == bindparam("tenant_id"), table.c.id == bindparam("id"))
        .cte("here_and_above", recursive=True)
    )
    above = select(table.c.id, table.c.parent_id).where(
        table.c.tenant_id == bindparam("tenant_id"), table.c.id == here.c.parent_id
    )
    return select(here.union(above).c.id)


@statement
def from_here_down(table: Table) -> Select[Any]:
    """The rows and all below them; it ends as `from_here_up` does."""
    here = (
        select(table.c.id)
        .where(table.c.tenant_id == bindparam("tenant_id"), table.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
        .cte("here_and_below", recursive=True)
    )
    below = select(table.c.id).where(table.c.tenant_id == bindparam("tenant_id"), table.c.parent_id == here.c.id)
    return select(here.union(below).c.id)


async def ids_from_here_up(reader: Reader, table: Table, id: UUID | None) -> frozenset[UUID]:
    """The row and all above it; none for None.

    Two moves that are fine each by itself can make a circle together: who goes by it holds a lock on the whole tree.
    """
    if id is None:
        return frozenset()
    return frozenset(row["id"] for row in await reader.all(from_here_up(table), id=id))


async def ids_from_here_down(reader: Reader, table: Table, ids: Collection[UUID]) -> frozenset[UUID]:
    """The rows and all below them; locks as with `ids_from_here_up`."""
    if not ids:
        return frozenset()
    return frozenset(row["id"] for row in await reader.all(from_here_down(table), ids=list(ids)))
