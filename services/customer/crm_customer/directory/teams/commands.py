"""Every write on teams. Each function is one transaction's work: row, projection, history and event together."""

from typing import Any
from uuid import UUID

from crm_kit.database.connections import row_of
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.projection import project_team
from crm_kit.events.outbox import emit
from crm_kit.history import record_change
from crm_kit.ids import new_id

from crm_customer.directory.teams.model import Team
from crm_customer.directory.teams.queries import get_team, ids_from_here_up
from crm_customer.directory.teams.tables import teams
from crm_customer.directory.teams.wire import team_changed
from crm_customer.directory.tenants.commands import take_turn


def create_team(work: UnitOfWork, *, display_name: str, parent_id: UUID | None = None) -> Team:
    """Create a team."""
    team = Team(id=new_id(), display_name=display_name, create_time=work.now, update_time=work.now, parent_id=parent_id)
    work.insert(teams, row_of(team))
    announce(work, None, team, "CREATED")
    return team


async def update_team(work: UnitOfWork, id: UUID, values: dict[str, Any], *, etag: str = "") -> Team:
    """Change some fields of a team; nothing is written when nothing changes."""
    before = await get_team(work, id)
    after = before.update(values, now=work.now, etag=etag)
    if after is before:
        return before
    if after.parent_id != before.parent_id:
        # Two moves, each fine alone, can make a circle together.
        await take_turn(work)
        after.check_place(await ids_from_here_up(work, after.parent_id))
    work.save(teams, row_of(after), version=before.version)
    announce(work, before, after, "UPDATED")
    return after


def announce(work: UnitOfWork, before: Team | None, team: Team, action: str) -> None:
    """Gather history, projection and event of what became true of the team."""
    record_change(work, "team", action=action, before=before, after=team)
    project_team(work, id=team.id, parent_id=team.parent_id, version=team.version)
    emit(work, team_changed(team), aggregate_type="team", id=team.id, version=team.version)
