"""SavedViewService: from message to command or query and back, nothing else."""

from crm.customer.v1 import saved_views_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_customer.workspace.saved_views import commands
from crm_customer.workspace.saved_views.resource import SAVED_VIEWS


class SavedViewServicer:
    contract = pb.DESCRIPTOR.services_by_name["SavedViewService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreateSavedView(self, request: pb.CreateSavedViewRequest, work: UnitOfWork) -> pb.SavedView:
        values = SAVED_VIEWS.values_of(request.saved_view)
        return SAVED_VIEWS.message(work, await commands.create_view(work, values))

    async def GetSavedView(self, request: pb.GetSavedViewRequest, reader: Reader) -> pb.SavedView:
        return await SAVED_VIEWS.read(reader, request.id)

    async def ListSavedViews(self, request: pb.ListSavedViewsRequest, reader: Reader) -> pb.ListSavedViewsResponse:
        return await SAVED_VIEWS.list(reader, request, pb.ListSavedViewsResponse, self._tokens)

    async def UpdateSavedView(self, request: pb.UpdateSavedViewRequest, work: UnitOfWork) -> pb.SavedView:
        before, values = await SAVED_VIEWS.to_update(work, request)
        return SAVED_VIEWS.message(work, await commands.update_view(work, before, values))

    async def ArchiveSavedView(self, request: pb.ArchiveSavedViewRequest, work: UnitOfWork) -> pb.SavedView:
        before = await SAVED_VIEWS.target(work, request)
        return SAVED_VIEWS.message(work, commands.archive_view(work, before))

    async def RestoreSavedView(self, request: pb.RestoreSavedViewRequest, work: UnitOfWork) -> pb.SavedView:
        before = await SAVED_VIEWS.target(work, request)
        return SAVED_VIEWS.message(work, commands.restore_view(work, before))
