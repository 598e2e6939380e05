"""Every SELECT on teams that their declaration does not make."""

from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Select, bindparam, select

from crm_customer.directory.teams.tables import teams


@statement
def teams_from_here_up() -> Select[Any]:
    """The team and all above it. UNION, not UNION ALL: it ends even where a tree is none."""
    here = (
        select(teams.c.id, teams.c.parent_id)
        .where(teams.c.tenant_id == bindparam("tenant_id"), teams.c.id == bindparam("id"))
        .cte("here_and_above", recursive=True)
    )
    above = select(teams.c.id, teams.c.parent_id).where(
        teams.c.tenant_id == bindparam("tenant_id"), teams.c.id == here.c.parent_id
    )
    return select(here.union(above).c.id)


async def ids_from_here_up(reader: Reader, id: UUID | None) -> frozenset[UUID]:
    """The team and all above it; none for None."""
    if id is None:
        return frozenset()
    return frozenset(row["id"] for row in await reader.all(teams_from_here_up(), id=id))
