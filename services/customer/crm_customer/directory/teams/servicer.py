"""TeamService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.customer.v1 import teams_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.directory.access import Directory
from crm_kit.paging import PageTokens

from crm_customer.directory.roles.rights import check_whole_tenant
from crm_customer.directory.teams import commands
from crm_customer.directory.teams.queries import LISTING, get_team, team_from
from crm_customer.directory.teams.wire import CHANGEABLE, team_to_pb


class TeamServicer:
    contract = pb.DESCRIPTOR.services_by_name["TeamService"]

    def __init__(self, tokens: PageTokens, directory: Directory) -> None:
        self._tokens = tokens
        self._directory = directory

    async def CreateTeam(self, request: pb.CreateTeamRequest, work: UnitOfWork) -> pb.Team:
        self._changes_directory(work)
        return team_to_pb(commands.create_team(work, **CHANGEABLE.all_of(request.team)))

    async def GetTeam(self, request: pb.GetTeamRequest, reader: Reader) -> pb.Team:
        return team_to_pb(await get_team(reader, UUID(request.id)))

    async def ListTeams(self, request: pb.ListTeamsRequest, reader: Reader) -> pb.ListTeamsResponse:
        page = await LISTING.page(reader, request, self._tokens)
        return pb.ListTeamsResponse(
            teams=[team_to_pb(team_from(row)) for row in page.rows],
            next_page_token=page.next_token,
            prev_page_token=page.prev_token,
        )

    async def UpdateTeam(self, request: pb.UpdateTeamRequest, work: UnitOfWork) -> pb.Team:
        self._changes_directory(work)
        values = CHANGEABLE.masked(request.team, request.update_mask)
        team = await commands.update_team(work, UUID(request.team.id), values, etag=request.team.etag)
        return team_to_pb(team)

    def _changes_directory(self, work: UnitOfWork) -> None:
        check_whole_tenant(work.scope)
        work.after_commit.append(lambda: self._directory.forget(work.tenant_id))
