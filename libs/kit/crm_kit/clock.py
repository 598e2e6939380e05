"""Time is injected: the system's clock for most tenants, a test clock that can be moved for sandbox tenants."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, select

from crm_kit.database.connections import Database
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.plumbing import access_tenants
from crm_kit.zones import DEFAULT_ZONE

Now = Callable[[], datetime]
CACHE_SECONDS = 0.5


def system_now() -> datetime:
    """The system's time, UTC."""
    return datetime.now(UTC)


@statement
def offset_of_tenant() -> Select[Any]:
    columns = (access_tenants.c.clock_offset, access_tenants.c.sandbox)
    return select(*columns).where(access_tenants.c.tenant_id == bindparam("tenant_id"))


@statement
def zone_of_tenant() -> Select[Any]:
    return select(access_tenants.c.time_zone).where(access_tenants.c.tenant_id == bindparam("tenant_id"))


async def time_zone_of(reader: Reader) -> str:
    """The tenant's time zone, for who is at work in the service's own name: a caller's access has it."""
    row = await reader.one(zone_of_tenant())
    return row["time_zone"] if row else DEFAULT_ZONE


class TenantClock:
    """`await clock.now(tenant_id)`: the system's time plus the tenant's offset."""

    def __init__(self, database: Database, now: Now = system_now) -> None:
        self._database = database
        self._now = now
        # When each tenant was seen to have no test clock.
        self._without: dict[UUID, float] = {}

    async def now(self, tenant_id: UUID) -> datetime:
        """The tenant's time.

        A test clock is looked up each time: were it remembered, it would move for one process before another, and
        what one has done could be undone by the other as long overdue.
        """
        seen = self._without.get(tenant_id)
        if seen is not None and time.monotonic() - seen <= CACHE_SECONDS:
            return self._now()
        rows = await self._database.all(tenant_id, offset_of_tenant(), {"tenant_id": tenant_id})
        if rows and rows[0]["sandbox"]:
            offset: timedelta = rows[0]["clock_offset"]
            return self._now() + offset
        # One that is not known yet may turn out to have a test clock.
        if rows:
            self._without[tenant_id] = time.monotonic()
        return self._now()
