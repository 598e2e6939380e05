"""The job that ends calls of which nothing more is heard, on each tenant's clock.

Each is ended once, by whichever process: it is looked at again under the lock by which events of it are taken in.
"""

from datetime import timedelta
from functools import partial
from typing import Any

from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.statements import statement
from crm_kit.database.work import retried
from crm_kit.events.leases import Lease
from crm_kit.plumbing import access_tenants
from sqlalchemy import DateTime, Select, bindparam, select, true, update

from crm_service_desk.calls.commands import expire
from crm_service_desk.calls.tables import call_timers

EVERY_SECONDS = 10.0
A_TENANTS_SHARE = 100
BATCH = 500
# So long a call that could not be ended waits until it is tried again.
TRIED_AGAIN = timedelta(minutes=10)


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


@statement
def put_off() -> Any:
    return (
        update(call_timers)
        .where(call_timers.c.tenant_id == bindparam("tenant_id"), call_timers.c.call_id == bindparam("call_id"))
        .values(due_time=bindparam("due_time", type_=DateTime(timezone=True)))
    )


class Expiring:
    """Ends calls in all tenants, see `job`."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants
        lease = Lease(tenants.database, "calls")
        self.job = PeriodicJob("calls", self.expire_due, every_seconds=EVERY_SECONDS, lease=lease)

    async def expire_due(self) -> bool:
        """End what is due; True when there may be more."""
        rows = await self._tenants.database.all(ALL_TENANTS, due_timers(), {"now": self._tenants.now()})
        await each(rows, self._expire, name="calls")
        # Those that failed are put off, so there is an end to it.
        return len(rows) >= A_TENANTS_SHARE

    async def _expire(self, row: Record) -> None:
        try:
            await retried(partial(self._attempt, row))
        except Exception:
            await self._put_off(row)
            raise

    async def _put_off(self, row: Record) -> None:
        """Let a call that cannot be ended wait, so that it keeps none of its tenant's others from that."""
        due_time = self._tenants.now() + row["clock_offset"] + TRIED_AGAIN
        values = {"tenant_id": row["tenant_id"], "call_id": row["call_id"], "due_time": due_time}
        await self._tenants.database.all(row["tenant_id"], put_off(), values)

    async def _attempt(self, row: Record) -> None:
        now = self._tenants.now() + row["clock_offset"]
        async with self._tenants.unit(row["tenant_id"], now) as work:
            await expire(work, row["call_id"])
