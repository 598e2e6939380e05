"""Every SELECT on outbound messages that their declaration does not make."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.attachments.model import Attachment
from crm_kit.attachments.resource import ATTACHMENTS
from crm_kit.database.connections import ALL_TENANTS, Database
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.plumbing import access_tenants
from sqlalchemy import (
    ColumnElement,
    DateTime,
    Select,
    all_,
    any_,
    bindparam,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    union,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text, Uuid

from crm_service_desk.addresses.tables import address_holders, addresses
from crm_service_desk.cases.model import Case
from crm_service_desk.inbound_messages.model import InboundMessage
from crm_service_desk.inbound_messages.resource import INBOUND_MESSAGES
from crm_service_desk.inbound_messages.tables import inbound_messages
from crm_service_desk.mailboxes.model import Failure as MailboxFailure
from crm_service_desk.mailboxes.tables import mailboxes
from crm_service_desk.outbound_messages.model import OutboundMessage
from crm_service_desk.outbound_messages.resource import OUTBOUND_MESSAGES
from crm_service_desk.outbound_messages.tables import outbound_messages, outbound_queue

# More than all processes send at once, and of them those of one tenant.
MAX_DUE, A_TENANTS_SHARE = 200, 5
# Of a tenant in one look, those too that wait for an earlier one.
MAX_LOOKED_AT = 500


@dataclass(frozen=True, slots=True)
class Due:
    """A message that is to go, or to be given up."""

    tenant_id: UUID
    message_id: UUID


@dataclass(frozen=True, slots=True)
class Place:
    """A message's place in the queue, as the columns of it; `is_held` while an earlier one has not left."""

    channel_id: UUID
    by_mailbox: bool
    due_time: datetime
    end_time: datetime
    first_attempt: int
    is_held: bool


@dataclass(frozen=True, slots=True)
class Newest:
    """Whether a program wrote it, and when it came."""

    automatic: bool
    create_time: datetime


@statement
def last_message() -> Select[Any]:
    """That which was written to us last in a case, by a channel if one is named; not by a program."""
    message, channel_id = inbound_messages.c, bindparam("channel_id", type_=Uuid)
    return (
        select(message.id)
        .where(
            message.tenant_id == bindparam("tenant_id"),
            message.case_id == bindparam("case_id"),
            message.automatic == false(),
            or_(channel_id.is_(None), message.channel_id == channel_id),
        )
        .order_by(message.create_time.desc(), message.id.desc())
        .limit(1)
    )


@statement
def addresses_of_case() -> Any:
    """Which of these addresses its customer has, or somebody has who wrote in it or wants answers there; no program.

    Its customer is its contact, its account, and whoever else is at that account.
    """
    holder, asked = address_holders.c, any_(bindparam("asked", type_=ARRAY(Text)))
    account_id = bindparam("account_id", type_=Uuid)
    customers = (
        select(addresses.c.address)
        .join(
            address_holders,
            (holder.tenant_id == addresses.c.tenant_id)
            & (holder.id == addresses.c.holder_id)
            & (holder.version == addresses.c.version),
        )
        .where(
            addresses.c.tenant_id == bindparam("tenant_id"),
            addresses.c.address == asked,
            holder.present,
            or_(holder.id == bindparam("contact_id", type_=Uuid), account_id == any_(holder.account_ids)),
        )
    )
    by_people = (
        (inbound_messages.c.tenant_id == bindparam("tenant_id"))
        & (inbound_messages.c.case_id == bindparam("case_id"))
        & (inbound_messages.c.automatic == false())
    )
    writers = [
        select(column).where(by_people, column == asked)
        for column in (inbound_messages.c.from_address, inbound_messages.c.reply_to_address)
    ]
    return union(customers, *writers)


@statement
def message_by_source() -> Select[Any]:
    message = outbound_messages.c
    return select(message.id, message.source_id).where(
        message.tenant_id == bindparam("tenant_id"),
        message.channel_id == bindparam("channel_id"),
        message.source_id == any_(bindparam("sources", type_=ARRAY(Text))),
    )


def _is_held(queue: Any) -> ColumnElement[bool]:
    """Whether one that was written before it, in the same case and by the same channel, has not left yet.

    What is of no case waits until that is known.
    """
    earlier = outbound_queue.alias("earlier").c
    same = [earlier[name] == queue[name] for name in ("tenant_id", "case_id", "channel_id")]
    found = select(earlier.message_id).where(*same, earlier.message_id < queue.message_id, earlier.holds)
    # Looked up for each, which the limit makes sure of, and not held against all that there is.
    return or_(queue.case_id.is_(None), found.limit(1).scalar_subquery().is_not(None))


def _first_due(tenant_id: Any) -> Select[Any]:
    """What of a tenant is due the longest, as much as a look looks at; of one instant, in the order of writing."""
    queue = outbound_queue.c
    return (
        select(queue.tenant_id, queue.message_id, queue.case_id, queue.channel_id, queue.due_time)
        .where(queue.tenant_id == tenant_id, queue.by_mailbox, queue.due_time <= _due_by())
        .order_by(queue.due_time, queue.message_id)
        .limit(_counted(MAX_LOOKED_AT))
    )


