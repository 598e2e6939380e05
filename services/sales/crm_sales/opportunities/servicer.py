"""OpportunityService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.sales.v1 import opportunities_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.history import list_changes
from crm_kit.listing import PageOf
from crm_kit.paging import PageTokens

from crm_sales.accounts.client import CustomerClient
from crm_sales.opportunities import commands
from crm_sales.opportunities.queries import (
    LISTING,
    STAGE_CHANGES,
    get_opportunity,
    opportunity_from,
    stage_change_from,
)
from crm_sales.opportunities.wire import CHANGEABLE, FIELDS, opportunity_to_pb, stage_change_to_pb


class OpportunityServicer:
    contract = pb.DESCRIPTOR.services_by_name["OpportunityService"]

    def __init__(self, tokens: PageTokens, customer: CustomerClient) -> None:
        self._tokens = tokens
        self._customer = customer

    async def CreateOpportunity(self, request: pb.CreateOpportunityRequest, work: UnitOfWork) -> pb.Opportunity:
        values = FIELDS.all_of(request.opportunity)
        return opportunity_to_pb(await commands.create_opportunity(work, self._customer, values))

    async def GetOpportunity(self, request: pb.GetOpportunityRequest, reader: Reader) -> pb.Opportunity:
        return opportunity_to_pb(await get_opportunity(reader, UUID(request.id)))

    async def ListOpportunities(
        self, request: pb.ListOpportunitiesRequest, reader: Reader
    ) -> pb.ListOpportunitiesResponse:
        page = await LISTING.page(reader, request, self._tokens)
        found = [opportunity_to_pb(opportunity_from(row)) for row in page.rows]
        return pb.ListOpportunitiesResponse(
            opportunities=found, next_page_token=page.next_token, prev_page_token=page.prev_token
        )

    async def UpdateOpportunity(self, request: pb.UpdateOpportunityRequest, work: UnitOfWork) -> pb.Opportunity:
        values = CHANGEABLE.masked(request.opportunity, request.update_mask)
        id, etag = UUID(request.opportunity.id), request.opportunity.etag
        return opportunity_to_pb(await commands.update_opportunity(work, id, values, etag=etag))

    async def MoveOpportunity(self, request: pb.MoveOpportunityRequest, work: UnitOfWork) -> pb.Opportunity:
        moved = await commands.move_opportunity(
            work,
            UUID(request.id),
            UUID(request.stage_id),
            override_reason=request.override_reason.strip() or None,
            etag=request.etag,
        )
        return opportunity_to_pb(moved)

    async def WinOpportunity(self, request: pb.WinOpportunityRequest, work: UnitOfWork) -> pb.Opportunity:
        id = UUID(request.id)
        return opportunity_to_pb(await commands.win_opportunity(work, id, request.reason, etag=request.etag))

    async def LoseOpportunity(self, request: pb.LoseOpportunityRequest, work: UnitOfWork) -> pb.Opportunity:
        id = UUID(request.id)
        return opportunity_to_pb(await commands.lose_opportunity(work, id, request.reason, etag=request.etag))

    async def ReopenOpportunity(self, request: pb.ReopenOpportunityRequest, work: UnitOfWork) -> pb.Opportunity:
        id = UUID(request.id)
        return opportunity_to_pb(await commands.reopen_opportunity(work, id, request.reason, etag=request.etag))

    async def ListStageChanges(
        self, request: pb.ListStageChangesRequest, reader: Reader
    ) -> pb.ListStageChangesResponse:
        id = UUID(request.id)
        await get_opportunity(reader, id)
        asked = PageOf(request.page_size, request.page_token)
        page = await STAGE_CHANGES.page(reader, asked, self._tokens, opportunity_id=id)
        changes = [stage_change_to_pb(stage_change_from(row)) for row in page.rows]
        return pb.ListStageChangesResponse(
            stage_changes=changes, next_page_token=page.next_token, prev_page_token=page.prev_token
        )

    async def ListOpportunityChanges(
        self, request: pb.ListOpportunityChangesRequest, reader: Reader
    ) -> pb.ListOpportunityChangesResponse:
        await get_opportunity(reader, UUID(request.id))
        page = await list_changes(
            reader,
            "opportunity",
            UUID(request.id),
            page_size=request.page_size,
            page_token=request.page_token,
            tokens=self._tokens,
        )
        return pb.ListOpportunityChangesResponse(
            changes=page.rows, next_page_token=page.next_token, prev_page_token=page.prev_token
        )
