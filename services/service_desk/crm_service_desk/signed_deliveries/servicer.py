"""SignedDeliveryService: from what is signed to command and back, nothing else.

Nobody is signed in here: the unit that comes with a request belongs to no tenant and stays empty.
"""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

from crm.service_desk.v1 import inbound_messages_pb2 as messages_pb
from crm.service_desk.v1 import signed_deliveries_pb2 as pb
from crm_kit.clock import Now, system_now
from crm_kit.database.connections import Database, row_of
from crm_kit.database.work import UnitOfWork, retried, unit_of_work
from crm_kit.identity.access import Scope
from crm_kit.rpc.output_only import check_output_only

from crm_service_desk.inbound_messages.commands import receive_message
from crm_service_desk.inbound_messages.model import InboundMessage
from crm_service_desk.inbound_messages.resource import INBOUND_MESSAGES
from crm_service_desk.mail.parsing import parse_mail
from crm_service_desk.signed_deliveries.authentication import Adapters, Signature
from crm_service_desk.signed_deliveries.wire import Request, read_delivery


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
        wanted, values = await asyncio.to_thread(read, request)

        async def keep() -> InboundMessage:
            now = self._now() + actor.access.clock_offset
            async with unit_of_work(self._database, actor, scope=Scope.ALL, now=now) as unit:
                message = await receive_message(unit, values, window=self._reopen_window)
                check_output_only(wanted, INBOUND_MESSAGES.message(unit, message))
                return message

        return receipt(await retried(keep))


def read(request: pb.ReceiveSignedDeliveryRequest) -> tuple[Request, dict[str, Any]]:
    """What is brought: as its own rpc takes it, and as the values of a message."""
    wanted = read_delivery(request.channel_id, request.payload)
    if isinstance(wanted, messages_pb.ReceiveMailRequest):
        return wanted, {"channel_id": UUID(wanted.channel_id)} | row_of(parse_mail(wanted.mail))
    return wanted, INBOUND_MESSAGES.values_of(wanted.inbound_message)


def receipt(message: InboundMessage) -> pb.ReceiveSignedDeliveryResponse:
    """What the adapter is told of it."""
    kept = INBOUND_MESSAGES.message_of(message)
    return pb.ReceiveSignedDeliveryResponse(inbound_message_id=kept.id, state=kept.state, reason=kept.reason)
