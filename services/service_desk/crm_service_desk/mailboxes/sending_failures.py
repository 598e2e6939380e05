"""Mailboxes that cannot send: it is said of them, and told once to those who look after them."""

from typing import Any

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.keepers import get_keepers
from crm_kit.notice_texts import OUTCOME
from crm_kit.notices import Kind, raise_notice
from sqlalchemy import bindparam, update

from crm_service_desk.mailboxes.model import Failure, Mailbox, is_to_be_told
from crm_service_desk.mailboxes.resource import MAILBOXES
from crm_service_desk.mailboxes.tables import mailbox_positions, mailboxes

# Who has it for all of a tenant looks after its mailboxes.
CHANNELS_WRITE = "channels.write"
SENDING = "SENDING"


async def note_sending(work: UnitOfWork, tried: Mailbox, failure: Failure | None) -> None:
    """Gather how sending by a mailbox went, unless it has been changed since; nothing where that is known."""
    mailbox = await MAILBOXES.get(work, tried.id)
    if mailbox.version != tried.version or (failure is None and mailbox.sending_failure is None):
        return
    since = None if failure is None else (mailbox.sending_failing_since_time or work.now)
    if (failure, since) != (mailbox.sending_failure, mailbox.sending_failing_since_time):
        work.execute(put_failure(), mailbox_id=mailbox.id, failure=failure, since=since)
    await work.flush()
    if since is None:
        await work.one(mark_told(told=False), mailbox_id=mailbox.id)
    elif is_to_be_told(failure, since, work.now) and await work.one(mark_told(told=True), mailbox_id=mailbox.id):
        await tell(work, mailbox)


async def tell(work: UnitOfWork, mailbox: Mailbox) -> None:
    """Tell those who look after mailboxes that one cannot send."""
    raise_notice(
        work,
        Kind.NOTICE_KIND_MAILBOX_FAILING,
        await get_keepers(work, CHANNELS_WRITE),
        record=(MAILBOXES.collection, mailbox.id),
        name=mailbox.smtp_login or mailbox.login,
        values={OUTCOME: SENDING},
    )


@statement
def put_failure() -> Any:
    boxes = mailboxes.c
    return (
        update(mailboxes)
        .where(boxes.tenant_id == bindparam("tenant_id"), boxes.id == bindparam("mailbox_id"))
        .values(
            sending_failure=bindparam("failure", type_=boxes.sending_failure.type),
            sending_failing_since_time=bindparam("since", type_=boxes.sending_failing_since_time.type),
        )
    )


@statement
def mark_told(*, told: bool) -> Any:
    """That somebody has been told, or that it is mended; a row where that is news, to one of several at once."""
    positions = mailbox_positions.c
    return (
        update(mailbox_positions)
        .where(
            positions.tenant_id == bindparam("tenant_id"),
            positions.mailbox_id == bindparam("mailbox_id"),
            positions.sending_told.is_not(told),
        )
        .values(sending_told=told)
        .returning(positions.mailbox_id)
    )
