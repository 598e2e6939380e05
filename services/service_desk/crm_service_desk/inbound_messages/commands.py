"""Every write on inbound messages. Each function is one transaction's work: what is kept was told to its case."""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm.service_desk.v1 import events_pb2 as events
from crm_kit.accounts import Accounts
from crm_kit.attachments.moving import move_attachments
from crm_kit.contacts import Contacts
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import FailedPrecondition, denied, invalid_field
from crm_kit.identity.access import Scope, service_actor
from crm_kit.ids import new_id
from crm_kit.zones import check_plausible
from sqlalchemy import Text, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.types import Uuid

from crm_service_desk.addresses.model import as_compared
from crm_service_desk.addresses.queries import find_known_sender
from crm_service_desk.cases.commands import WRITE, add_case, add_customer_message, add_note, require_customer
from crm_service_desk.cases.log import MAX_LINES
from crm_service_desk.cases.model import Case, CaseState
from crm_service_desk.cases.resource import CASES
from crm_service_desk.channels.model import Channel
from crm_service_desk.channels.queries import is_our_own
from crm_service_desk.channels.resource import CHANNELS
from crm_service_desk.classification import CaseKind
from crm_service_desk.inbound_messages.filing import BroughtFile, attach_files
from crm_service_desk.inbound_messages.judging import Circumstances, Deed, Meant, Verdict, judge
from crm_service_desk.inbound_messages.model import InboundMessage, Reason, State, place_of
from crm_service_desk.inbound_messages.queries import count_earlier, find_answered, find_kept, find_numbered
from crm_service_desk.inbound_messages.resource import INBOUND_MESSAGES
from crm_service_desk.inbound_messages.tables import message_threads

FollowReport = Callable[[UnitOfWork], Awaitable[UUID | None]]
# A message of a customer adds at most so many lines to the log of a case.
LINES = 3


def require_all(work: UnitOfWork) -> None:
    """PermissionDenied for who may not bring messages for the whole tenant."""
    if work.scope is not Scope.ALL:
        raise denied("scope_all", "a message may concern any case: the permission is needed with the scope ALL")


async def receive_message(
    work: UnitOfWork,
    values: dict[str, Any],
    brought: Sequence[BroughtFile] = (),
    *,
    window: timedelta,
    max_file_bytes: int,
    by_mail: bool = False,
    follow: FollowReport | None = None,
) -> InboundMessage:
    """Keep a message, judge it and do what follows; what is kept already of the same id is left as it is.

    `by_mail` if it is a mail as it came. `follow` notes what it reports on a message of ours, where a mail server sent
    it for that. `brought` are its files, of which the tenant may have so many bytes together.

    The service does it in its own name: whoever brings messages need not see cases and customers, but may do it for the
    whole tenant, as a message may concern any case. `window`: how long a case can be reopened.
    """
    require_all(work)
    region = work.actor.access.default_region
    from_address = as_compared(values["from_address"], region=region)
    if values.get("reply_to_address") is not None:
        values = values | {"reply_to_address": as_compared(values["reply_to_address"], region=region)}
    if values.get("sent_time") is not None:
        check_plausible(values["sent_time"], field="inbound_message.sent_time")
    with work.acting_as(service_actor(work.tenant_id), Scope.ALL):
        channel = await channel_of(work, values["channel_id"], by_mail=by_mail)
        message = arrived(work, values | {"from_address": from_address})
        await take_turn(work, channel, message)
        kept = await find_kept(work, channel.id, message.source_id)
        if kept is not None:
            return kept
        channel.require_taking()
        reported = await follow(work) if follow is not None else None
        decided = await take_in(work, channel, message, window=window, reported=reported)
        files = await attach_files(work, decided, brought, max_tenant_bytes=max_file_bytes)
        return INBOUND_MESSAGES.create(work, replace(decided, files=files))


