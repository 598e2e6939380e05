"""Every SELECT on channels that their declaration does not make."""

from typing import Any

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Select, any_, bindparam, select
from sqlalchemy.types import Text

from crm_service_desk.channels.tables import channels


@statement
def channel_with_address() -> Select[Any]:
    """A tenant has few channels, so all are looked at. Archived ones count: the address is still ours."""
    own = bindparam("address", type_=Text) == any_(channels.c.addresses)
    return select(channels.c.id).where(channels.c.tenant_id == bindparam("tenant_id"), own).limit(1)


async def is_our_own(reader: Reader, address: str) -> bool:
    """Whether an address, given as all are compared, is our own in a channel."""
    return await reader.one(channel_with_address(), address=address) is not None