def _counted(number: int) -> Any:
    """A number that planning does not know, and takes to be small.

    It takes the policies of rows to leave few of a table. Of so few that a limit takes them all it would read the
    whole table, for each tenant anew.
    """
    return select(literal(number)).scalar_subquery()


def _due_by() -> Any:
    return bindparam("due_by", type_=DateTime(timezone=True))


@statement
def unordered_tenants() -> Select[Any]:
    return select(outbound_queue.c.tenant_id).where(outbound_queue.c.case_id.is_(None)).distinct()


@statement
def due_messages() -> Select[Any]:
    """Of each open tenant that is not in `without` the first that can go, by an index; first the first of each."""
    tenant = access_tenants
    first = _first_due(tenant.c.tenant_id).correlate(tenant).lateral("first_due")
    due = (
        select(first.c.message_id, first.c.due_time)
        .where(not_(_is_held(first.c)))
        .order_by(first.c.due_time, first.c.message_id)
        .limit(A_TENANTS_SHARE)
        .lateral("due")
    )
    number = func.row_number().over(partition_by=tenant.c.tenant_id, order_by=(due.c.due_time, due.c.message_id))
    return (
        select(tenant.c.tenant_id, due.c.message_id)
        .join_from(tenant, due, true())
        .where(tenant.c.active, tenant.c.tenant_id != all_(bindparam("without", type_=ARRAY(Uuid))))
        .order_by(number, due.c.due_time)
        .limit(MAX_DUE)
    )


@statement
def crowded_tenants() -> Select[Any]:
    """Open tenants of which as much is due as a look looks at, or more."""
    tenant = access_tenants
    first = _first_due(tenant.c.tenant_id).offset(_counted(MAX_LOOKED_AT - 1)).limit(_counted(1))
    last = first.correlate(tenant).lateral("last")
    return (
        select(tenant.c.tenant_id)
        .join_from(tenant, last, true())
        .where(tenant.c.active, tenant.c.tenant_id != all_(bindparam("without", type_=ARRAY(Uuid))))
    )


def held_of_first() -> Select[Any]:
    """Of what a look looks at of a tenant, that which waits for an earlier one."""
    first = _first_due(bindparam("tenant_id")).subquery("first_due")
    return select(first.c.message_id).where(_is_held(first.c))


@statement
def ended_messages() -> Select[Any]:
    """Across tenants: what nobody has taken for too long, and nobody has at this moment."""
    queue, tenants = outbound_queue.c, access_tenants.c
    by = bindparam("due_by", type_=DateTime(timezone=True))
    return (
        select(queue.tenant_id, queue.message_id)
        .join(access_tenants, tenants.tenant_id == queue.tenant_id)
        .where(tenants.active, ~queue.by_mailbox, queue.end_time <= by, queue.due_time <= by, not_(_is_held(queue)))
        .order_by(queue.end_time)
        .limit(MAX_DUE)
    )


@statement
def waiting_in_channel() -> Select[Any]:
    queue = outbound_queue.c
    return (
        select(queue.message_id)
        .where(
            queue.tenant_id == bindparam("tenant_id"),
            queue.channel_id == bindparam("channel_id"),
            ~queue.by_mailbox,
            queue.due_time <= bindparam("due_by", type_=DateTime(timezone=True)),
            not_(_is_held(queue)),
        )
        .order_by(queue.due_time, queue.message_id)
        .limit(bindparam("most"))
    )


@statement
def place_of_message() -> Select[Any]:
    """Who asks for it at the same time waits, and finds what became of it."""
    queue = outbound_queue.c
    names = ("channel_id", "by_mailbox", "due_time", "end_time", "first_attempt")
    return (
        select(*(queue[name] for name in names), _is_held(queue).label("is_held"))
        .where(queue.tenant_id == bindparam("tenant_id"), queue.message_id == bindparam("message_id"))
        .with_for_update(of=outbound_queue)
    )


@statement
def next_of_refused() -> Select[Any]:
    """When something of a channel is tried next, of whose mailbox a server has refused the login."""
    queue, boxes = outbound_queue.c, mailboxes.c
    is_refused = exists().where(
        boxes.tenant_id == queue.tenant_id,
        boxes.channel_id == queue.channel_id,
        boxes.sending_failure.in_([MailboxFailure.LOGIN_REFUSED, MailboxFailure.KEY_CHANGED]),
    )
    return select(func.min(queue.due_time).label("due_time")).where(
        queue.tenant_id == bindparam("tenant_id"),
        queue.channel_id == bindparam("channel_id"),
        queue.by_mailbox,
        queue.due_time > bindparam("now", type_=DateTime(timezone=True)),
        is_refused,
    )


@statement
def holding_in_case() -> Select[Any]:
    queue = outbound_queue.c
    return (
        select(queue.message_id)
        .where(
            queue.tenant_id == bindparam("tenant_id"),
            queue.case_id == bindparam("case_id"),
            queue.channel_id == bindparam("channel_id"),
            queue.holds,
        )
        .limit(1)
    )


