"""SignedDeliveryService: from what is signed to command and back, nothing else.

Nobody is signed in here: the unit that comes with a request belongs to no tenant and stays empty.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from crm.service_desk.v1 import calls_pb2 as calls_pb
from crm.service_desk.v1 import inbound_messages_pb2 as messages_pb
from crm.service_desk.v1 import signed_deliveries_pb2 as pb
from crm_kit.clock import Now, system_now
from crm_kit.database.connections import Database, row_of
from crm_kit.database.work import UnitOfWork, retried, unit_of_work
from crm_kit.errors import InvalidArgument
from crm_kit.identity.access import Scope
from crm_kit.rpc.output_only import check_output_only

from crm_service_desk.calls.commands import receive_event
from crm_service_desk.calls.facts import CallFact
from crm_service_desk.calls.wire import fact_from
from crm_service_desk.inbound_messages.commands import receive_message
from crm_service_desk.inbound_messages.model import InboundMessage
from crm_service_desk.inbound_messages.resource import INBOUND_MESSAGES
from crm_service_desk.mail.parsing import parse_mail
from crm_service_desk.signed_deliveries.authentication import Adapters, Signature
from crm_service_desk.signed_deliveries.wire import EVENT, Request, as_sent, read_delivery


@dataclass(frozen=True, slots=True)
class MessageDelivery:
    """A message: as its own rpc takes it, and the values of its fields."""

    request: Request
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallDelivery:
    """What happened to a call."""

    channel_id: UUID
    source_id: str
    fact: CallFact


class SignedDeliveryServicer:
    contract = pb.DESCRIPTOR.services_by_name["SignedDeliveryService"]

    def __init__(
        self, database: Database, adapters: Adapters, *, reopen_window: timedelta, now: Now = system_now
    ) -> None:
        self._database = database
        self._adapters = adapters
        self._reopen_window = reopen_window
        self._now = now

    async def ReceiveSignedDelivery(
        self, request: pb.ReceiveSignedDeliveryRequest, work: UnitOfWork
    ) -> pb.ReceiveSignedDeliveryResponse:
        signature = Signature(request.webhook_id, request.webhook_timestamp, request.webhook_signature)
        actor = await self._adapters.actor(UUID(request.channel_id), signature, request.payload)
        # A large one takes longer to read than requests of others may wait.
        wanted = await asyncio.to_thread(read, request)

        async def keep() -> pb.ReceiveSignedDeliveryResponse:
            now = self._now() + actor.access.clock_offset
            async with unit_of_work(self._database, actor, scope=Scope.ALL, now=now) as unit:
                if isinstance(wanted, CallDelivery):
                    return await keep_call(unit, wanted)
                return await self._keep_message(unit, wanted)

        return await retried(keep)

    async def _keep_message(self, unit: UnitOfWork, wanted: MessageDelivery) -> pb.ReceiveSignedDeliveryResponse:
        message = await receive_message(unit, wanted.values, window=self._reopen_window)
        check_output_only(wanted.request, INBOUND_MESSAGES.message(unit, message))
        return receipt(message)


async def keep_call(unit: UnitOfWork, wanted: CallDelivery) -> pb.ReceiveSignedDeliveryResponse:
    """Take in what happened to a call."""
    with called_data():
        call = await receive_event(unit, wanted.channel_id, wanted.source_id, wanted.fact)
    return pb.ReceiveSignedDeliveryResponse(call_id=str(call.id))


@contextlib.contextmanager
def called_data() -> Iterator[None]:
    """Refusals speak of an event as its sender has it."""
    try:
        yield
    except InvalidArgument as error:
        raise as_sent(error, EVENT) from None


def read(request: pb.ReceiveSignedDeliveryRequest) -> MessageDelivery | CallDelivery:
    """What is brought."""
    wanted = read_delivery(request.channel_id, request.payload)
    if isinstance(wanted, calls_pb.ReceiveCallEventRequest):
        with called_data():
            return CallDelivery(UUID(wanted.channel_id), wanted.event.source_id, fact_from(wanted.event))
    if isinstance(wanted, messages_pb.ReceiveMailRequest):
        return MessageDelivery(wanted, {"channel_id": UUID(wanted.channel_id)} | row_of(parse_mail(wanted.mail)))
    return MessageDelivery(wanted, INBOUND_MESSAGES.values_of(wanted.inbound_message))


def receipt(message: InboundMessage) -> pb.ReceiveSignedDeliveryResponse:
    """What the adapter is told of it."""
    kept = INBOUND_MESSAGES.message_of(message)
    return pb.ReceiveSignedDeliveryResponse(inbound_message_id=kept.id, state=kept.state, reason=kept.reason)
