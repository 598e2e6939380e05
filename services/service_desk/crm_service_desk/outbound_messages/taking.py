"""What adapters take to send, for a while: what they have not reported on by then is given out again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from crm_kit.attachments.model import Attachment
from crm_kit.clock import system_now
from crm_kit.database.locks import advisory_lock
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import invalid_field

from crm_service_desk.channels.model import ChannelKind
from crm_service_desk.channels.resource import CHANNELS
from crm_service_desk.outbound_messages import commands
from crm_service_desk.outbound_messages.model import OutboundMessage, Report
from crm_service_desk.outbound_messages.queries import find_files, find_waiting
from crm_service_desk.outbound_messages.resource import OUTBOUND_MESSAGES

LEASE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Taken:
    """Messages with their files, and until when they are the adapter's, by the machines' clock."""

    messages: Sequence[tuple[OutboundMessage, Sequence[Attachment]]]
    until: datetime


async def take_messages(work: UnitOfWork, channel_id: UUID, *, most: int) -> Taken:
    """Gather that an adapter has messages of its channel from now on; two that ask at once get different ones."""
    channel = await CHANNELS.get(work, channel_id)
    channel.require_messages(field="channel_id")
    channel.require_taking()
    if channel.kind is ChannelKind.MAIL:
        raise invalid_field("channel_id", "outbound_taken", "is a channel whose messages are sent by mailboxes")
    await advisory_lock(work, f"outbound messages {channel_id}")
    now = system_now()
    waiting = await find_waiting(work, channel_id, now, most=most)
    messages = []
    for each in waiting:
        files = await find_files(work, each)
        if files is None:
            await commands.advance(work, each, each.without_file(now=work.now))
        else:
            messages.append((commands.begin(work, each, until=now + LEASE), files))
    return Taken(messages, now + LEASE)


async def report_message(work: UnitOfWork, channel_id: UUID, id: UUID, report: Report) -> OutboundMessage:
    """Note what an adapter reports on a message of its channel that it has taken."""
    before = await OUTBOUND_MESSAGES.find(work, id)
    if before is None or before.channel_id != channel_id:
        detail = "is no message of this channel"
        raise invalid_field("data.outbound_message_id", "reference", detail, reason="REFERENCE_NOT_FOUND")
    if report.attempt is not None and report.attempt > before.attempt_count:
        detail = f"the message was taken {before.attempt_count} times"
        raise invalid_field("data.attempt", "delivery_attempt", detail)
    return await commands.hear(work, before, report)
