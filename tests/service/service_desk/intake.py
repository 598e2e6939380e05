"""Intake as one adapter and the people of a desk see it."""

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from crm.customer.v1 import accounts_pb2, contacts_pb2
from crm.customer.v1 import events_pb2 as customer_events
from crm.service_desk.v1 import channels_pb2
from crm.service_desk.v1 import inbound_messages_pb2 as pb
from crm.service_desk.v1.channels_pb2_grpc import ChannelServiceStub
from crm.service_desk.v1.inbound_messages_pb2_grpc import InboundMessageServiceStub
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id

from tests.service.running import Running, User
from tests.service.service_desk.desk import Desk

if TYPE_CHECKING:
    from crm.service_desk.v1.channels_pb2_grpc import ChannelServiceAsyncStub
    from crm.service_desk.v1.inbound_messages_pb2_grpc import InboundMessageServiceAsyncStub

Message = pb.InboundMessage


@dataclass
class Intake:
    """A desk, its mailbox, and an adapter that may do nothing but bring messages."""

    desk: Desk
    adapter: User
    mailbox: channels_pb2.Channel = field(default_factory=channels_pb2.Channel)
    _sources: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def running(self) -> Running:
        return self.desk.running

    @property
    def messages(self) -> "InboundMessageServiceAsyncStub":
        return InboundMessageServiceStub(self.running.channel)

    @property
    def channels(self) -> "ChannelServiceAsyncStub":
        return ChannelServiceStub(self.running.channel)

    async def channel(self, **fields: Any) -> channels_pb2.Channel:
        """A mailbox unless told otherwise."""
        values: dict[str, Any] = {"display_name": "客服邮箱", "kind": channels_pb2.Channel.KIND_MAIL} | fields
        request = channels_pb2.CreateChannelRequest(channel=channels_pb2.Channel(**values))
        return await self.channels.CreateChannel(request, metadata=self.desk.user.metadata)

    async def bring(self, *, by: User | None = None, **fields: Any) -> Message:
        """A message of a stranger to the mailbox, with an id of its own, unless told otherwise."""
        values: dict[str, Any] = {
            "channel_id": self.mailbox.id,
            "source_id": f"<{next(self._sources)}@mail.example>",
            "from_address": "stranger@elsewhere.example",
            "subject": "停电",
            "text": "今天早上起停电",
        }
        request = pb.CreateInboundMessageRequest(inbound_message=Message(**values | fields))
        return await self.messages.CreateInboundMessage(request, metadata=(by or self.adapter).metadata)

    async def mail(self, raw: bytes) -> Message:
        """A mail as it came to the mailbox."""
        request = pb.ReceiveMailRequest(channel_id=self.mailbox.id, mail=raw)
        return await self.messages.ReceiveMail(request, metadata=self.adapter.metadata)

    async def get(self, message: Message, *, by: User | None = None) -> Message:
        request = pb.GetInboundMessageRequest(id=message.id)
        return await self.messages.GetInboundMessage(request, metadata=(by or self.desk.user).metadata)

    async def waiting(self, filter: str = "state = UNMATCHED") -> list[Message]:
        """What waits for a person."""
        request = pb.ListInboundMessagesRequest(filter=filter)
        page = await self.messages.ListInboundMessages(request, metadata=self.desk.user.metadata)
        return list(page.inbound_messages)

    async def do(self, verb: str, message: Message, *, by: User | None = None, **fields: Any) -> Message:
        """Call one of the verbs, for example `do("IgnoreInboundMessage", message)`."""
        request = getattr(pb, f"{verb}Request")(id=message.id, **fields)
        answer: Message = await getattr(self.messages, verb)(request, metadata=(by or self.desk.user).metadata)
        return answer

    async def account(self, *, version: int = 1, id: UUID | None = None, **fields: Any) -> str:
        """An account that the customer service tells of."""
        id = id or new_id()
        account = accounts_pb2.Account(id=str(id), display_name="华信电力", **fields)
        told = customer_events.AccountUpdated(account=account)
        await self.running.hear(told, tenant_id=self.desk.user.tenant_id, aggregate_id=id, version=version)
        return str(id)

    async def contact(self, *account_ids: str, version: int = 1, id: UUID | None = None, **fields: Any) -> str:
        """A contact at accounts, the main one first, that the customer service tells of."""
        id = id or new_id()
        links = [contacts_pb2.Contact.AccountLink(account_id=each) for each in account_ids]
        contact = contacts_pb2.Contact(id=str(id), display_name="陈晨", accounts=links, **fields)
        told = customer_events.ContactUpdated(contact=contact)
        await self.running.hear(told, tenant_id=self.desk.user.tenant_id, aggregate_id=id, version=version)
        return str(id)


async def intake_of(desk: Desk, **fields: Any) -> Intake:
    """An intake in the tenant of a desk; `fields` are those of its mailbox."""
    grants = {"inbound_messages.receive": Scope.ALL}
    intake = Intake(desk, await desk.running.user(desk.user.tenant_id, grants=grants))
    intake.mailbox = await intake.channel(**fields)
    return intake


def became(message: Message) -> tuple[str, str]:
    """What became of a message, and why."""
    state = Message.State.Name(message.state).removeprefix("STATE_")
    return state, Message.Reason.Name(message.reason).removeprefix("REASON_")