async def channel_of(work: UnitOfWork, id: UUID, *, by_mail: bool) -> Channel:
    """The channel by which it came; InvalidArgument where no such message can come by it."""
    field = "channel_id" if by_mail else "inbound_message.channel_id"
    channel = await CHANNELS.find(work, id)
    if channel is None:
        raise invalid_field(field, "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
    if by_mail:
        channel.require_mail(field=field)
    channel.require_messages(field=field)
    return channel


def arrived(work: UnitOfWork, values: dict[str, Any]) -> InboundMessage:
    """A message as it came, before it is judged."""
    undecided: dict[str, Any] = {"state": State.UNMATCHED, "reason": Reason.UNKNOWN_SENDER}
    return InboundMessage(id=new_id(), create_time=work.now, update_time=work.now, **undecided, **values)


async def take_turn(work: UnitOfWork, channel: Channel, message: InboundMessage) -> None:
    """Wait for others that bring the same message, one of the same conversation, or one of the same sender.

    So each is kept once, two that begin a conversation open one case, and those of an hour are counted.
    """
    references = (*message.references(channel), f"from {message.from_address}")
    await advisory_lock(work, *(f"inbound message {channel.id} {each}" for each in references))


async def take_in(
    work: UnitOfWork, channel: Channel, message: InboundMessage, *, window: timedelta, reported: UUID | None
) -> InboundMessage:
    """Judge a message and do what follows; `reported` is the case of the message that it reports on."""
    sender = await find_known_sender(work, message.from_address)
    answered = await find_case(work, await find_answered(work, channel.id, message.answers(channel)))
    named = await find_case(work, await find_numbered(work, message.named_case))
    verdict = judge(
        Circumstances(
            sender=sender,
            automatic=message.automatic,
            is_our_own=await is_our_own(work, message.from_address),
            earlier=await count_earlier(work, message, most=channel.hourly_limit),
            hourly_limit=channel.hourly_limit,
            opening=channel.case_opening,
            answered=meant(answered, message, window=window),
            named=meant(named, message, window=window),
            reported=reported,
        )
    )
    message = replace(message, contact_id=sender.contact_id, account_id=sender.account_id)
    told = next((case for case in (answered, named) if case and case.id == verdict.case_id), None)
    case = await act_on(work, channel, message, verdict, told, window=window)
    case_id = case.id if case else verdict.case_id
    decided = replace(message, state=verdict.state, reason=verdict.reason, case_id=case_id)
    if case_id is not None:
        put_references(work, channel, decided, case_id, over=over_of(answered, message, window=window))
    return decided


async def find_case(work: UnitOfWork, id: UUID | None) -> Case | None:
    """The case, if there is one."""
    return await CASES.find(work, id) if id else None


def meant(case: Case | None, message: InboundMessage, *, window: timedelta) -> Meant | None:
    """A case that the message may mean, and what it can be told."""
    if case is None:
        return None
    has_room = case.event_count + LINES <= MAX_LINES
    takes_messages = has_room and can_go_on(case, send_time(case, message), window=window)
    return Meant(case.id, case.contact_id, case.account_id, takes_messages=takes_messages, takes_notes=has_room)


def over_of(answered: Case | None, message: InboundMessage, *, window: timedelta) -> UUID | None:
    """The case that a message answers, if it does not go on: what means it can mean another."""
    found = meant(answered, message, window=window)
    return None if found is None or found.takes_messages else found.id


def can_go_on(case: Case, sent: datetime, *, window: timedelta) -> bool:
    """Whether a message that was sent then is taken up by the case: not once it is over for good."""
    if case.state is CaseState.CANCELLED:
        return False
    if case.resolve_time is None or sent < case.resolve_time:
        return True
    with contextlib.suppress(FailedPrecondition):
        case.require_reopenable(now=sent, window=window)
        return True
    return False


def send_time(case: Case, message: InboundMessage) -> datetime:
    """When the case takes the message to have been sent."""
    return max(case.create_time, message.believed_time)


async def act_on(
    work: UnitOfWork,
    channel: Channel,
    message: InboundMessage,
    verdict: Verdict,
    told: Case | None,
    *,
    window: timedelta,
) -> Case | None:
    """Do what the verdict says; the case that it concerns."""
    if verdict.deed is Deed.OPEN_CASE:
        customer = {"account_id": message.account_id, "contact_id": message.contact_id}
        return await add_case(work, case_values(channel, message) | customer)
    if told is None or verdict.deed is Deed.NOTHING:
        return None
    return await tell(work, told, message, window=window)


async def tell(work: UnitOfWork, case: Case, message: InboundMessage, *, window: timedelta) -> Case:
    """Tell a case what a message says; what a program wrote is a note."""
    # Whoever waited until somebody else had opened the case began before there was one.
    work.now = max(work.now, case.create_time)
    if message.automatic:
        return await add_note(work, case, message.said)
    sent = send_time(case, message)
    return await add_customer_message(
        work, case, message.said, send_time=sent, contact_id=message.contact_id, window=window
    )


def case_values(channel: Channel, message: InboundMessage) -> dict[str, Any]:
    """The values of a case that a message opens, but for the customer."""
    return {
        "kind": channel.case_kind,
        "title": message.title(channel),
        "description": message.said,
        "channel": channel.case_channel,
        "assignee_id": None,
    }


# --- by people


async def assign_message(
    work: UnitOfWork, before: InboundMessage, case_id: UUID, *, window: timedelta
) -> InboundMessage:
    """Add a message to a case that the caller may change."""
    case = await CASES.find(work, case_id, scope=work.actor.access.scope(WRITE))
    if case is None:
        raise invalid_field("case_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
    after = before.assign(case_id)
    if case.state is CaseState.CANCELLED and not before.automatic:
        case.require_move(CaseState.OPEN)
    await tell(work, case, before, window=window)
    return await decide(work, before, after, case.id, events.InboundMessageAssigned, window=window)


async def open_case(
    work: UnitOfWork,
    accounts: Accounts,
    contacts: Contacts,
    before: InboundMessage,
    *,
    kind: CaseKind | None,
    customer: dict[str, UUID | None],
    window: timedelta,
) -> InboundMessage:
    """Open a case for a message; `customer` has `account_id` and `contact_id`, which the caller may see."""
    work.actor.access.scope(WRITE)
    await require_customer(work, accounts, contacts, customer, place="")
    before.require_undecided("the opening of a case")
    channel = await CHANNELS.get(work, before.channel_id)
    values = case_values(channel, before) | customer | ({"kind": kind} if kind else {})
    case = await add_case(work, values)
    return await decide(work, before, before.assign(case.id), case.id, events.InboundMessageCaseOpened, window=window)


def ignore_message(work: UnitOfWork, before: InboundMessage) -> InboundMessage:
    """Do nothing about a message."""
    return INBOUND_MESSAGES.save(work, before, before.ignore(), events.InboundMessageIgnored)


async def decide(
    work: UnitOfWork, before: InboundMessage, after: InboundMessage, case_id: UUID, event: Any, *, window: timedelta
) -> InboundMessage:
    """Gather that a message belongs to a case, and that what answers it and its files do."""
    channel = await CHANNELS.get(work, before.channel_id)
    answered = await find_case(work, await find_answered(work, channel.id, before.answers(channel)))
    put_references(work, channel, before, case_id, over=over_of(answered, before, window=window))
    await move_attachments(work, place_of(before.id, None), place_of(before.id, case_id))
    return INBOUND_MESSAGES.save(work, before, after, event)


def put_references(
    work: UnitOfWork, channel: Channel, message: InboundMessage, case_id: UUID, *, over: UUID | None
) -> None:
    """Gather that the references of a message mean a case from now on.

    Those that mean another case stay with it, unless that is `over` or they are the message's own: else whoever knows
    what a mail was called could draw the answers to it into a case of theirs.
    """
    work.execute(
        put_threads(),
        channel_id=channel.id,
        references=list(message.references(channel)),
        own=list(message.own_references(channel)),
        case_id=case_id,
        over_id=over,
    )


@statement
def put_threads() -> Any:
    rows = select(
        bindparam("tenant_id", type_=Uuid),
        bindparam("channel_id", type_=Uuid),
        func.unnest(bindparam("references", type_=ARRAY(Text))),
        bindparam("case_id", type_=Uuid),
    )
    fresh = insert(message_threads).from_select(["tenant_id", "channel_id", "reference", "case_id"], rows)
    is_own = message_threads.c.reference == any_(bindparam("own", type_=ARRAY(Text)))
    is_over = message_threads.c.case_id == bindparam("over_id", type_=Uuid)
    return fresh.on_conflict_do_update(
        index_elements=["tenant_id", "channel_id", "reference"],
        set_={"case_id": fresh.excluded.case_id},
        where=is_own | is_over,
    )
