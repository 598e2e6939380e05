"""Every write on notifications. Each function is one transaction's work."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm.resource.v1.events_pb2 import NoticeRaised
from crm.type.v1.notice_kind_pb2 import NoticeKind as KindName
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import InvalidArgument
from crm_kit.events.outbox import emit
from crm_kit.identity.access import SERVICE_USER
from crm_kit.ids import new_id
from crm_kit.mail.gathering import send_mail
from crm_kit.mail.model import address_of
from crm_kit.notice_texts import OUTCOME, TOGETHER, NoticeKind
from crm_kit.resource.codecs import build
from crm_kit.tasks.notices import TASKS
from google.protobuf.message import Message
from sqlalchemy import Boolean, Text, Uuid, and_, bindparam, column, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.types import DateTime, Integer

from crm_customer.workspace.notification_preferences.model import Choice, Mail, MutedRecord
from crm_customer.workspace.notifications.mails import Mails
from crm_customer.workspace.notifications.model import Notification
from crm_customer.workspace.notifications.queries import (
    MAX_LINES,
    Recipient,
    digest_of_user,
    recipients_among,
)
from crm_customer.workspace.notifications.resource import NOTIFICATIONS
from crm_customer.workspace.notifications.tables import notifications

MAX_MARKED = 10_000
KIND_PREFIX = "NOTICE_KIND_"


async def tell(work: UnitOfWork, notice: NoticeRaised, mails: Mails) -> None:
    """Tell everybody whom a notice is for as they have chosen: those who are active now."""
    kind = NoticeKind(KindName.Name(notice.kind).removeprefix(KIND_PREFIX))
    record = MutedRecord(notice.collection, UUID(notice.record_id))
    recipients = await recipients_among(work, [UUID(id) for id in notice.user_ids])
    about = records_of(notice)
    chosen = [(each, choice_of(each, kind, *about)) for each in recipients]
    told = [(each, choice) for each, choice in chosen if choice.is_told]
    if not told:
        return
    # What is written is read again: what was unread before has become more.
    await work.flush()
    rows = await work.all(put_notifications(), **values_of(work, notice, kind, record, told))
    written = {each.user_id: each for each in map(NOTIFICATIONS.entity_from, rows)}
    for recipient, choice in told:
        notification = written[recipient.id]
        is_new = notification.count == count_of(notice)
        if notification.shown:
            announce(work, notification, events.NotificationCreated if is_new else REPEATED)
        # Of what is unread there was a mail already, and of what a job gives there is one.
        is_each_mailed = not notification.shown and notice.values.get(OUTCOME) != TOGETHER
        if choice.mail is Mail.AT_ONCE and (is_new or is_each_mailed):
            send(work, mails, recipient, notification)


REPEATED = events.NotificationRepeated


def count_of(notice: NoticeRaised) -> int:
    """Of how much it tells."""
    return max(notice.count, 1)


def records_of(notice: NoticeRaised) -> list[MutedRecord]:
    """The record that a notice is about, and the one that this is at: of a task, the record that it is a task of."""
    found = [(notice.collection, notice.record_id)]
    # Of an approval the values name a record, too: who muted that is asked all the same.
    if notice.collection == TASKS:
        found.append((notice.values["collection"], notice.values["record_id"]))
    return [MutedRecord(collection, UUID(id)) for collection, id in found]


def choice_of(recipient: Recipient, kind: NoticeKind, *records: MutedRecord) -> Choice:
    """How somebody is told of it."""
    if recipient.preference is None:
        return Choice(kind, in_app=True, mail=Mail.NEVER)
    return recipient.preference.choice(kind, *records)


def values_of(
    work: UnitOfWork,
    notice: NoticeRaised,
    kind: NoticeKind,
    record: MutedRecord,
    told: Iterable[tuple[Recipient, Choice]],
) -> dict[str, Any]:
    """What `put_notifications` needs."""
    told = list(told)
    actor_id = work.actor.user_id
    return {
        "ids": [new_id() for _ in told],
        "user_ids": [recipient.id for recipient, _ in told],
        "shown": [choice.in_app for _, choice in told],
        "digest": [choice.mail is Mail.DAILY for _, choice in told],
        "kind": kind,
        "collection": record.collection,
        "record_id": record.record_id,
        "record_title": notice.record_name or None,
        "actor_id": None if actor_id == SERVICE_USER else actor_id,
        "text": notice.text or None,
        "values": dict(notice.values),
        "notice_time": work.now,
        "count": count_of(notice),
    }


def send(work: UnitOfWork, mails: Mails, recipient: Recipient, notification: Notification) -> None:
    """Gather a mail; none for a login that is no address any more."""
    try:
        address = address_of(recipient.login, field="login")
    except InvalidArgument:
        return
    send_mail(work, mails.at_once(address, notification, recipient.language))


def announce(work: UnitOfWork, notification: Notification, event: type[Message]) -> None:
    """Gather an event of a notification."""
    payload = build(event, notification=NOTIFICATIONS.message_of(notification))
    emit(work, payload, aggregate_type="notification", id=notification.id, version=notification.version)


async def mark_read(work: UnitOfWork, before: Notification) -> Notification:
    """Mark one as read; the same when it is already."""
    if before.read:
        return before
    await work.flush()
    rows = await work.all(mark_one(), id=before.id, read_time=work.now)
    if not rows:
        return await NOTIFICATIONS.get(work, before.id)
    after = NOTIFICATIONS.entity_from(rows[0])
    announce(work, after, events.NotificationRead)
    return after


async def mark_all_read(
    work: UnitOfWork, *, until_time: datetime, kind: NoticeKind | None, record: MutedRecord | None
) -> int:
    """Mark the caller's as read that were told until an instant; how many."""
    await work.flush()
    rows = await work.all(
        mark_all(),
        until_time=until_time,
        read_time=work.now,
        kind=kind,
        collection=record and record.collection,
        record_id=record and record.record_id,
    )
    if rows:
        newest = max(rows, key=lambda row: (row["notice_time"], row["id"]))
        announce(work, await NOTIFICATIONS.get(work, newest["id"]), events.NotificationRead)
    return len(rows)


