"""What somebody writes, made into what is sent: by which channel, to whom, as an answer to what."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from crm_kit.attachments.model import Attachment
from crm_kit.attachments.resource import ATTACHMENTS
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import InvalidArgument, denied, invalid_field
from crm_kit.ids import new_id
from crm_kit.mail.model import address_of

from crm_service_desk.addresses.model import all_compared
from crm_service_desk.cases.commands import WRITE
from crm_service_desk.cases.model import Case
from crm_service_desk.cases.resource import CASES
from crm_service_desk.channels.model import Channel, ChannelKind
from crm_service_desk.channels.queries import is_our_own
from crm_service_desk.channels.resource import CHANNELS
from crm_service_desk.inbound_messages.commands import put_threads
from crm_service_desk.inbound_messages.model import CONVERSATIONS, InboundMessage
from crm_service_desk.mailboxes.queries import find_sending
from crm_service_desk.outbound_messages.automatic import check_automatic, note, unreachable
from crm_service_desk.outbound_messages.commands import queue
from crm_service_desk.outbound_messages.model import Failure, OutboundMessage
from crm_service_desk.outbound_messages.queries import find_last, find_strangers, has_waiting, is_of_case
from crm_service_desk.outbound_messages.resource import OUTBOUND_MESSAGES

ANY_ADDRESS = "outbound_messages.any_address"
# Of all files together: what servers take at most, and what a place for sending has in memory.
MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_SUBJECT = 250
PLACE = "outbound_message"


async def write_message(work: UnitOfWork, values: dict[str, Any]) -> OutboundMessage:
    """Gather a message from the values of its fields, and have it sent.

    InvalidArgument, PermissionDenied: as the contract says.
    """
    # Within reach of both, to write messages and to change the case.
    case = await CASES.find(work, values["case_id"], scope=min(work.scope, work.actor.access.scope(WRITE)))
    if case is None:
        raise invalid_field(f"{PLACE}.case_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
    case.require_room()
    last = await find_last(work, case.id, values.get("channel_id"))
    channel = await channel_of(work, values.get("channel_id"), last)
    by_mail, automatic = channel.kind is ChannelKind.MAIL, bool(work.causes)
    to_addresses, cc_addresses = await recipients_of(work, case, values, last, by_mail=by_mail)
    if automatic:
        await check_automatic(work, case, last, (*to_addresses, *cc_addresses))
    if not by_mail:
        check_plain(values)
    if values.get("attachment_ids"):
        require_carrier(channel)
        await check_files(work, case, values["attachment_ids"])
    id, from_address = new_id(), next(iter(channel.addresses), None)
    if by_mail and from_address is not None:
        # As servers take it, its domain in ASCII; that stands in the Message-ID, too.
        from_address = address_of(from_address, field=f"{PLACE}.channel_id")
    domain = (from_address or "").rpartition("@")[2]
    references = (*last.thread_references, last.source_id) if last and last.channel_id == channel.id else ()
    kept = {"attachment_ids": values.get("attachment_ids", ()), "text": values["text"], "case_id": case.id}
    message = OutboundMessage(
        id=id,
        channel_id=channel.id,
        to_addresses=to_addresses,
        cc_addresses=cc_addresses,
        pending_addresses=tuple(dict.fromkeys((*to_addresses, *cc_addresses))),
        subject=subject_of(case, values.get("subject"), last) if by_mail else None,
        from_address=from_address,
        source_id=f"<{id}@{domain}>" if by_mail else str(id),
        thread_references=tuple(dict.fromkeys(references))[-50:],
        writer_id=work.actor.user_id,
        automatic=automatic,
        failure=Failure.EARLIER_WAITS if await has_waiting(work, case.id, channel.id) else None,
        create_time=work.now,
        update_time=work.now,
        **kept,
    )
    put_references(work, channel, message)
    created = OUTBOUND_MESSAGES.create(work, message)
    await queue(work, created, by_mailbox=by_mail)
    if automatic:
        await note(work, case, created.text)
    return created


async def channel_of(work: UnitOfWork, id: UUID | None, last: InboundMessage | None) -> Channel:
    """By which channel it leaves; InvalidArgument where that cannot send."""
    if id is None and last is None:
        detail = "nobody has written to us in this case: say by which channel"
        raise invalid_field(f"{PLACE}.channel_id", "outbound_channel", detail)
    channel = await CHANNELS.find(work, id or (last.channel_id if last else UUID(int=0)))
    if channel is None:
        raise invalid_field(f"{PLACE}.channel_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
    channel.require_messages(field=f"{PLACE}.channel_id")
    channel.require_taking()
    if channel.kind is ChannelKind.MAIL:
        if await find_sending(work, channel.id) is None:
            detail = "the channel has no mailbox with an SMTP server"
            raise invalid_field(f"{PLACE}.channel_id", "outbound_mailbox", detail)
        if not channel.addresses or not is_mail_address(channel.addresses[0]):
            detail = "the first of the channel's addresses must be an e-mail address: mail comes from there"
            raise invalid_field(f"{PLACE}.channel_id", "outbound_from", detail)
    return channel


async def recipients_of(
    work: UnitOfWork, case: Case, values: dict[str, Any], last: InboundMessage | None, *, by_mail: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """To whom it goes, and who gets a copy, as all addresses are compared."""
    region = work.actor.access.default_region
    asked = values.get("to_addresses") or await answered_at(work, last, by_mail=by_mail)
    to_addresses = all_compared(asked, region=region)
    if not to_addresses:
        detail = "nobody has written to us in this case by this channel: say to whom"
        raise invalid_field(f"{PLACE}.to_addresses", "outbound_to", detail)
    copies = all_compared(values.get("cc_addresses", ()), region=region)
    cc_addresses = tuple(each for each in copies if each not in to_addresses)
    for name, found in (("to_addresses", to_addresses), ("cc_addresses", cc_addresses)):
        for index, each in enumerate(found):
            field = f"{PLACE}.{name}[{index}]"
            if by_mail and not is_mail_address(each):
                raise invalid_field(field, "string.email", "is not an e-mail address")
            if await is_our_own(work, each):
                raise invalid_field(field, "outbound_own_address", "is our own: whatever we send there is ignored")
    await check_strangers(work, case, (*to_addresses, *cc_addresses))
    return to_addresses, cc_addresses


async def answered_at(work: UnitOfWork, last: InboundMessage | None, *, by_mail: bool) -> list[str]:
    """Where whoever wrote last wants answers to go, if any can go there.

    Not to ourselves, which would have them never arrive. FailedPrecondition for a rule that writes to whom no mail can
    be sent.
    """
    if last is None:
        return []
    wanted = last.reply_to_address
    is_reachable = wanted is not None and (not by_mail or is_mail_address(wanted))
    if wanted is not None and is_reachable and not await is_our_own(work, wanted):
        return [wanted]
    if work.causes and by_mail and not is_mail_address(last.from_address):
        raise unreachable(last.from_address)
    return [last.from_address]


async def check_strangers(work: UnitOfWork, case: Case, addresses: Sequence[str]) -> None:
    """PermissionDenied for who may not write to others than the customer and those who wrote in the case."""
    strangers = await find_strangers(work, case, addresses)
    if not strangers:
        return
    access = work.actor.access
    if access.may(ANY_ADDRESS) and await CASES.find(work, case.id, scope=access.scope(ANY_ADDRESS)) is not None:
        return
    detail = (
        f"{strangers[0]} is neither the customer's nor of anybody who wrote in this case:"
        f" the permission {ANY_ADDRESS} is needed, in a scope that reaches the case"
    )
    raise denied("outbound_stranger", detail, permission=ANY_ADDRESS, address=strangers[0])


def check_plain(values: dict[str, Any]) -> None:
    """InvalidArgument for what only mails have."""
    for name in ("cc_addresses", "subject"):
        if values.get(name):
            raise invalid_field(f"{PLACE}.{name}", "outbound_mail_only", "only mails have it")


def require_carrier(channel: Channel) -> None:
    """InvalidArgument where nothing goes by the channel but text."""
    if channel.kind is ChannelKind.SMS:
        detail = f"by a channel of the kind {channel.kind} no files go"
        raise invalid_field(f"{PLACE}.attachment_ids", "outbound_no_files", detail, metadata={"kind": channel.kind})


async def check_files(work: UnitOfWork, case: Case, ids: Sequence[UUID]) -> None:
    """InvalidArgument for what is no file of the case, and for more than can be sent."""
    files: list[Attachment] = []
    for index, id in enumerate(ids):
        file = await ATTACHMENTS.find(work, id)
        if file is None or not is_of_case(file, case.id):
            field = f"{PLACE}.attachment_ids[{index}]"
            raise invalid_field(field, "reference", "is no file of the case", reason="REFERENCE_NOT_FOUND")
        files.append(file)
    size = sum(each.size_bytes for each in files)
    if size > MAX_FILE_BYTES:
        detail = f"have {size} bytes together, at most {MAX_FILE_BYTES} can be sent"
        values = {"bytes": str(size), "max_bytes": str(MAX_FILE_BYTES)}
        raise invalid_field(f"{PLACE}.attachment_ids", "outbound_file_bytes", detail, metadata=values)


def subject_of(case: Case, given: str | None, last: InboundMessage | None) -> str:
    """What the mail is about, with the number of the case behind it, by which an answer finds it in any case."""
    answered = last.subject if last is not None else None
    subject = given or (f"Re: {without_re(answered)}" if answered else case.title)
    subject = " ".join("".join(each if each.isprintable() else " " for each in subject).split())
    tag = f"[{case.number}]"
    if case.number in subject[:MAX_SUBJECT]:
        return subject[:MAX_SUBJECT]
    return f"{subject[: MAX_SUBJECT - len(tag) - 1].rstrip()} {tag}".lstrip()


def without_re(subject: str) -> str:
    """The subject without what says that it is an answer already."""
    stripped = subject.lstrip()
    while stripped[:3].lower() in ("re:", "re：", "aw:", "回复:", "答复:") or stripped[:3] in ("回复：", "答复："):
        stripped = stripped[3:].lstrip()
    return stripped


def put_references(work: UnitOfWork, channel: Channel, message: OutboundMessage) -> None:
    """Gather that what answers it belongs to its case, before it leaves."""
    conversations = message.to_addresses if channel.kind in CONVERSATIONS else ()
    references = [*conversations, message.source_id]
    binds: dict[str, Any] = {"channel_id": channel.id, "case_id": message.case_id, "over_id": None}
    work.execute(put_threads(), references=references, own=references, **binds)


def is_mail_address(text: str) -> bool:
    """Whether mail can be sent there."""
    try:
        address_of(text, field="address")
    except InvalidArgument:
        return False
    return True
