"""Rows that lie below one another: each has the id of the one above it, or none, in `parent_id`."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, Table, bindparam, select

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


async def ids_from_here_up(reader: Reader, table: Table, id: UUID | None) -> frozenset[UUID]:
    """The row and all above it; none for None.

    Two moves that are fine each by itself can make a circle together: who goes by it holds a lock on the whole tree.
    """
    if id is None:
        return frozenset()
    return frozenset(row["id"] for row in await reader.all(from_here_up(table), id=id))
