"""Every SELECT on teams."""

from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.filtering.schema import FilterField, FilterSchema, team_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from sqlalchemy import Select, bindparam, select

from crm_customer.directory.teams.model import Team
from crm_customer.directory.teams.tables import teams

COLUMNS = [column for column in teams.c if column.name != "tenant_id"]


@statement
def team_by_id() -> Select[Any]:
    return select(*COLUMNS).where(teams.c.tenant_id == bindparam("tenant_id"), teams.c.id == bindparam("id"))


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


def _listed(_scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    return select(*COLUMNS).where(teams.c.tenant_id == bindparam("tenant_id"))


LISTING = Listing(
    name="teams",
    rows=_listed,
    fields=FilterSchema(
        {
            "id": team_field(teams.c.id),
            "display_name": FilterField(FieldType.TEXT, teams.c.display_name),
            "parent_id": team_field(teams.c.parent_id),
            "create_time": FilterField(FieldType.INSTANT, teams.c.create_time),
            "update_time": FilterField(FieldType.INSTANT, teams.c.update_time),
        }
    ),
    orders={
        "id": OrderColumn(teams.c.id),
        "create_time": OrderColumn(teams.c.create_time),
        "update_time": OrderColumn(teams.c.update_time),
        "display_name": OrderColumn(teams.c.display_name),
    },
)


async def get_team(reader: Reader, id: UUID) -> Team:
    """The team; NotFound when there is none."""
    row = await reader.one(team_by_id(), id=id)
    if row is None:
        raise NotFound("the team does not exist")
    return team_from(row)


async def ids_from_here_up(reader: Reader, id: UUID | None) -> frozenset[UUID]:
    """The team and all above it; none for None."""
    if id is None:
        return frozenset()
    return frozenset(row["id"] for row in await reader.all(teams_from_here_up(), id=id))


def team_from(row: Record) -> Team:
    """The entity that a row of `COLUMNS` holds."""
    return Team(**dict(row))
