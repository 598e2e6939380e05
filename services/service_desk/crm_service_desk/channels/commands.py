"""Every write on channels. Each function is one transaction's work."""

from typing import Any

from crm.service_desk.v1 import events_pb2 as events
from crm_kit.database.work import UnitOfWork
from crm_kit.ids import new_id

from crm_service_desk.addresses.model import all_compared
from crm_service_desk.channels.model import Channel
from crm_service_desk.channels.resource import CHANNELS


def create_channel(work: UnitOfWork, values: dict[str, Any]) -> Channel:
    """Create a channel from the values of its fields."""
    kept = compared(work, values)
    return CHANNELS.create(work, Channel(id=new_id(), create_time=work.now, update_time=work.now, **kept))


def update_channel(work: UnitOfWork, before: Channel, values: dict[str, Any]) -> Channel:
    """Change some fields of a channel; nothing is written when nothing changes."""
    return CHANNELS.save(work, before, before.update(compared(work, values)), events.ChannelUpdated)


def archive_channel(work: UnitOfWork, before: Channel) -> Channel:
    """Put a channel away."""
    return CHANNELS.save(work, before, before.archive(), events.ChannelArchived)


def restore_channel(work: UnitOfWork, before: Channel) -> Channel:
    """Bring an archived channel back."""
    return CHANNELS.save(work, before, before.restore(), events.ChannelRestored)


def compared(work: UnitOfWork, values: dict[str, Any]) -> dict[str, Any]:
    """The values with addresses as all are compared."""
    if "addresses" not in values:
        return values
    region = work.actor.access.default_region
    return values | {"addresses": all_compared(values["addresses"], region=region)}
