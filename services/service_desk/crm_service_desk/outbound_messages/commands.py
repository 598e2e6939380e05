"""Every write on outbound messages. Each function is one transaction's work."""

import contextlib
from datetime import datetime
from typing import Any
from uuid import UUID

from crm.service_desk.v1 import events_pb2 as events
from crm_kit.clock import system_now
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import FailedPrecondition
from crm_kit.notice_texts import OUTCOME
from crm_kit.notices import Kind, raise_notice
from google.protobuf.message import Message
from sqlalchemy import DateTime, Integer, bindparam, func, update
from sqlalchemy.dialects.postgresql import insert

from crm_service_desk.cases.commands import add_note, save_move
from crm_service_desk.cases.model import Case, Medium
from crm_service_desk.cases.resource import CASES
from crm_service_desk.mail.reports import Action, DeliveryReport
from crm_service_desk.outbound_messages.model import GIVE_UP_AFTER, OutboundMessage, Report, State
from crm_service_desk.outbound_messages.queries import find_by_source, held_of_first, refused_until
from crm_service_desk.outbound_messages.resource import OUTBOUND_MESSAGES
from crm_service_desk.outbound_messages.tables import outbound_messages, outbound_queue

TOLD_AS: dict[State, type[Message]] = {
    State.QUEUED: events.OutboundMessagePutBack,
    State.SENDING: events.OutboundMessageTaken,
    State.SENT: events.OutboundMessageSent,
    State.DELIVERED: events.OutboundMessageDelivered,
    State.BOUNCED: events.OutboundMessageBounced,
    State.FAILED: events.OutboundMessageFailed,
}
UNDELIVERED = (State.FAILED, State.BOUNCED)
MAX_NOTE = 20_000


async def queue(work: UnitOfWork, message: OutboundMessage, *, by_mailbox: bool) -> None:
    """Gather that a message is to go from now on, for as long as anything is tried, by the machines' clock."""
    now = system_now()
    due = await refused_until(work, message.channel_id, now) if by_mailbox else None
    values: dict[str, Any] = {
        "case_id": message.case_id,
        "first_attempt": message.attempt_count,
        "by_mailbox": by_mailbox,
        "due_time": due or now,
        "end_time": now + GIVE_UP_AFTER,
    }
    work.execute(put_in_queue(), message_id=message.id, channel_id=message.channel_id, **values)


def cancel_message(work: UnitOfWork, before: OutboundMessage) -> OutboundMessage:
    """Let a message not be sent."""
    after = before.cancel()
    work.delete(outbound_queue, message_id=before.id)
    return OUTBOUND_MESSAGES.save(work, before, after, events.OutboundMessageCancelled)


async def retry_message(work: UnitOfWork, before: OutboundMessage, *, by_mailbox: bool) -> OutboundMessage:
    """Have a message sent again."""
    after = before.retry()
    if before.state is State.QUEUED:
        now = system_now()
        due = await refused_until(work, before.channel_id, now) if by_mailbox else None
        work.execute(hasten(), message_id=before.id, due_time=due or now, first_attempt=before.attempt_count)
    else:
        await queue(work, after, by_mailbox=by_mailbox)
    return OUTBOUND_MESSAGES.save(work, before, after, events.OutboundMessageRetried)


def begin(work: UnitOfWork, before: OutboundMessage, *, until: datetime) -> OutboundMessage:
    """Gather that it is tried, by nobody else before that time of the machines; Conflict when somebody was quicker."""
    work.execute(schedule(), message_id=before.id, due_time=until, holds=before.sent_time is None)
    return OUTBOUND_MESSAGES.save(work, before, before.begin(), events.OutboundMessageTaken)


async def prolong(work: UnitOfWork, message: OutboundMessage, *, by: datetime) -> None:
    """Have a message given up later."""
    work.execute(put_end(), message_id=message.id, end_time=by)
    # Its place changes once more in this unit, which one statement cannot do to a row twice.
    await work.flush()


async def advance(
    work: UnitOfWork, before: OutboundMessage, after: OutboundMessage, *, due: datetime | None = None
) -> OutboundMessage:
    """Gather how far a message has come, and tell its case and its writer; what is left to go is tried when `due`."""
    if after == before and due is None:
        return before
    if not after.is_to_go:
        work.delete(outbound_queue, message_id=before.id)
    else:
        # Once somebody has it, those behind it do not wait until everybody has.
        work.execute(schedule(), message_id=before.id, due_time=due, holds=after.sent_time is None)
    saved = OUTBOUND_MESSAGES.save(work, before, after, event_of(before, after)) if after != before else before
    await tell_case(work, before, after)
    return saved


def event_of(before: OutboundMessage, after: OutboundMessage) -> type[Message]:
    """What has happened: where it has come to, that it did or did not reach somebody else, or that it waits on."""
    if after.state is not before.state:
        return TOLD_AS[after.state]
    if set(after.refused_addresses) - set(before.refused_addresses):
        return events.OutboundMessageFailed
    if after.delivered_addresses != before.delivered_addresses:
        return events.OutboundMessageDelivered
    reached = after.pending_addresses != before.pending_addresses
    return events.OutboundMessageSent if reached else events.OutboundMessagePutBack


