"""LeadService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.sales.v1 import leads_pb2 as pb
from crm_kit.accounts import Accounts
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.listing import PageOf
from crm_kit.money import Money
from crm_kit.paging import PageTokens
from crm_kit.resource.codecs import build, value_in
from crm_kit.wire import id_from, time_from

from crm_sales.accounts.client import CustomerClient
from crm_sales.leads import commands
from crm_sales.leads.conversion import Wake, Wanted, convert_lead
from crm_sales.leads.protection import explain_protection
from crm_sales.leads.queries import FOLLOW_UPS, follow_up_from
from crm_sales.leads.resource import LEADS
from crm_sales.opportunities.model import NOTHING
from crm_sales.pools.model import FollowUpKind
from crm_sales.pools.protection import FollowUp
from crm_sales.pools.queries import get_pool


class LeadServicer:
    contract = pb.DESCRIPTOR.services_by_name["LeadService"]

    def __init__(
        self, tokens: PageTokens, accounts: Accounts, customer: CustomerClient, *, wake_histories: Wake
    ) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._customer = customer
        self._wake_histories = wake_histories

    async def CreateLead(self, request: pb.CreateLeadRequest, work: UnitOfWork) -> pb.Lead:
        values = await LEADS.to_create(work, request.lead)
        return LEADS.message(work, await commands.create_lead(work, values, to_pool=request.to_pool))

    async def GetLead(self, request: pb.GetLeadRequest, reader: Reader) -> pb.Lead:
        return await LEADS.read(reader, request.id)

    async def ListLeads(self, request: pb.ListLeadsRequest, reader: Reader) -> pb.ListLeadsResponse:
        return await LEADS.list(reader, request, pb.ListLeadsResponse, self._tokens)

    async def UpdateLead(self, request: pb.UpdateLeadRequest, work: UnitOfWork) -> pb.Lead:
        before, values = await LEADS.to_update(work, request)
        return LEADS.message(work, commands.update_lead(work, before, values))

    async def AssignLead(self, request: pb.AssignLeadRequest, work: UnitOfWork) -> pb.Lead:
        before = await LEADS.target(work, request)
        return LEADS.message(work, await commands.assign_lead(work, before, UUID(request.owner_id)))

    async def ClaimLead(self, request: pb.ClaimLeadRequest, work: UnitOfWork) -> pb.Lead:
        return LEADS.message(work, await commands.claim_lead(work, UUID(request.id)))

    async def ReturnLead(self, request: pb.ReturnLeadRequest, work: UnitOfWork) -> pb.Lead:
        before = await LEADS.target(work, request)
        return LEADS.message(work, await commands.return_lead(work, before, request.reason))

    async def RecordFollowUp(self, request: pb.RecordFollowUpRequest, work: UnitOfWork) -> pb.Lead:
        before = await LEADS.get(work, UUID(request.id))
        given = request.follow_up
        follow_up = FollowUp(
            kind=value_in(given, "kind", FollowUpKind),
            happen_time=time_from(given.happen_time) if given.HasField("happen_time") else work.now,
            record_time=work.now,
            note=given.note or None,
        )
        return LEADS.message(work, await commands.record_follow_up(work, before, follow_up))

    async def QualifyLead(self, request: pb.QualifyLeadRequest, work: UnitOfWork) -> pb.Lead:
        before = await LEADS.target(work, request)
        return LEADS.message(work, commands.qualify_lead(work, before))

    async def DisqualifyLead(self, request: pb.DisqualifyLeadRequest, work: UnitOfWork) -> pb.Lead:
        before = await LEADS.target(work, request)
        return LEADS.message(work, await commands.disqualify_lead(work, before, request.reason))

    async def ConvertLead(self, request: pb.ConvertLeadRequest, work: UnitOfWork) -> pb.Lead:
        wanted = Wanted(
            account_id=id_from(request.account_id),
            opportunity_name=request.opportunity_name or None,
            amount=value_in(request, "amount", Money) if request.HasField("amount") else NOTHING,
            pipeline_id=id_from(request.pipeline_id),
        )
        lead = await convert_lead(
            work,
            self._accounts,
            self._customer,
            UUID(request.id),
            wanted,
            wake=self._wake_histories,
            etag=request.etag,
        )
        return LEADS.message(work, lead)

    async def ExplainProtection(self, request: pb.ExplainProtectionRequest, reader: Reader) -> pb.Protection:
        lead = await LEADS.get(reader, UUID(request.id))
        safe = await explain_protection(reader, lead, await get_pool(reader))
        return build(
            pb.Protection,
            lead_id=lead.id,
            safe_until_time=safe.safe_until_time,
            remaining_seconds=safe.remaining_seconds(reader.now),
            warning_time=safe.warning_time,
            reason=safe.reason,
            steps=safe.steps,
        )

    async def ListFollowUps(self, request: pb.ListFollowUpsRequest, reader: Reader) -> pb.ListFollowUpsResponse:
        lead = await LEADS.get(reader, UUID(request.id))
        commands.check_in_reach(reader.scope, lead)
        asked = PageOf(request.page_size, request.page_token)
        page = await FOLLOW_UPS.page(reader, asked, self._tokens, lead_id=lead.id)
        return build(
            pb.ListFollowUpsResponse,
            follow_ups=[follow_up_from(row) for row in page.rows],
            next_page_token=page.next_token,
            prev_page_token=page.prev_token,
        )
