"""Every SELECT on channels that their declaration does not make."""

from typing import Any
from uuid import UUID

from crm_kit.database.connections import ALL_TENANTS, Database
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Select, any_, bindparam, select
from sqlalchemy.types import Text

from crm_service_desk.channels.tables import channel_secrets, channels


@statement
def channel_with_address() -> Select[Any]:
    """A tenant has few channels, so all are looked at. Archived ones count: the address is still ours."""
    own = bindparam("address", type_=Text) == any_(channels.c.addresses)
    return select(channels.c.id).where(channels.c.tenant_id == bindparam("tenant_id"), own).limit(1)


async def is_our_own(reader: Reader, address: str) -> bool:
    """Whether an address, given as all are compared, is our own in a channel."""
    return await reader.one(channel_with_address(), address=address) is not None


@statement
def tenant_of_channel() -> Select[Any]:
    """Across tenants: whoever signs says only by which channel."""
    return select(channel_secrets.c.tenant_id).where(channel_secrets.c.channel_id == bindparam("channel_id"))


@statement
def secrets_of_channel() -> Select[Any]:
    """The secret, and the one before while that still holds at `now`."""
    secrets = channel_secrets.c
    is_over = secrets.old_until_time <= bindparam("now")
    return select(secrets.secret, secrets.old_secret, is_over.label("is_over")).where(
        secrets.tenant_id == bindparam("tenant_id"), secrets.channel_id == bindparam("channel_id")
    )


async def find_tenant_of(database: Database, channel_id: UUID) -> UUID | None:
    """The tenant of a channel that has a secret."""
    rows = await database.all(ALL_TENANTS, tenant_of_channel(), {"channel_id": channel_id})
    return rows[0]["tenant_id"] if rows else None


async def find_sealed_secrets(reader: Reader, channel_id: UUID) -> list[bytes]:
    """Those that hold at the reader's time, as they are stored, the newest first."""
    row = await reader.one(secrets_of_channel(), channel_id=channel_id)
    if row is None:
        return []
    old = [] if row["old_secret"] is None or row["is_over"] else [bytes(row["old_secret"])]
    return [bytes(row["secret"]), *old]
