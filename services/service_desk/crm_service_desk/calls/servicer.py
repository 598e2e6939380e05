"""CallService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.service_desk.v1 import calls_pb2 as pb
from crm_kit.accounts import Accounts
from crm_kit.contacts import Contacts
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens
from crm_kit.wire import id_from

from crm_service_desk.calls import commands
from crm_service_desk.calls.resource import CALLS
from crm_service_desk.calls.screens import screen_of
from crm_service_desk.calls.wire import fact_from, screen_message


class CallServicer:
    contract = pb.DESCRIPTOR.services_by_name["CallService"]

    def __init__(self, tokens: PageTokens, accounts: Accounts, contacts: Contacts) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._contacts = contacts

    async def ReceiveCallEvent(self, request: pb.ReceiveCallEventRequest, work: UnitOfWork) -> pb.Call:
        event, channel_id = request.event, UUID(request.channel_id)
        call = await commands.receive_event(work, channel_id, event.source_id, fact_from(event))
        return CALLS.message(work, call)

    async def DialCall(self, request: pb.DialCallRequest, work: UnitOfWork) -> pb.Call:
        return CALLS.message(work, await commands.dial(work, self._accounts, UUID(request.channel_id), request.number))

    async def GetCall(self, request: pb.GetCallRequest, reader: Reader) -> pb.Call:
        return await CALLS.read(reader, request.id)

    async def ListCalls(self, request: pb.ListCallsRequest, reader: Reader) -> pb.ListCallsResponse:
        return await CALLS.list(reader, request, pb.ListCallsResponse, self._tokens)

    async def GetCallScreen(self, request: pb.GetCallScreenRequest, reader: Reader) -> pb.CallScreen:
        call = await CALLS.get(reader, UUID(request.id))
        return screen_message(reader, call, await screen_of(reader, call))

    async def AssignCall(self, request: pb.AssignCallRequest, work: UnitOfWork) -> pb.Call:
        before = await CALLS.target(work, request)
        customer = {"account_id": id_from(request.account_id), "contact_id": id_from(request.contact_id)}
        call = await commands.assign_call(work, self._accounts, self._contacts, before, customer)
        return CALLS.message(work, call)

    async def IgnoreCall(self, request: pb.IgnoreCallRequest, work: UnitOfWork) -> pb.Call:
        return CALLS.message(work, await commands.ignore_call(work, await CALLS.target(work, request)))
