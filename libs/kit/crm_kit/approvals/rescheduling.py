"""The job that times pending approvals anew when the tenant's working hours have changed.

It goes by what is stored, the versions that timers and calendar are of. So nothing is lost whatever restarts, and a
step that began while the calendar changed is found as well.
"""

from typing import Any

from crm.resource.v1 import events_pb2 as events
from sqlalchemy import Select, select, true

from crm_kit.approvals.commands import save, time_by
from crm_kit.approvals.gate import Gate
from crm_kit.approvals.resource import approvals_by_collection
from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.statements import statement
from crm_kit.database.work import retried
from crm_kit.events.leases import Lease
from crm_kit.plumbing import access_tenants, approval_timers, working_calendars

EVERY_SECONDS = 5.0
BATCH = 500
A_TENANTS_SHARE = 100


class RescheduledApprovals:
    """Looks in all tenants, in one process at a time; see `job`."""

    def __init__(self, tenants: Tenants, gate: Gate) -> None:
        self._tenants = tenants
        self._gate = gate
        self._approvals = approvals_by_collection(gate.approvables)
        lease = Lease(tenants.database, "rescheduled approvals")
        self.job = PeriodicJob("rescheduled approvals", self.look, every_seconds=EVERY_SECONDS, lease=lease)

    async def look(self) -> bool:
        """Time anew what goes by older working hours; True when there may be more."""
        rows = await self._tenants.database.all(ALL_TENANTS, outdated_timers(), {})
        done = await each(rows, self._time, name="rescheduled approvals")
        # Those that failed are found again: without an end to it, unless the next look waits.
        return len(rows) >= A_TENANTS_SHARE and bool(done)

    async def _time(self, timer: Record) -> None:
        approvals = self._approvals[timer["collection"]]

        async def attempt() -> None:
            now = self._tenants.now() + timer["clock_offset"]
            async with self._tenants.unit(timer["tenant_id"], now) as work:
                before = await approvals.get(work, timer["approval_id"])
                calendar = await self._gate.calendars.require(work)
                after, told = before.rescheduled(calendar), events.ApprovalDueTimeChanged
                if after.due_time != before.due_time:
                    await save(work, self._gate, approvals, before, after, told, calendar=calendar)
                elif after.timer_time is not None:
                    time_by(work, after, calendar, begins=False)

        await retried(attempt)


@statement
def outdated_timers() -> Select[Any]:
    """Of each tenant the first that were set by working hours of before, each found by an index."""
    timers, tenant, calendar = approval_timers, access_tenants, working_calendars
    outdated = (
        select(timers.c.approval_id, timers.c.collection)
        .where(timers.c.tenant_id == calendar.c.tenant_id, timers.c.calendar_version < calendar.c.version)
        .limit(A_TENANTS_SHARE)
        .lateral("outdated")
    )
    return (
        select(tenant.c.tenant_id, tenant.c.clock_offset, outdated.c.approval_id, outdated.c.collection)
        .join_from(tenant, calendar, calendar.c.tenant_id == tenant.c.tenant_id)
        .join(outdated, true())
        .limit(BATCH)
    )
