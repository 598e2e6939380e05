"""Every write on teams. Each function is one transaction's work: row, history, event and projection together."""

from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm_kit.database.trees import ids_from_here_down, ids_from_here_up
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import require_users
from crm_kit.directory.projection import project_team
from crm_kit.ids import new_id

from crm_customer.directory.policy_references.queries import get_policy_references
from crm_customer.directory.policy_references.rights import check_says_who_leads
from crm_customer.directory.roles.queries import get_team_grants
from crm_customer.directory.roles.rights import Holders, check_reaches, may_do_everything
from crm_customer.directory.teams.model import Team
from crm_customer.directory.teams.resource import TEAMS
from crm_customer.directory.teams.tables import teams
from crm_customer.directory.tenants.commands import take_turn


async def create_team(work: UnitOfWork, values: dict[str, Any]) -> Team:
    """Create a team from the values of its fields."""
    if values.get("leader_id"):
        await check_leader(work, values["leader_id"])
    team = TEAMS.create(work, Team(id=new_id(), create_time=work.now, update_time=work.now, **values))
    project(work, team)
    return team


async def update_team(work: UnitOfWork, before: Team, values: dict[str, Any]) -> Team:
    """Change some fields of a team; nothing is written when nothing changes."""
    after = before.update(values)
    if after == before:
        return before
    if after.leader_id != before.leader_id:
        await check_leader(work, after.leader_id)
    if after.parent_id != before.parent_id:
        check_says_who_leads(work.actor.access, await get_policy_references(work))
        # Two moves, each fine alone, can make a circle together.
        await take_turn(work)
        above = await ids_from_here_up(work, teams, after.parent_id)
        after.check_place(above)
        await check_gain(work, before, above)
    saved = TEAMS.save(work, before, after, events.TeamUpdated)
    project(work, saved)
    return saved


async def check_leader(work: UnitOfWork, leader_id: UUID | None) -> None:
    """InvalidArgument for who is not active; PermissionDenied for who may not say whom approval policies ask."""
    await require_users(work, [leader_id] if leader_id else [], field="team.leader_id")
    check_says_who_leads(work.actor.access, await get_policy_references(work))


async def check_gain(work: UnitOfWork, moved: Team, above: frozenset[UUID]) -> None:
    """Raise PermissionDenied when those `above` the new place come to reach what the caller does not."""
    if may_do_everything(work.actor.access):
        return
    new = above - await ids_from_here_up(work, teams, moved.parent_id)
    below = await ids_from_here_down(work, teams, [moved.id])
    holders = Holders(below)
    check_reaches(work.actor, await get_team_grants(work, new), holders)


def project(work: UnitOfWork, team: Team) -> None:
    """Gather what this service goes by."""
    project_team(
        work,
        id=team.id,
        display_name=team.display_name,
        parent_id=team.parent_id,
        leader_id=team.leader_id,
        version=team.version,
    )
