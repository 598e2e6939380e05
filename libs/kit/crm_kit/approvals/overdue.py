"""The job that finds approvals whose time has passed, or is about to, on each tenant's clock.

An approval is told of once for each of its steps, whatever restarts or runs twice: it is changed in the version that it
was found in, and its timer goes with that. A reminder changes nothing of it; who reminds holds the timer, which has no
time of a reminder any more after that.
"""

from typing import Any
from uuid import UUID

from crm.resource.v1 import events_pb2 as events
from sqlalchemy import DateTime, FromClause, Select, bindparam, func, null, select, true, update

from crm_kit.approvals.commands import Approvals, asked_of, deputies_for, save
from crm_kit.approvals.gate import Gate
from crm_kit.approvals.notices import tell_reminder
from crm_kit.approvals.resource import approvals_by_collection
from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, retried
from crm_kit.events.leases import Lease
from crm_kit.plumbing import access_tenants, approval_timers, working_calendars

EVERY_SECONDS = 2.0
BATCH = 500
A_TENANTS_SHARE = 100
# As the index has it.
_NEXT_TIME = func.least(approval_timers.c.due_time, approval_timers.c.reminder_time)


class OverdueApprovals:
    """Looks in all tenants, in one process at a time; see `job`."""

    def __init__(self, tenants: Tenants, gate: Gate) -> None:
        self._tenants = tenants
        self._gate = gate
        self._approvals = approvals_by_collection(gate.approvables)
        lease = Lease(tenants.database, "overdue approvals")
        self.job = PeriodicJob("overdue approvals", self.look, every_seconds=EVERY_SECONDS, lease=lease)

    async def look(self) -> bool:
        """Tell of what is due; True when there may be more."""
        rows = await self._tenants.database.all(ALL_TENANTS, due_approvals(), {"now": self._tenants.now()})
        done = await each(rows, self._tell, name="overdue approvals")
        # Those that failed are found again: without an end to it, unless the next look waits.
        return len(rows) >= A_TENANTS_SHARE and bool(done)

    async def _tell(self, timer: Record) -> None:
        approvals = self._approvals[timer["collection"]]

        async def attempt() -> None:
            now = self._tenants.now() + timer["clock_offset"]
            async with self._tenants.unit(timer["tenant_id"], now) as work:
                before = await approvals.get(work, timer["approval_id"])
                after = before.found_overdue(now=now)
                if after.overdue and not before.overdue:
                    await save(work, self._gate, approvals, before, after, events.ApprovalOverdue)
                else:
                    await self._remind(work, approvals, timer["approval_id"])

        await retried(attempt)

    async def _remind(self, work: UnitOfWork, approvals: Approvals, id: UUID) -> None:
        """Remind those for whom it waits, unless somebody has, or it was decided, meanwhile."""
        await work.flush()
        if await work.one(reminder_to_come(), approval_id=id) is None:
            return
        # Whoever decides it now waits for the timer.
        approval = await approvals.get(work, id)
        approvable = self._gate.find(approval.collection, approval.verb)
        asked = await asked_of(work, approvable, approval, approval.waiting_ids)
        tell_reminder(work, approvable, approval, asked, await deputies_for(work, approvable, asked))
        work.execute(put_reminded(), approval_id=id)


def timed_by_older(timers: FromClause) -> Select[Any]:
    """A row where the tenant's working hours are newer than those that a timer was set by."""
    calendar = working_calendars.c
    newer = (calendar.tenant_id == timers.c.tenant_id, calendar.version > timers.c.calendar_version)
    return select(calendar.id).where(*newer)


@statement
def due_approvals() -> Select[Any]:
    """Of each open tenant the first that are due on its clock, each found by an index; first the first of each.

    Those that were timed by working hours of before are not yet: they get their time by the new ones first.
    """
    timers, tenant = approval_timers, access_tenants
    due = (
        select(timers.c.approval_id, timers.c.collection, _NEXT_TIME.label("next_time"))
        .where(
            timers.c.tenant_id == tenant.c.tenant_id,
            bindparam("now", type_=DateTime(timezone=True)) + tenant.c.clock_offset >= _NEXT_TIME,
            ~timed_by_older(timers).exists(),
        )
        .order_by(_NEXT_TIME)
        .limit(A_TENANTS_SHARE)
        .lateral("due")
    )
    number = func.row_number().over(partition_by=tenant.c.tenant_id, order_by=due.c.next_time)
    return (
        select(tenant.c.tenant_id, tenant.c.clock_offset, due.c.approval_id, due.c.collection)
        .join_from(tenant, due, true())
        .where(tenant.c.active)
        .order_by(number, due.c.next_time)
        .limit(BATCH)
    )


@statement
def reminder_to_come() -> Select[Any]:
    """The timer of an approval of which somebody is still to be reminded by now; nobody else changes it meanwhile."""
    timers = approval_timers.c
    return (
        select(timers.approval_id)
        .where(
            timers.tenant_id == bindparam("tenant_id"),
            timers.approval_id == bindparam("approval_id"),
            timers.reminder_time <= bindparam("now", type_=DateTime(timezone=True)),
        )
        .with_for_update()
    )


@statement
def put_reminded() -> Any:
    timers = approval_timers
    key = timers.c.tenant_id == bindparam("tenant_id"), timers.c.approval_id == bindparam("approval_id")
    return update(timers).where(*key).values(reminder_time=null())
