"""CaseService: from message to command or query and back, nothing else."""

from datetime import datetime, timedelta
from uuid import UUID

from crm.service_desk.v1 import cases_pb2 as pb
from crm_kit.database.work import Reader, ReadSession, UnitOfWork
from crm_kit.history import list_changes
from crm_kit.listing import PageOf
from crm_kit.paging import PageTokens
from crm_kit.wire import id_from, text_or_none, time_from

from crm_service_desk.accounts.client import CustomerClient
from crm_service_desk.cases import commands
from crm_service_desk.cases.explaining import explain
from crm_service_desk.cases.model import Case
from crm_service_desk.cases.queries import EVENT_LISTING, LISTING, case_from, event_from, get_case
from crm_service_desk.cases.wire import CHANGEABLE, FIELDS, case_to_pb, event_to_pb, explanations_to_pb, medium_from


class CaseServicer:
    contract = pb.DESCRIPTOR.services_by_name["CaseService"]

    def __init__(self, tokens: PageTokens, customer: CustomerClient, *, reopen_window: timedelta) -> None:
        self._tokens = tokens
        self._customer = customer
        self._reopen_window = reopen_window

    async def CreateCase(self, request: pb.CreateCaseRequest, work: UnitOfWork) -> pb.Case:
        case = await commands.create_case(work, self._customer, FIELDS.all_of(request.case))
        return shown(case, work.now)

    async def GetCase(self, request: pb.GetCaseRequest, reader: Reader) -> pb.Case:
        return shown(await get_case(reader, UUID(request.id)), reader.now)

    async def ListCases(self, request: pb.ListCasesRequest, reader: Reader) -> pb.ListCasesResponse:
        page = await LISTING.page(reader, request, self._tokens)
        cases = [shown(case_from(row), reader.now) for row in page.rows]
        return pb.ListCasesResponse(cases=cases, next_page_token=page.next_token, prev_page_token=page.prev_token)

    async def UpdateCase(self, request: pb.UpdateCaseRequest, work: UnitOfWork) -> pb.Case:
        values = CHANGEABLE.masked(request.case, request.update_mask)
        id, etag = UUID(request.case.id), request.case.etag
        return shown(await commands.update_case(work, self._customer, id, values, etag=etag), work.now)

    async def AssignCase(self, request: pb.AssignCaseRequest, work: UnitOfWork) -> pb.Case:
        assignee_id = id_from(request.assignee_id)
        case = await commands.assign_case(work, UUID(request.id), assignee_id, etag=request.etag)
        return shown(case, work.now)

    async def OpenCase(self, request: pb.OpenCaseRequest, work: UnitOfWork) -> pb.Case:
        return shown(await commands.open_case(work, UUID(request.id), etag=request.etag), work.now)

    async def ReplyToCustomer(self, request: pb.ReplyToCustomerRequest, work: UnitOfWork) -> pb.Case:
        case = await commands.reply_to_customer(
            work,
            UUID(request.id),
            request.text,
            medium=medium_from(request.medium),
            reached=not request.undelivered,
            etag=request.etag,
        )
        return shown(case, work.now)

    async def RecordCustomerMessage(self, request: pb.RecordCustomerMessageRequest, work: UnitOfWork) -> pb.Case:
        case = await commands.record_customer_message(
            work,
            UUID(request.id),
            request.text,
            send_time=time_from(request.send_time) if request.HasField("send_time") else work.now,
            contact_id=id_from(request.contact_id),
            etag=request.etag,
        )
        return shown(case, work.now)

    async def AddNote(self, request: pb.AddNoteRequest, work: UnitOfWork) -> pb.Case:
        case = await commands.add_note(work, UUID(request.id), request.text, etag=request.etag)
        return shown(case, work.now)

    async def WaitForCustomer(self, request: pb.WaitForCustomerRequest, work: UnitOfWork) -> pb.Case:
        case = await commands.wait_for_customer(work, UUID(request.id), text_or_none(request.text), etag=request.etag)
        return shown(case, work.now)

    async def WaitForThirdParty(self, request: pb.WaitForThirdPartyRequest, work: UnitOfWork) -> pb.Case:
        case = await commands.wait_for_third_party(
            work, UUID(request.id), text_or_none(request.text), etag=request.etag
        )
        return shown(case, work.now)

    async def ResolveCase(self, request: pb.ResolveCaseRequest, work: UnitOfWork) -> pb.Case:
        case = await commands.resolve_case(work, UUID(request.id), request.resolution, etag=request.etag)
        return shown(case, work.now)

    async def CloseCase(self, request: pb.CloseCaseRequest, work: UnitOfWork) -> pb.Case:
        return shown(await commands.close_case(work, UUID(request.id), etag=request.etag), work.now)

    async def ReopenCase(self, request: pb.ReopenCaseRequest, work: UnitOfWork) -> pb.Case:
        case = await commands.reopen_case(
            work, UUID(request.id), request.cause, window=self._reopen_window, etag=request.etag
        )
        return shown(case, work.now)

    async def CancelCase(self, request: pb.CancelCaseRequest, work: UnitOfWork) -> pb.Case:
        case = await commands.cancel_case(work, UUID(request.id), request.cause, etag=request.etag)
        return shown(case, work.now)

    async def ListCaseEvents(self, request: pb.ListCaseEventsRequest, reader: Reader) -> pb.ListCaseEventsResponse:
        case = await get_case(reader, UUID(request.id))
        page = await EVENT_LISTING.page(
            reader, PageOf(request.page_size, request.page_token), self._tokens, case_id=case.id
        )
        events = [event_to_pb(event_from(row)) for row in page.rows]
        return pb.ListCaseEventsResponse(
            events=events, next_page_token=page.next_token, prev_page_token=page.prev_token
        )

    async def ListCaseChanges(
        self, request: pb.ListCaseChangesRequest, reader: ReadSession
    ) -> pb.ListCaseChangesResponse:
        case = await get_case(reader, UUID(request.id))
        page = await list_changes(
            reader,
            "case",
            case.id,
            page_size=request.page_size,
            page_token=request.page_token,
            tokens=self._tokens,
        )
        return pb.ListCaseChangesResponse(
            changes=page.rows, next_page_token=page.next_token, prev_page_token=page.prev_token
        )

    async def ExplainMilestones(
        self, request: pb.ExplainMilestonesRequest, reader: Reader
    ) -> pb.ExplainMilestonesResponse:
        case = await get_case(reader, UUID(request.id))
        return explanations_to_pb(await explain(reader, case))


def shown(case: Case, now: datetime) -> pb.Case:
    """The case as it is answered at `now`."""
    return case_to_pb(case.at(now))
