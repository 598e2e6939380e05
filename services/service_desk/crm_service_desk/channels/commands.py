"""Every write on channels. Each function is one transaction's work."""

from datetime import timedelta
from typing import Any

from crm.service_desk.v1 import events_pb2 as events
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import require_users
from crm_kit.ids import new_id
from sqlalchemy import bindparam, case
from sqlalchemy.dialects.postgresql import insert

from crm_service_desk.addresses.model import all_compared
from crm_service_desk.channels.model import Channel
from crm_service_desk.channels.resource import CHANNELS
from crm_service_desk.channels.tables import channel_secrets

# So long the secret before a rotation holds, too.
OVERLAP = timedelta(hours=24)


async def create_channel(work: UnitOfWork, values: dict[str, Any]) -> Channel:
    """Create a channel from the values of its fields."""
    kept = compared(work, values)
    channel = Channel(id=new_id(), create_time=work.now, update_time=work.now, **kept)
    await require_agents(work, channel)
    return CHANNELS.create(work, channel.checked())


async def update_channel(work: UnitOfWork, before: Channel, values: dict[str, Any]) -> Channel:
    """Change some fields of a channel; nothing is written when nothing changes."""
    after = before.update(compared(work, values))
    await require_agents(work, after, before)
    return CHANNELS.save(work, before, after.checked(), events.ChannelUpdated)


async def require_agents(work: UnitOfWork, channel: Channel, before: Channel | None = None) -> None:
    """InvalidArgument unless those who have got an extension are active users."""
    ids, old_ids = ([each.user_id for each in some.extensions] if some else [] for some in (channel, before))
    await require_users(work, ids, old_ids=old_ids, field="channel.extensions[{}].user_id")


def archive_channel(work: UnitOfWork, before: Channel) -> Channel:
    """Put a channel away."""
    return CHANNELS.save(work, before, before.archive(), events.ChannelArchived)


def restore_channel(work: UnitOfWork, before: Channel) -> Channel:
    """Bring an archived channel back."""
    return CHANNELS.save(work, before, before.restore(), events.ChannelRestored)


def rotate_secret(work: UnitOfWork, before: Channel, sealed: bytes, *, end_old: bool) -> Channel:
    """Give it a new secret, as it is stored; the one that it had holds for a while, unless that is to end at once."""
    after = before.rotate(now=work.now)
    until = None if end_old else work.now + OVERLAP
    work.execute(put_secret(), channel_id=before.id, secret=sealed, until=until)
    return CHANNELS.save(work, before, after, events.ChannelSecretRotated)


@statement
def put_secret() -> Any:
    secrets = channel_secrets.c
    fresh = insert(channel_secrets).values(
        tenant_id=bindparam("tenant_id"), channel_id=bindparam("channel_id"), secret=bindparam("secret")
    )
    until = bindparam("until", type_=secrets.old_until_time.type)
    old = {"old_secret": case((until.is_not(None), secrets.secret)), "old_until_time": until}
    return fresh.on_conflict_do_update(
        index_elements=[secrets.tenant_id, secrets.channel_id], set_={"secret": fresh.excluded.secret, **old}
    )


def compared(work: UnitOfWork, values: dict[str, Any]) -> dict[str, Any]:
    """The values with addresses as all are compared."""
    if "addresses" not in values:
        return values
    region = work.actor.access.default_region
    return values | {"addresses": all_compared(values["addresses"], region=region)}
