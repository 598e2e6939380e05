"""OpportunityService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.sales.v1 import opportunities_pb2 as pb
from crm_kit.accounts import Accounts
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.listing import PageOf
from crm_kit.paging import PageTokens
from crm_kit.resource.codecs import build

from crm_sales.opportunities import commands
from crm_sales.opportunities.queries import STAGE_CHANGES, stage_change_from
from crm_sales.opportunities.resource import OPPORTUNITIES


class OpportunityServicer:
    contract = pb.DESCRIPTOR.services_by_name["OpportunityService"]

    def __init__(self, tokens: PageTokens, accounts: Accounts, *, require_not_ordered: commands.Require) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._require_not_ordered = require_not_ordered

    async def CreateOpportunity(self, request: pb.CreateOpportunityRequest, work: UnitOfWork) -> pb.Opportunity:
        values = await OPPORTUNITIES.to_create(work, request.opportunity)
        return OPPORTUNITIES.message(work, await commands.create_opportunity(work, self._accounts, values))

    async def GetOpportunity(self, request: pb.GetOpportunityRequest, reader: Reader) -> pb.Opportunity:
        return await OPPORTUNITIES.read(reader, request.id)

    async def ListOpportunities(
        self, request: pb.ListOpportunitiesRequest, reader: Reader
    ) -> pb.ListOpportunitiesResponse:
        return await OPPORTUNITIES.list(reader, request, pb.ListOpportunitiesResponse, self._tokens)

    async def UpdateOpportunity(self, request: pb.UpdateOpportunityRequest, work: UnitOfWork) -> pb.Opportunity:
        before, values = await OPPORTUNITIES.to_update(work, request)
        return OPPORTUNITIES.message(work, await commands.update_opportunity(work, before, values))

    async def MoveOpportunity(self, request: pb.MoveOpportunityRequest, work: UnitOfWork) -> pb.Opportunity:
        before = await OPPORTUNITIES.target(work, request)
        stage_id, override_reason = UUID(request.stage_id), request.override_reason.strip() or None
        moved = await commands.move_opportunity(work, before, stage_id, override_reason=override_reason)
        return OPPORTUNITIES.message(work, moved)

    async def WinOpportunity(self, request: pb.WinOpportunityRequest, work: UnitOfWork) -> pb.Opportunity:
        before = await OPPORTUNITIES.target(work, request)
        override_reason = request.override_reason.strip() or None
        won = await commands.win_opportunity(work, before, request.reason, override_reason=override_reason)
        return OPPORTUNITIES.message(work, won)

    async def LoseOpportunity(self, request: pb.LoseOpportunityRequest, work: UnitOfWork) -> pb.Opportunity:
        before = await OPPORTUNITIES.target(work, request)
        lost = await commands.lose_opportunity(
            work, before, request.reason, require_not_ordered=self._require_not_ordered
        )
        return OPPORTUNITIES.message(work, lost)

    async def ReopenOpportunity(self, request: pb.ReopenOpportunityRequest, work: UnitOfWork) -> pb.Opportunity:
        before = await OPPORTUNITIES.target(work, request)
        reopened = await commands.reopen_opportunity(work, self._accounts, before, request.reason)
        return OPPORTUNITIES.message(work, reopened)

    async def ListStageChanges(
        self, request: pb.ListStageChangesRequest, reader: Reader
    ) -> pb.ListStageChangesResponse:
        opportunity = await OPPORTUNITIES.get(reader, UUID(request.id))
        asked = PageOf(request.page_size, request.page_token)
        page = await STAGE_CHANGES.page(reader, asked, self._tokens, opportunity_id=opportunity.id)
        return build(
            pb.ListStageChangesResponse,
            stage_changes=[stage_change_from(row) for row in page.rows],
            next_page_token=page.next_token,
            prev_page_token=page.prev_token,
        )
