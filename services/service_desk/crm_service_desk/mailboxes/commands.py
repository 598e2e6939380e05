"""Every write on mailboxes. Each function is one transaction's work."""

from datetime import datetime
from typing import Any
from uuid import UUID

from crm.service_desk.v1 import events_pb2 as events
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import invalid_field
from crm_kit.ids import new_id
from google.protobuf.message import Message
from sqlalchemy import BigInteger, bindparam, func, update
from sqlalchemy.dialects.postgresql import insert

from crm_service_desk.channels.resource import CHANNELS
from crm_service_desk.mailboxes.model import INBOX, Failure, Mailbox
from crm_service_desk.mailboxes.resource import MAILBOXES
from crm_service_desk.mailboxes.tables import mailbox_passwords, mailbox_positions, mailboxes, set_aside_mails


async def drafted(work: UnitOfWork, values: dict[str, Any], *, loopback: bool) -> Mailbox:
    """A mailbox from the values of its fields, as it can be saved; `loopback` as in `Mailbox.checked`."""
    channel = await CHANNELS.find(work, values["channel_id"])
    if channel is None:
        raise invalid_field("mailbox.channel_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
    channel.require_mail(field="mailbox.channel_id")
    mailbox = Mailbox(id=new_id(), create_time=work.now, update_time=work.now, **with_folder(values))
    return mailbox.checked(loopback=loopback)


async def create_mailbox(work: UnitOfWork, values: dict[str, Any], *, loopback: bool) -> Mailbox:
    """Create a mailbox from the values of its fields; `loopback` as in `Mailbox.checked`."""
    created = MAILBOXES.create(work, await drafted(work, values, loopback=loopback))
    work.insert(mailbox_positions, {"mailbox_id": created.id})
    return created


def update_mailbox(work: UnitOfWork, before: Mailbox, values: dict[str, Any], *, loopback: bool) -> Mailbox:
    """Change some fields of a mailbox; nothing is written when nothing changes."""
    after = before.update(with_folder(values)).checked(loopback=loopback)
    return save(work, before, after, events.MailboxUpdated)


def set_password(work: UnitOfWork, before: Mailbox, sealed: bytes, *, due: datetime) -> Mailbox:
    """Set its password, given as it is stored; it is fetched when that is `due`, by the machines' clock."""
    after = before.with_password(now=work.now)
    work.execute(put_password(), mailbox_id=before.id, password=sealed)
    work.execute(begin_anew(), mailbox_id=before.id, due_time=due)
    return MAILBOXES.save(work, before, after, events.MailboxPasswordSet)


def archive_mailbox(work: UnitOfWork, before: Mailbox) -> Mailbox:
    """Put a mailbox away."""
    return save(work, before, before.archive(), events.MailboxArchived)


def restore_mailbox(work: UnitOfWork, before: Mailbox) -> Mailbox:
    """Bring an archived mailbox back."""
    return save(work, before, before.restore(), events.MailboxRestored)


def save(work: UnitOfWork, before: Mailbox, after: Mailbox, event: type[Message]) -> Mailbox:
    """Gather a change, and what follows of it: nothing is fetched without a password, and from where it was last."""
    if before.is_fetched and not after.is_fetched:
        work.delete(mailbox_passwords, mailbox_id=before.id)
        work.execute(rest(), mailbox_id=before.id)
        after = after.without_failures()
    if not after.fetches_as(before):
        work.execute(forget_position(), mailbox_id=before.id)
    return MAILBOXES.save(work, before, after, event)


def with_folder(values: dict[str, Any]) -> dict[str, Any]:
    """The values with the folder that is meant where none is named."""
    return values if values.get("folder", INBOX) else values | {"folder": INBOX}


def set_failure(work: UnitOfWork, mailbox: Mailbox, failure: Failure | None, since: datetime | None) -> None:
    """Gather why nothing can be fetched, and since when; of one that has been changed meanwhile, too."""
    work.execute(put_failure(), mailbox_id=mailbox.id, failure=failure, since=since)


def put_aside(work: UnitOfWork, mailbox_id: UUID, uid_validity: int, uid: int, *, reason: str, detail: str) -> None:
    """Gather that a mail could not be taken in, once."""
    values: dict[str, Any] = {
        "mailbox_id": mailbox_id,
        "uid_validity": uid_validity,
        "uid": uid,
        "reason": reason,
        "detail": detail,
    }
    work.execute(insert_set_aside(), id=new_id(), create_time=work.now, **values)


@statement
def put_password() -> Any:
    fresh = insert(mailbox_passwords).values(
        {name: bindparam(name) for name in ("tenant_id", "mailbox_id", "password")}
    )
    columns = mailbox_passwords.c
    return fresh.on_conflict_do_update(
        index_elements=[columns.tenant_id, columns.mailbox_id], set_={"password": fresh.excluded.password}
    )


def _position() -> Any:
    positions = mailbox_positions
    return update(positions).where(
        positions.c.tenant_id == bindparam("tenant_id"), positions.c.mailbox_id == bindparam("mailbox_id")
    )


@statement
def begin_anew() -> Any:
    """With what went wrong before forgotten."""
    due = bindparam("due_time", type_=mailbox_positions.c.due_time.type)
    return _position().values(due_time=due, failure_count=0, told=False, sending_told=False)


@statement
def rest() -> Any:
    return _position().values(due_time=None, failure_count=0, told=False, sending_told=False)


@statement
def forget_position() -> Any:
    """Numbers of mails of another folder mean nothing."""
    return _position().values(uid_validity=None, first_uid_next=1, last_uid=0)


@statement
def begin_position() -> Any:
    """From the beginning of what the server counts by this validity."""
    return _position().values(
        uid_validity=bindparam("uid_validity", type_=BigInteger),
        first_uid_next=bindparam("first_uid_next", type_=BigInteger),
        last_uid=0,
    )


@statement
def advance_position() -> Any:
    """Never back, and not where a number means something else by now."""
    positions = mailbox_positions.c
    same = positions.uid_validity == bindparam("uid_validity", type_=BigInteger)
    return (
        _position().where(same).values(last_uid=func.greatest(positions.last_uid, bindparam("uid", type_=BigInteger)))
    )


@statement
def schedule() -> Any:
    """When it is fetched next, unless it is not fetched any more."""
    positions = mailbox_positions.c
    return (
        _position()
        .where(positions.due_time.is_not(None))
        .values({name: bindparam(name, type_=positions[name].type) for name in ("due_time", "failure_count", "told")})
    )


@statement
def put_failure() -> Any:
    return (
        update(mailboxes)
        .where(mailboxes.c.tenant_id == bindparam("tenant_id"), mailboxes.c.id == bindparam("mailbox_id"))
        .values(
            failure=bindparam("failure", type_=mailboxes.c.failure.type),
            failing_since_time=bindparam("since", type_=mailboxes.c.failing_since_time.type),
        )
    )


@statement
def insert_set_aside() -> Any:
    names = ("tenant_id", "id", "mailbox_id", "uid_validity", "uid", "reason", "detail", "create_time")
    return insert(set_aside_mails).values({name: bindparam(name) for name in names}).on_conflict_do_nothing()
