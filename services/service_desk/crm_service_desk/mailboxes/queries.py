"""Every SELECT on mailboxes that their declaration does not make."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.database.connections import ALL_TENANTS, Database
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.filtering.schema import FilterSchema
from crm_kit.identity.access import Scope
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from crm_kit.plumbing import access_tenants
from sqlalchemy import Select, all_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import DateTime, Uuid

from crm_service_desk.mailboxes.model import MailboxState
from crm_service_desk.mailboxes.tables import mailbox_passwords, mailbox_positions, mailboxes, set_aside_mails

# More than all processes fetch from at once.
MAX_DUE = 200


@dataclass(frozen=True, slots=True)
class Due:
    """A mailbox to be fetched from."""

    tenant_id: UUID
    mailbox_id: UUID


@dataclass(frozen=True, slots=True)
class Position:
    """Where fetching has come to; as the columns of `mailbox_positions`."""

    due_time: datetime | None
    uid_validity: int | None
    first_uid_next: int
    last_uid: int
    failure_count: int
    told: bool


@statement
def due_mailboxes() -> Select[Any]:
    """Across tenants, those first that have waited longest; none of the tenants of `without`."""
    positions, tenants = mailbox_positions.c, access_tenants.c
    return (
        select(positions.tenant_id, positions.mailbox_id)
        .join(access_tenants, tenants.tenant_id == positions.tenant_id)
        .where(
            tenants.active,
            positions.due_time <= bindparam("due_by", type_=DateTime(timezone=True)),
            positions.tenant_id != all_(bindparam("without", type_=ARRAY(Uuid))),
        )
        .order_by(positions.due_time)
        .limit(MAX_DUE)
    )


@statement
def position_of_mailbox() -> Select[Any]:
    positions = mailbox_positions.c
    names = ("due_time", "uid_validity", "first_uid_next", "last_uid", "failure_count", "told")
    return select(*(positions[name] for name in names)).where(
        positions.tenant_id == bindparam("tenant_id"), positions.mailbox_id == bindparam("mailbox_id")
    )


@statement
def sending_mailboxes() -> Select[Any]:
    """The oldest of a channel that sends, or would once it had a password."""
    boxes = mailboxes.c
    return (
        select(boxes.id)
        .where(
            boxes.tenant_id == bindparam("tenant_id"),
            boxes.channel_id == bindparam("channel_id"),
            boxes.state == MailboxState.ACTIVE,
            boxes.smtp_host.is_not(None),
        )
        .order_by(boxes.password_time.is_(None), boxes.id)
        .limit(1)
    )


@statement
def sealed_password() -> Select[Any]:
    passwords = mailbox_passwords.c
    return select(passwords.password).where(
        passwords.tenant_id == bindparam("tenant_id"), passwords.mailbox_id == bindparam("mailbox_id")
    )


def _set_aside(_scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    return select(set_aside_mails).where(
        set_aside_mails.c.tenant_id == bindparam("tenant_id"), set_aside_mails.c.mailbox_id == bindparam("mailbox_id")
    )


# Needs the bind parameter `mailbox_id`.
SET_ASIDE = Listing(
    name="set_aside_mails",
    rows=_set_aside,
    fields=FilterSchema({}),
    orders={"id": OrderColumn(set_aside_mails.c.id), "create_time": OrderColumn(set_aside_mails.c.create_time)},
)


async def get_due(database: Database, due_by: datetime, *, without: Collection[UUID]) -> list[Due]:
    """What is to be fetched from by now, by the machines' clock."""
    values = {"due_by": due_by, "without": list(without)}
    return [Due(**row) for row in await database.all(ALL_TENANTS, due_mailboxes(), values)]


async def get_position(reader: Reader, mailbox_id: UUID) -> Position:
    """Where fetching has come to."""
    row = await reader.one(position_of_mailbox(), mailbox_id=mailbox_id)
    assert row is not None
    return Position(**row)


async def find_sending(reader: Reader, channel_id: UUID) -> UUID | None:
    """The mailbox by which mail of a channel is sent; one without a password only where there is no other."""
    row = await reader.one(sending_mailboxes(), channel_id=channel_id)
    return row["id"] if row else None


async def find_sealed_password(reader: Reader, mailbox_id: UUID) -> bytes | None:
    """The password as it is stored; None when it has none."""
    row = await reader.one(sealed_password(), mailbox_id=mailbox_id)
    return bytes(row["password"]) if row else None
