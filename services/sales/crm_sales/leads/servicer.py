"""LeadService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.sales.v1 import leads_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.history import list_changes
from crm_kit.paging import PageTokens
from crm_kit.wire import id_from

from crm_sales.accounts.client import CustomerClient
from crm_sales.leads import commands
from crm_sales.leads.conversion import Wanted, convert_lead
from crm_sales.leads.protection import protection_of
from crm_sales.leads.queries import LISTING, get_lead, lead_from
from crm_sales.leads.wire import CHANGEABLE, FIELDS, follow_up_from, lead_to_pb, protection_to_pb
from crm_sales.pools.queries import get_pool
from crm_sales.wire import money_or_nothing


class LeadServicer:
    contract = pb.DESCRIPTOR.services_by_name["LeadService"]

    def __init__(self, tokens: PageTokens, customer: CustomerClient) -> None:
        self._tokens = tokens
        self._customer = customer

    async def CreateLead(self, request: pb.CreateLeadRequest, work: UnitOfWork) -> pb.Lead:
        lead = await commands.create_lead(work, FIELDS.all_of(request.lead), to_pool=request.to_pool)
        return lead_to_pb(lead)

    async def GetLead(self, request: pb.GetLeadRequest, reader: Reader) -> pb.Lead:
        return lead_to_pb(await get_lead(reader, UUID(request.id)))

    async def ListLeads(self, request: pb.ListLeadsRequest, reader: Reader) -> pb.ListLeadsResponse:
        page = await LISTING.page(reader, request, self._tokens)
        leads = [lead_to_pb(lead_from(row)) for row in page.rows]
        return pb.ListLeadsResponse(leads=leads, next_page_token=page.next_token, prev_page_token=page.prev_token)

    async def UpdateLead(self, request: pb.UpdateLeadRequest, work: UnitOfWork) -> pb.Lead:
        values = CHANGEABLE.masked(request.lead, request.update_mask)
        return lead_to_pb(await commands.update_lead(work, UUID(request.lead.id), values, etag=request.lead.etag))

    async def AssignLead(self, request: pb.AssignLeadRequest, work: UnitOfWork) -> pb.Lead:
        owner_id = UUID(request.owner_id)
        return lead_to_pb(await commands.assign_lead(work, UUID(request.id), owner_id, etag=request.etag))

    async def ClaimLead(self, request: pb.ClaimLeadRequest, work: UnitOfWork) -> pb.Lead:
        return lead_to_pb(await commands.claim_lead(work, UUID(request.id)))

    async def ReturnLead(self, request: pb.ReturnLeadRequest, work: UnitOfWork) -> pb.Lead:
        return lead_to_pb(await commands.return_lead(work, UUID(request.id), request.reason, etag=request.etag))

    async def RecordFollowUp(self, request: pb.RecordFollowUpRequest, work: UnitOfWork) -> pb.Lead:
        follow_up = follow_up_from(request.follow_up, work.now)
        note = request.follow_up.note or None
        return lead_to_pb(await commands.record_follow_up(work, UUID(request.id), follow_up, note=note))

    async def QualifyLead(self, request: pb.QualifyLeadRequest, work: UnitOfWork) -> pb.Lead:
        return lead_to_pb(await commands.qualify_lead(work, UUID(request.id), etag=request.etag))

    async def DisqualifyLead(self, request: pb.DisqualifyLeadRequest, work: UnitOfWork) -> pb.Lead:
        return lead_to_pb(await commands.disqualify_lead(work, UUID(request.id), request.reason, etag=request.etag))

    async def ConvertLead(self, request: pb.ConvertLeadRequest, work: UnitOfWork) -> pb.Lead:
        wanted = Wanted(
            account_id=id_from(request.account_id),
            opportunity_name=request.opportunity_name or None,
            amount=money_or_nothing(request.amount, field="amount"),
            pipeline_id=id_from(request.pipeline_id),
        )
        lead = await convert_lead(work, self._customer, UUID(request.id), wanted, etag=request.etag)
        return lead_to_pb(lead)

    async def ExplainProtection(self, request: pb.ExplainProtectionRequest, reader: Reader) -> pb.Protection:
        lead = await get_lead(reader, UUID(request.id))
        safe = await protection_of(reader, lead, await get_pool(reader))
        return protection_to_pb(lead, safe, reader.now)

    async def ListLeadChanges(self, request: pb.ListLeadChangesRequest, reader: Reader) -> pb.ListLeadChangesResponse:
        await get_lead(reader, UUID(request.id))
        page = await list_changes(
            reader,
            "lead",
            UUID(request.id),
            page_size=request.page_size,
            page_token=request.page_token,
            tokens=self._tokens,
        )
        return pb.ListLeadChangesResponse(
            changes=page.rows, next_page_token=page.next_token, prev_page_token=page.prev_token
        )
