"""The job that ends calls of which nothing more is heard, on each tenant's clock.

Each is ended once, by whichever process: it is looked at again under the lock by which events of it are taken in.
"""

from functools import partial
from typing import Any

from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.statements import statement
from crm_kit.database.work import retried
from crm_kit.events.leases import Lease
from crm_kit.plumbing import access_tenants
from sqlalchemy import DateTime, Select, bindparam, select, true

from crm_service_desk.calls.commands import expire
from crm_service_desk.calls.tables import call_timers

EVERY_SECONDS = 10.0
A_TENANTS_SHARE = 100
BATCH = 500


@statement
def due_timers() -> Select[Any]:
    """Of each tenant the first that are due on its clock, each found by an index."""
    timers, tenant = call_timers, access_tenants
    due = (
        select(timers.c.call_id, timers.c.due_time)
        .where(
            timers.c.tenant_id == tenant.c.tenant_id,
            timers.c.due_time <= bindparam("now", type_=DateTime(timezone=True)) + tenant.c.clock_offset,
        )
        .order_by(timers.c.due_time)
        .limit(A_TENANTS_SHARE)
        .lateral("due")
    )
    return (
        select(tenant.c.tenant_id, tenant.c.clock_offset, due.c.call_id)
        .join_from(tenant, due, true())
        .order_by(due.c.due_time)
        .limit(BATCH)
    )


class Expiring:
    """Ends calls in all tenants, see `job`."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants
        lease = Lease(tenants.database, "calls")
        self.job = PeriodicJob("calls", self.expire_due, every_seconds=EVERY_SECONDS, lease=lease)

    async def expire_due(self) -> bool:
        """End what is due. What fails is tried again when it is time to look again."""
        rows = await self._tenants.database.all(ALL_TENANTS, due_timers(), {"now": self._tenants.now()})
        await each(rows, self._expire, name="calls")
        return False

    async def _expire(self, row: Record) -> None:
        await retried(partial(self._attempt, row))

    async def _attempt(self, row: Record) -> None:
        now = self._tenants.now() + row["clock_offset"]
        async with self._tenants.unit(row["tenant_id"], now) as work:
            await expire(work, row["call_id"])
