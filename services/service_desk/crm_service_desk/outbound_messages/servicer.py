"""OutboundMessageService: from message to command and back, nothing else."""

from collections.abc import Callable

from crm.service_desk.v1 import outbound_messages_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_service_desk.channels.model import ChannelKind
from crm_service_desk.channels.resource import CHANNELS
from crm_service_desk.outbound_messages import commands
from crm_service_desk.outbound_messages.drafting import write_message
from crm_service_desk.outbound_messages.resource import OUTBOUND_MESSAGES


class OutboundMessageServicer:
    contract = pb.DESCRIPTOR.services_by_name["OutboundMessageService"]

    def __init__(self, tokens: PageTokens, wake: Callable[[], None]) -> None:
        self._tokens = tokens
        self._wake = wake

    async def CreateOutboundMessage(
        self, request: pb.CreateOutboundMessageRequest, work: UnitOfWork
    ) -> pb.OutboundMessage:
        message = await write_message(work, OUTBOUND_MESSAGES.values_of(request.outbound_message))
        work.after_commit.append(self._wake)
        return OUTBOUND_MESSAGES.message(work, message)

    async def GetOutboundMessage(self, request: pb.GetOutboundMessageRequest, reader: Reader) -> pb.OutboundMessage:
        return await OUTBOUND_MESSAGES.read(reader, request.id)

    async def ListOutboundMessages(
        self, request: pb.ListOutboundMessagesRequest, reader: Reader
    ) -> pb.ListOutboundMessagesResponse:
        return await OUTBOUND_MESSAGES.list(reader, request, pb.ListOutboundMessagesResponse, self._tokens)

    async def CancelOutboundMessage(
        self, request: pb.CancelOutboundMessageRequest, work: UnitOfWork
    ) -> pb.OutboundMessage:
        before = await OUTBOUND_MESSAGES.target(work, request)
        # Those that were written later do not wait for it any more.
        work.after_commit.append(self._wake)
        return OUTBOUND_MESSAGES.message(work, commands.cancel_message(work, before))

    async def RetryOutboundMessage(
        self, request: pb.RetryOutboundMessageRequest, work: UnitOfWork
    ) -> pb.OutboundMessage:
        before = await OUTBOUND_MESSAGES.target(work, request)
        channel = await CHANNELS.get(work, before.channel_id)
        message = await commands.retry_message(work, before, by_mailbox=channel.kind is ChannelKind.MAIL)
        work.after_commit.append(self._wake)
        return OUTBOUND_MESSAGES.message(work, message)