async def send_digest(work: UnitOfWork, user_id: UUID, before: datetime, mails: Mails) -> None:
    """Gather the mail of the day for a user; what it has is in no other. None for who is not active any more."""
    await work.flush()
    rows = await work.all(digest_of_user(), user_id=user_id, before=before)
    told = [NOTIFICATIONS.entity_from(row) for row in rows]
    await work.all(end_digest(), user_id=user_id, before=before)
    for recipient in await recipients_among(work, [user_id]):
        try:
            address = address_of(recipient.login, field="login")
        except InvalidArgument:
            continue
        more = len(told) > MAX_LINES
        if told:
            send_mail(work, mails.of_day(address, told[:MAX_LINES], recipient.language, more=more))


# --- statements ---


@statement
def put_notifications() -> Any:
    """One for each user, in the order of their ids; or one more time for who has the same unread."""
    table = notifications
    each = (
        func.unnest(
            bindparam("ids", type_=ARRAY(Uuid)),
            bindparam("user_ids", type_=ARRAY(Uuid)),
            bindparam("shown", type_=ARRAY(Boolean)),
            bindparam("digest", type_=ARRAY(Boolean)),
        )
        .table_valued(column("id", Uuid), column("user_id", Uuid), column("shown", Boolean), column("digest", Boolean))
        .render_derived()
    )
    time = bindparam("notice_time", type_=DateTime(timezone=True))
    values: dict[str, Any] = {
        "tenant_id": bindparam("tenant_id", type_=Uuid),
        "id": each.c.id,
        "user_id": each.c.user_id,
        "kind": bindparam("kind", type_=Text),
        "collection": bindparam("collection", type_=Text),
        "record_id": bindparam("record_id", type_=Uuid),
        "record_title": bindparam("record_title", type_=Text),
        "actor_id": bindparam("actor_id", type_=Uuid),
        "text": bindparam("text", type_=Text),
        "values": bindparam("values", type_=JSONB),
        "count": bindparam("count", type_=Integer),
        "notice_time": time,
        "read": _false(),
        "shown": each.c.shown,
        "digest": each.c.digest,
        "version": _one(),
        "create_time": time,
        "update_time": time,
    }
    rows = select(*(value.label(name) for name, value in values.items())).select_from(each).order_by(each.c.user_id)
    fresh = insert(table).from_select(list(values), rows)
    newest = {name: fresh.excluded[name] for name in ("record_title", "actor_id", "text", "values", "notice_time")}
    return fresh.on_conflict_do_update(
        index_elements=[table.c[name] for name in ("tenant_id", "user_id", "record_id", "kind", "collection")],
        index_where=text("NOT read"),
        set_={
            **newest,
            "count": table.c.count + fresh.excluded.count,
            "shown": or_(table.c.shown, fresh.excluded.shown),
            "digest": or_(table.c.digest, fresh.excluded.digest),
        },
    ).returning(*NOTIFICATIONS.columns)


def _one() -> Any:
    return bindparam(None, 1, type_=Integer, literal_execute=True)


def _false() -> Any:
    return bindparam(None, value=False, type_=Boolean, literal_execute=True)


def _own_unread() -> Any:
    of = notifications.c
    return and_(of.tenant_id == bindparam("tenant_id"), of.user_id == bindparam("me"), of.shown, ~of.read)


@statement
def mark_one() -> Any:
    table = notifications
    return (
        update(table)
        .where(_own_unread(), table.c.id == bindparam("id"))
        .values(read=True, read_time=bindparam("read_time", type_=DateTime(timezone=True)))
        .returning(*NOTIFICATIONS.columns)
    )


@statement
def mark_all() -> Any:
    table = notifications
    kind, record_id = bindparam("kind", type_=Text), bindparam("record_id", type_=Uuid)
    found = (
        select(table.c.id)
        .where(
            _own_unread(),
            table.c.notice_time <= bindparam("until_time", type_=DateTime(timezone=True)),
            or_(kind.is_(None), table.c.kind == kind),
            or_(
                record_id.is_(None),
                and_(table.c.record_id == record_id, table.c.collection == bindparam("collection", type_=Text)),
            ),
        )
        .order_by(table.c.notice_time)
        .limit(MAX_MARKED)
    )
    return (
        update(table)
        .where(table.c.tenant_id == bindparam("tenant_id"), table.c.id.in_(found), ~table.c.read)
        .values(read=True, read_time=bindparam("read_time", type_=DateTime(timezone=True)))
        .returning(table.c.id, table.c.notice_time)
    )


@statement
def end_digest() -> Any:
    table = notifications
    return (
        update(table)
        .where(
            table.c.tenant_id == bindparam("tenant_id"),
            table.c.user_id == bindparam("user_id"),
            table.c.digest,
            table.c.notice_time < bindparam("before", type_=DateTime(timezone=True)),
        )
        .values(digest=False)
        .returning(table.c.id)
    )