async def tell_case(work: UnitOfWork, before: OutboundMessage, after: OutboundMessage) -> None:
    """Tell its case that it was sent, and its case and its writer whom it did not reach.

    A case whose log is full is told nothing: the message itself says what became of it. So it does of one that a rule
    wrote, which is in the log since then: whatever a case is told now follows from nobody, and could set the rule off.
    """
    if after.automatic:
        return
    refused = [each for each in after.refused_addresses if each not in before.refused_addresses]
    is_sent = before.sent_time is None and after.sent_time is not None and after.state not in UNDELIVERED
    is_undelivered = bool(refused) or (after.state in UNDELIVERED and before.state not in UNDELIVERED)
    if not is_undelivered and not is_sent:
        return
    case = await CASES.get(work, after.case_id)
    with contextlib.suppress(FailedPrecondition):
        if is_sent:
            case = await reply(work, case, after)
    if is_undelivered:
        tell_writer(work, case, after)
        if is_sent:
            # The case is told once in a unit: that its customer has it says more.
            return
        to = f" to {', '.join(refused)}" if refused else ""
        said = f"(not delivered{to}: {after.failure_detail or after.failure}) {after.text}"
        with contextlib.suppress(FailedPrecondition):
            await add_note(work, case, said[:MAX_NOTE])


async def reply(work: UnitOfWork, case: Case, message: OutboundMessage) -> Case:
    """The case was replied to, by who wrote the message."""
    move = case.reply(message.text, medium=Medium.MESSAGE, now=work.now, actor_id=message.writer_id)
    return await save_move(work, case, move, events.CaseReplied, text=message.text)


def tell_writer(work: UnitOfWork, case: Case, message: OutboundMessage) -> None:
    """Tell whoever wrote a message that it did not arrive."""
    raise_notice(
        work,
        Kind.NOTICE_KIND_REPLY_UNDELIVERED,
        [message.writer_id],
        record=(CASES.collection, case.id),
        name=case.number,
        text=message.failure_detail or "",
        values={OUTCOME: message.state},
    )


# --- what is heard of it


async def follow_report(work: UnitOfWork, *, channel_id: UUID, report: DeliveryReport) -> UUID | None:
    """Note what a mail server reports on a mail of ours; its case, or None when it is on no mail of the channel."""
    message = await find_by_source(work, channel_id, report.message_ids)
    if message is None:
        return None
    after = message
    for state, action in ((State.BOUNCED, Action.FAILED), (State.DELIVERED, Action.DELIVERED)):
        found = [each for each in report.recipients if each.action is action]
        if found:
            named = tuple(each.address for each in found if each.address in message.addresses)
            # One that it does not call as we do can only be the only one.
            addresses = named if named or len(message.addresses) > 1 else message.addresses
            after = after.heard(Report(state, found[0].detail, addresses=addresses), now=work.now)
    await advance(work, message, after)
    return message.case_id


async def hear(work: UnitOfWork, before: OutboundMessage, report: Report) -> OutboundMessage:
    """Note what an adapter reports on a message that it has taken."""
    return await advance(work, before, before.reported(report, now=work.now))


# --- statements


@statement
def put_in_queue() -> Any:
    names = ("tenant_id", "message_id", "channel_id", "case_id", "first_attempt", "by_mailbox", "due_time", "end_time")
    return insert(outbound_queue).values({name: bindparam(name) for name in names})


@statement
def schedule() -> Any:
    """When it is tried next, if that is known, and whether those that were written later wait for it."""
    due_time = bindparam("due_time", type_=DateTime(timezone=True))
    return _place().values(due_time=func.coalesce(due_time, outbound_queue.c.due_time), holds=bindparam("holds"))


def _place() -> Any:
    return update(outbound_queue).where(
        outbound_queue.c.tenant_id == bindparam("tenant_id"), outbound_queue.c.message_id == bindparam("message_id")
    )


@statement
def put_end() -> Any:
    return _place().values(end_time=bindparam("end_time", type_=DateTime(timezone=True)))


@statement
def hasten() -> Any:
    """It is tried now, and the waits between attempts begin with the shortest again."""
    due_time = bindparam("due_time", type_=DateTime(timezone=True))
    return _place().values(due_time=due_time, first_attempt=bindparam("first_attempt", type_=Integer))


@statement
def put_in_order() -> Any:
    """Say of which case messages are that a version before the order of answers has written."""
    queue, message = outbound_queue.c, outbound_messages.c
    return (
        update(outbound_queue)
        .where(
            queue.tenant_id == bindparam("tenant_id"),
            queue.case_id.is_(None),
            message.tenant_id == queue.tenant_id,
            message.id == queue.message_id,
        )
        .values(case_id=message.case_id, holds=message.sent_time.is_(None))
    )


@statement
def put_off_held() -> Any:
    """What waits for an earlier one, and keeps others from being seen, is looked at again later."""
    queue = outbound_queue.c
    return (
        update(outbound_queue)
        .where(
            queue.tenant_id == bindparam("tenant_id"),
            queue.message_id.in_(held_of_first()),
            # Whoever has it by now has said when it is due.
            queue.due_time <= bindparam("due_by", type_=DateTime(timezone=True)),
        )
        .values(due_time=bindparam("later", type_=DateTime(timezone=True)))
    )


@statement
def put_off_channel() -> Any:
    """All that is due of a channel whose server is away waits, without being tried one by one."""
    later = bindparam("later", type_=DateTime(timezone=True))
    return (
        update(outbound_queue)
        .where(
            outbound_queue.c.tenant_id == bindparam("tenant_id"),
            outbound_queue.c.channel_id == bindparam("channel_id"),
            outbound_queue.c.by_mailbox,
            outbound_queue.c.due_time <= bindparam("due_by", type_=DateTime(timezone=True)),
        )
        .values(due_time=later)
    )
