"""SignedDeliveryService: from what is signed to command and back, nothing else.

Nobody is signed in here: the unit that comes with a request belongs to no tenant and stays empty.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from crm.service_desk.v1 import calls_pb2 as calls_pb
from crm.service_desk.v1 import inbound_messages_pb2 as messages_pb
from crm.service_desk.v1 import signed_deliveries_pb2 as pb
from crm_kit.attachments.links import Link, Links, path_of_file
from crm_kit.attachments.model import Attachment
from crm_kit.clock import Now, system_now
from crm_kit.database.connections import Database
from crm_kit.database.work import UnitOfWork, retried, unit_of_work
from crm_kit.errors import InvalidArgument
from crm_kit.identity.access import Actor, Scope
from crm_kit.rpc.output_only import check_output_only
from crm_kit.wire import timestamp

from crm_service_desk.calls.commands import receive_event
from crm_service_desk.calls.wire import fact_from
from crm_service_desk.inbound_messages.intake import Intake
from crm_service_desk.inbound_messages.model import InboundMessage
from crm_service_desk.inbound_messages.resource import INBOUND_MESSAGES
from crm_service_desk.outbound_messages.model import OutboundMessage
from crm_service_desk.outbound_messages.resource import OUTBOUND_MESSAGES
from crm_service_desk.outbound_messages.taking import Taken, report_message, take_messages
from crm_service_desk.signed_deliveries.authentication import Adapters, Signature
from crm_service_desk.signed_deliveries.wire import (
    EVENT,
    BroughtMessage,
    MessageReport,
    as_sent,
    read_delivery,
    read_take,
)

Result = TypeVar("Result")


class SignedDeliveryServicer:
    contract = pb.DESCRIPTOR.services_by_name["SignedDeliveryService"]

    def __init__(
        self, database: Database, adapters: Adapters, intake: Intake, links: Links, *, now: Now = system_now
    ) -> None:
        self._database = database
        self._adapters = adapters
        self._intake = intake
        self._links = links
        self._now = now

    async def ReceiveSignedDelivery(
        self, request: pb.ReceiveSignedDeliveryRequest, work: UnitOfWork
    ) -> pb.ReceiveSignedDeliveryResponse:
        actor, channel_id = await self._signed_by(request), UUID(request.channel_id)
        # A large one takes longer to read than requests of others may wait.
        wanted = await asyncio.to_thread(read_delivery, request.channel_id, request.payload)
        if isinstance(wanted, MessageReport):
            return told_of(
                await self._in_unit(
                    actor, lambda unit: report_message(unit, channel_id, wanted.message_id, wanted.report)
                )
            )
        if isinstance(wanted, calls_pb.ReceiveCallEventRequest):
            return await self._in_unit(actor, lambda unit: keep_call(unit, channel_id, wanted.event))
        if isinstance(wanted, messages_pb.ReceiveMailRequest):
            read = await self._intake.read_bytes(actor, self._now_of(actor), wanted.mail)
            with called_data(""):
                return receipt(await self._in_unit(actor, lambda unit: self._intake.mail(unit, channel_id, read)))
        return receipt(await self._keep_message(actor, wanted))

    async def _keep_message(self, actor: Actor, wanted: BroughtMessage) -> InboundMessage:
        values = INBOUND_MESSAGES.values_of(wanted.request.inbound_message)
        files = await self._intake.read_files(actor, self._now_of(actor), wanted.files)

        async def keep(unit: UnitOfWork) -> InboundMessage:
            with called_data(INBOUND_MESSAGES.place):
                message = await self._intake.message(unit, values, files)
                check_output_only(wanted.request, INBOUND_MESSAGES.message(unit, message))
                return message

        return await self._in_unit(actor, keep)

    async def TakeOutboundMessages(
        self, request: pb.TakeOutboundMessagesRequest, work: UnitOfWork
    ) -> pb.TakeOutboundMessagesResponse:
        actor, channel_id = await self._signed_by(request), UUID(request.channel_id)
        most = read_take(request.payload)
        taken = await self._in_unit(actor, lambda unit: take_messages(unit, channel_id, most=most))
        # In the service's own name: the message was let have its files when it was written.
        link = Link(actor.tenant_id, actor.user_id, taken.until)
        return given(taken, lambda file: path_of_file(self._links, link, place_of_file(file)))

    async def _signed_by(self, request: pb.ReceiveSignedDeliveryRequest | pb.TakeOutboundMessagesRequest) -> Actor:
        signature = Signature(request.webhook_id, request.webhook_timestamp, request.webhook_signature)
        return await self._adapters.actor(UUID(request.channel_id), signature, request.payload)

    async def _in_unit(self, actor: Actor, act: Callable[[UnitOfWork], Awaitable[Result]]) -> Result:
        """What comes of something that is done for the tenant of the channel."""

        async def attempt() -> Result:
            async with unit_of_work(self._database, actor, scope=Scope.ALL, now=self._now_of(actor)) as unit:
                return await act(unit)

        return await retried(attempt)

    def _now_of(self, actor: Actor) -> datetime:
        return self._now() + actor.access.clock_offset


async def keep_call(unit: UnitOfWork, channel_id: UUID, event: calls_pb.CallEvent) -> pb.ReceiveSignedDeliveryResponse:
    """Take in what happened to a call."""
    with called_data(EVENT):
        call = await receive_event(unit, channel_id, event.source_id, fact_from(event))
    return pb.ReceiveSignedDeliveryResponse(call_id=str(call.id))


@contextlib.contextmanager
def called_data(place: str) -> Iterator[None]:
    """Refusals speak of what stands at a place of the request, such as an event, as its sender has it."""
    try:
        yield
    except InvalidArgument as error:
        raise as_sent(error, place) from None


def receipt(message: InboundMessage) -> pb.ReceiveSignedDeliveryResponse:
    """What the adapter is told of what it brought."""
    kept = INBOUND_MESSAGES.message_of(message)
    return pb.ReceiveSignedDeliveryResponse(inbound_message_id=kept.id, state=kept.state, reason=kept.reason)


def told_of(message: OutboundMessage) -> pb.ReceiveSignedDeliveryResponse:
    """What the adapter is told of what it reported on."""
    kept = OUTBOUND_MESSAGES.message_of(message)
    return pb.ReceiveSignedDeliveryResponse(outbound_message_id=kept.id, outbound_state=kept.state)


def place_of_file(file: Attachment) -> tuple[str, str, str]:
    """What a link to it is bound to."""
    return file.collection, str(file.record_id), str(file.id)


def given(taken: Taken, path_of: Callable[[Attachment], str]) -> pb.TakeOutboundMessagesResponse:
    """What the adapter is to send; `path_of` says where it finds a file."""
    deliveries = [
        pb.OutboundDelivery(
            outbound_message_id=str(each.id),
            attempt=each.attempt_count,
            from_address=each.from_address or "",
            to_addresses=each.to_addresses,
            text=each.text,
            thread_references=each.thread_references,
            lease_end_time=timestamp(taken.until),
            files=[
                pb.OutboundDelivery.File(
                    name=file.name,
                    content_type=file.content_type,
                    size_bytes=file.size_bytes,
                    sha256=file.sha256,
                    path=path_of(file),
                )
                for file in files
            ],
        )
        for each, files in taken.messages
    ]
    return pb.TakeOutboundMessagesResponse(deliveries=deliveries)
