"""TeamService: from message to command or query and back, nothing else."""

from crm.customer.v1 import teams_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.directory.access import Directory
from crm_kit.paging import PageTokens

from crm_customer.directory.teams import commands
from crm_customer.directory.teams.resource import TEAMS


class TeamServicer:
    contract = pb.DESCRIPTOR.services_by_name["TeamService"]

    def __init__(self, tokens: PageTokens, directory: Directory) -> None:
        self._tokens = tokens
        self._directory = directory

    async def CreateTeam(self, request: pb.CreateTeamRequest, work: UnitOfWork) -> pb.Team:
        self._changes_directory(work)
        return TEAMS.message(work, await commands.create_team(work, TEAMS.values_of(request.team)))

    async def GetTeam(self, request: pb.GetTeamRequest, reader: Reader) -> pb.Team:
        return await TEAMS.read(reader, request.id)

    async def ListTeams(self, request: pb.ListTeamsRequest, reader: Reader) -> pb.ListTeamsResponse:
        return await TEAMS.list(reader, request, pb.ListTeamsResponse, self._tokens)

    async def UpdateTeam(self, request: pb.UpdateTeamRequest, work: UnitOfWork) -> pb.Team:
        self._changes_directory(work)
        before, values = await TEAMS.to_update(work, request)
        return TEAMS.message(work, await commands.update_team(work, before, values))

    def _changes_directory(self, work: UnitOfWork) -> None:
        work.after_commit.append(lambda: self._directory.forget(work.tenant_id))
