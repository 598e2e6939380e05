"""DashboardService: from message to command or query and back, nothing else."""

from crm.customer.v1 import dashboards_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_customer.workspace.dashboards import commands
from crm_customer.workspace.dashboards.resource import DASHBOARDS


class DashboardServicer:
    contract = pb.DESCRIPTOR.services_by_name["DashboardService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreateDashboard(self, request: pb.CreateDashboardRequest, work: UnitOfWork) -> pb.Dashboard:
        values = DASHBOARDS.values_of(request.dashboard)
        return DASHBOARDS.message(work, await commands.create_dashboard(work, values))

    async def GetDashboard(self, request: pb.GetDashboardRequest, reader: Reader) -> pb.Dashboard:
        return await DASHBOARDS.read(reader, request.id)

    async def ListDashboards(self, request: pb.ListDashboardsRequest, reader: Reader) -> pb.ListDashboardsResponse:
        return await DASHBOARDS.list(reader, request, pb.ListDashboardsResponse, self._tokens)

    async def UpdateDashboard(self, request: pb.UpdateDashboardRequest, work: UnitOfWork) -> pb.Dashboard:
        before, values = await DASHBOARDS.to_update(work, request)
        return DASHBOARDS.message(work, await commands.update_dashboard(work, before, values))

    async def ArchiveDashboard(self, request: pb.ArchiveDashboardRequest, work: UnitOfWork) -> pb.Dashboard:
        before = await DASHBOARDS.target(work, request)
        return DASHBOARDS.message(work, commands.archive_dashboard(work, before))

    async def RestoreDashboard(self, request: pb.RestoreDashboardRequest, work: UnitOfWork) -> pb.Dashboard:
        before = await DASHBOARDS.target(work, request)
        return DASHBOARDS.message(work, commands.restore_dashboard(work, before))