@statement
def newest_message() -> Select[Any]:
    """That which was written to us last in a case, by whomever."""
    message = inbound_messages.c
    return (
        select(message.id, message.automatic, message.create_time)
        .where(message.tenant_id == bindparam("tenant_id"), message.case_id == bindparam("case_id"))
        .order_by(message.create_time.desc(), message.id.desc())
        .limit(1)
    )


async def find_last(reader: Reader, case_id: UUID, channel_id: UUID | None) -> InboundMessage | None:
    """What was written to us last in a case, by a channel if one is named."""
    row = await reader.one(last_message(), case_id=case_id, channel_id=channel_id)
    return await INBOUND_MESSAGES.get(reader, row["id"]) if row else None


async def find_newest(reader: Reader, case_id: UUID) -> Newest | None:
    """What was written to us last in a case, programs' too."""
    row = await reader.one(newest_message(), case_id=case_id)
    return Newest(row["automatic"], row["create_time"]) if row else None


async def has_waiting(reader: Reader, case_id: UUID, channel_id: UUID) -> bool:
    """Whether a message of a case is still to go by a channel, for which the next one waits."""
    return await reader.one(holding_in_case(), case_id=case_id, channel_id=channel_id) is not None


async def refused_until(reader: Reader, channel_id: UUID, now: datetime) -> datetime | None:
    """Until when nothing is tried of a channel, by the machines' clock: servers lock out who comes again and again."""
    row = await reader.one(next_of_refused(), channel_id=channel_id, now=now)
    return row["due_time"] if row else None


async def find_strangers(reader: Reader, case: Case, asked: Sequence[str]) -> list[str]:
    """Those of the addresses that are neither its customer's nor of anybody who wrote in the case."""
    customer = {"contact_id": case.contact_id, "account_id": case.account_id}
    rows = await reader.all(addresses_of_case(), case_id=case.id, asked=list(asked), **customer)
    known = {row[0] for row in rows}
    return [each for each in asked if each not in known]


async def find_by_source(reader: Reader, channel_id: UUID, sources: Sequence[str]) -> OutboundMessage | None:
    """The message of a channel that is called so; by the first of several ids that means one."""
    rows = await reader.all(message_by_source(), channel_id=channel_id, sources=list(sources))
    known = {row["source_id"]: row["id"] for row in rows}
    found = next((known[each] for each in sources if each in known), None)
    return await OUTBOUND_MESSAGES.find(reader, found) if found else None


async def get_due(database: Database, due_by: datetime, *, without: Collection[UUID]) -> list[Due]:
    """What mailboxes are to send by now, by the machines' clock."""
    rows = await database.all(ALL_TENANTS, due_messages(), {"due_by": due_by, "without": list(without)})
    return [Due(**row) for row in rows]


async def get_crowded(database: Database, due_by: datetime, *, without: Collection[UUID]) -> list[UUID]:
    """The tenants of which a look does not see all that is due."""
    values = {"due_by": due_by, "without": list(without)}
    return [row["tenant_id"] for row in await database.all(ALL_TENANTS, crowded_tenants(), values)]


async def get_unordered(database: Database) -> list[UUID]:
    """The tenants with messages of which it is not known yet of which case they are."""
    return [row["tenant_id"] for row in await database.all(ALL_TENANTS, unordered_tenants(), {})]


async def get_ended(database: Database, due_by: datetime) -> list[Due]:
    """What no adapter has taken in time, by the machines' clock."""
    return [Due(**row) for row in await database.all(ALL_TENANTS, ended_messages(), {"due_by": due_by})]


async def find_waiting(reader: Reader, channel_id: UUID, due_by: datetime, *, most: int) -> list[OutboundMessage]:
    """What an adapter can take of a channel, those first that wait the longest."""
    rows = await reader.all(waiting_in_channel(), channel_id=channel_id, due_by=due_by, most=most)
    ids = [row["message_id"] for row in rows]
    found = await OUTBOUND_MESSAGES.get_many(reader, ids)
    return [found[id] for id in ids]


async def find_place(work: UnitOfWork, message_id: UUID) -> Place | None:
    """Its place in the queue, while it is to go; nobody else takes it until the unit ends."""
    await work.flush()
    row = await work.one(place_of_message(), message_id=message_id)
    return Place(**row) if row else None


async def find_files(reader: Reader, message: OutboundMessage) -> list[Attachment] | None:
    """The files that go with it, in their order; None when one of them is gone."""
    found = [await ATTACHMENTS.find(reader, each) for each in message.attachment_ids]
    here = [each for each in found if each is not None and is_of_case(each, message.case_id)]
    return here if len(here) == len(found) else None


def is_of_case(file: Attachment, case_id: UUID) -> bool:
    """Whether a file is attached to a case, and was not deleted."""
    return file.state == "AVAILABLE" and (file.collection, file.record_id) == ("cases", case_id)
