"""Time is injected: the system's clock for most tenants, a test clock that can be moved for sandbox tenants."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, select

from crm_kit.database.connections import Database
from crm_kit.database.statements import statement
from crm_kit.plumbing import access_tenants

Now = Callable[[], datetime]
CACHE_SECONDS = 0.5


def system_now() -> datetime:
    """The system's time, UTC."""
    return datetime.now(UTC)


@statement
def offset_of_tenant() -> Select[Any]:
    return select(access_tenants.c.clock_offset).where(access_tenants.c.tenant_id == bindparam("tenant_id"))


class TenantClock:
    """`await clock.now(tenant_id)`: the system's time plus the tenant's offset, known within half a second."""

    def __init__(self, database: Database, now: Now = system_now) -> None:
        self._database = database
        self._now = now
        self._offsets: dict[UUID, tuple[float, timedelta]] = {}

    async def now(self, tenant_id: UUID) -> datetime:
        """The tenant's time."""
        seen = self._offsets.get(tenant_id)
        if seen is None or time.monotonic() - seen[0] > CACHE_SECONDS:
            rows = await self._database.all(tenant_id, offset_of_tenant(), {"tenant_id": tenant_id})
            seen = (time.monotonic(), rows[0][0] if rows else timedelta(0))
            self._offsets[tenant_id] = seen
        return self._now() + seen[1]
