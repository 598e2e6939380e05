"""CaseService: from message to command or query and back, nothing else."""

from datetime import timedelta
from uuid import UUID

from crm.service_desk.v1 import cases_pb2 as pb
from crm_kit.accounts import Accounts
from crm_kit.contacts import Contacts
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.listing import PageOf
from crm_kit.paging import PageTokens
from crm_kit.resource.codecs import build, value_in
from crm_kit.wire import id_from, time_from

from crm_service_desk.cases import commands
from crm_service_desk.cases.explaining import explain
from crm_service_desk.cases.model import Medium
from crm_service_desk.cases.queries import EVENT_LISTING, event_from
from crm_service_desk.cases.resource import CASES


class CaseServicer:
    contract = pb.DESCRIPTOR.services_by_name["CaseService"]

    def __init__(self, tokens: PageTokens, accounts: Accounts, contacts: Contacts, *, reopen_window: timedelta) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._contacts = contacts
        self._reopen_window = reopen_window

    async def CreateCase(self, request: pb.CreateCaseRequest, work: UnitOfWork) -> pb.Case:
        values = await CASES.to_create(work, request.case)
        return CASES.message(work, await commands.create_case(work, self._accounts, self._contacts, values))

    async def GetCase(self, request: pb.GetCaseRequest, reader: Reader) -> pb.Case:
        return await CASES.read(reader, request.id)

    async def ListCases(self, request: pb.ListCasesRequest, reader: Reader) -> pb.ListCasesResponse:
        return await CASES.list(reader, request, pb.ListCasesResponse, self._tokens)

    async def UpdateCase(self, request: pb.UpdateCaseRequest, work: UnitOfWork) -> pb.Case:
        before, values = await CASES.to_update(work, request)
        return CASES.message(work, await commands.update_case(work, self._accounts, self._contacts, before, values))

    async def AssignCase(self, request: pb.AssignCaseRequest, work: UnitOfWork) -> pb.Case:
        before = await CASES.target(work, request)
        return CASES.message(work, await commands.assign_case(work, before, id_from(request.assignee_id)))

    async def OpenCase(self, request: pb.OpenCaseRequest, work: UnitOfWork) -> pb.Case:
        before = await CASES.target(work, request)
        return CASES.message(work, await commands.open_case(work, before))

    async def ReplyToCustomer(self, request: pb.ReplyToCustomerRequest, work: UnitOfWork) -> pb.Case:
        before = await CASES.target(work, request)
        medium = value_in(request, "medium", Medium) if request.medium else Medium.MESSAGE
        reached = not request.undelivered
        case = await commands.reply_to_customer(work, before, request.text, medium=medium, reached=reached)
        return CASES.message(work, case)

    async def RecordCustomerMessage(self, request: pb.RecordCustomerMessageRequest, work: UnitOfWork) -> pb.Case:
        before = await CASES.target(work, request)
        send_time = time_from(request.send_time) if request.HasField("send_time") else work.now
        case = await commands.record_customer_message(
            work,
            self._contacts,
            before,
            request.text,
            send_time=send_time,
            contact_id=id_from(request.contact_id),
            window=self._reopen_window,
        )
        return CASES.message(work, case)

    async def AddNote(self, request: pb.AddNoteRequest, work: UnitOfWork) -> pb.Case:
        before = await CASES.target(work, request)
        return CASES.message(work, await commands.add_note(work, before, request.text))

    async def WaitForCustomer(self, request: pb.WaitForCustomerRequest, work: UnitOfWork) -> pb.Case:
        before = await CASES.target(work, request)
        return CASES.message(work, await commands.wait_for_customer(work, before, request.text or None))

    async def WaitForThirdParty(self, request: pb.WaitForThirdPartyRequest, work: UnitOfWork) -> pb.Case:
        before = await CASES.target(work, request)
        return CASES.message(work, await commands.wait_for_third_party(work, before, request.text or None))

    async def ResolveCase(self, request: pb.ResolveCaseRequest, work: UnitOfWork) -> pb.Case:
        before = await CASES.target(work, request)
        return CASES.message(work, await commands.resolve_case(work, before, request.resolution))

    async def CloseCase(self, request: pb.CloseCaseRequest, work: UnitOfWork) -> pb.Case:
        before = await CASES.target(work, request)
        return CASES.message(work, await commands.close_case(work, before))

    async def ReopenCase(self, request: pb.ReopenCaseRequest, work: UnitOfWork) -> pb.Case:
        before = await CASES.target(work, request)
        reopened = await commands.reopen_case(work, before, request.cause, window=self._reopen_window)
        return CASES.message(work, reopened)

    async def CancelCase(self, request: pb.CancelCaseRequest, work: UnitOfWork) -> pb.Case:
        before = await CASES.target(work, request)
        return CASES.message(work, await commands.cancel_case(work, before, request.cause))

    async def ListCaseEvents(self, request: pb.ListCaseEventsRequest, reader: Reader) -> pb.ListCaseEventsResponse:
        case = await CASES.get(reader, UUID(request.id))
        asked = PageOf(request.page_size, request.page_token)
        page = await EVENT_LISTING.page(reader, asked, self._tokens, case_id=case.id)
        return build(
            pb.ListCaseEventsResponse,
            events=[event_from(row) for row in page.rows],
            next_page_token=page.next_token,
            prev_page_token=page.prev_token,
        )

    async def ExplainMilestones(
        self, request: pb.ExplainMilestonesRequest, reader: Reader
    ) -> pb.ExplainMilestonesResponse:
        case = await CASES.get(reader, UUID(request.id))
        return build(pb.ExplainMilestonesResponse, explanations=await explain(reader, case))
