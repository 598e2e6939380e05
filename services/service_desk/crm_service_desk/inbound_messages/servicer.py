"""InboundMessageService: from message to command and back, nothing else."""

from datetime import timedelta
from uuid import UUID

from crm.service_desk.v1 import inbound_messages_pb2 as pb
from crm_kit.accounts import Accounts
from crm_kit.contacts import Contacts
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens
from crm_kit.resource.codecs import value_in
from crm_kit.wire import id_from

from crm_service_desk.classification import CaseKind
from crm_service_desk.inbound_messages import commands
from crm_service_desk.inbound_messages.intake import Intake
from crm_service_desk.inbound_messages.resource import INBOUND_MESSAGES


class InboundMessageServicer:
    contract = pb.DESCRIPTOR.services_by_name["InboundMessageService"]

    def __init__(
        self, tokens: PageTokens, accounts: Accounts, contacts: Contacts, intake: Intake, *, reopen_window: timedelta
    ) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._contacts = contacts
        self._intake = intake
        self._reopen_window = reopen_window

    async def CreateInboundMessage(
        self, request: pb.CreateInboundMessageRequest, work: UnitOfWork
    ) -> pb.InboundMessage:
        values = INBOUND_MESSAGES.values_of(request.inbound_message)
        return INBOUND_MESSAGES.message(work, await self._intake.message(work, values))

    async def ReceiveMail(self, request: pb.ReceiveMailRequest, work: UnitOfWork) -> pb.InboundMessage:
        commands.require_all(work)
        read = await self._intake.read_bytes(work.actor, work.now, request.mail)
        return INBOUND_MESSAGES.message(work, await self._intake.mail(work, UUID(request.channel_id), read))

    async def GetInboundMessage(self, request: pb.GetInboundMessageRequest, reader: Reader) -> pb.InboundMessage:
        return await INBOUND_MESSAGES.read(reader, request.id)

    async def ListInboundMessages(
        self, request: pb.ListInboundMessagesRequest, reader: Reader
    ) -> pb.ListInboundMessagesResponse:
        return await INBOUND_MESSAGES.list(reader, request, pb.ListInboundMessagesResponse, self._tokens)

    async def AssignInboundMessage(
        self, request: pb.AssignInboundMessageRequest, work: UnitOfWork
    ) -> pb.InboundMessage:
        before = await INBOUND_MESSAGES.target(work, request)
        case_id = UUID(request.case_id)
        message = await commands.assign_message(work, before, case_id, window=self._reopen_window)
        return INBOUND_MESSAGES.message(work, message)

    async def OpenInboundMessageCase(
        self, request: pb.OpenInboundMessageCaseRequest, work: UnitOfWork
    ) -> pb.InboundMessage:
        before = await INBOUND_MESSAGES.target(work, request)
        message = await commands.open_case(
            work,
            self._accounts,
            self._contacts,
            before,
            kind=value_in(request, "kind", CaseKind) if request.kind else None,
            customer={"account_id": id_from(request.account_id), "contact_id": id_from(request.contact_id)},
            window=self._reopen_window,
        )
        return INBOUND_MESSAGES.message(work, message)

    async def IgnoreInboundMessage(
        self, request: pb.IgnoreInboundMessageRequest, work: UnitOfWork
    ) -> pb.InboundMessage:
        before = await INBOUND_MESSAGES.target(work, request)
        return INBOUND_MESSAGES.message(work, commands.ignore_message(work, before))
