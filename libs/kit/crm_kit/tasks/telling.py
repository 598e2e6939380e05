"""The job that tells people of tasks that are to be done soon, or whose time has passed, on each tenant's clock.

People are told once of each time, whatever restarts or runs twice: the timer goes with what tells them. Who changes a
task while they are told waits for the timer, and whoever comes second finds what the first has left.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from crm.resource.v1 import events_pb2 as events
from sqlalchemy import DateTime, Select, bindparam, func, select, true

from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, retried
from crm_kit.events.leases import Lease
from crm_kit.events.outbox import emit
from crm_kit.plumbing import access_tenants, task_timers
from crm_kit.tasks.model import Moment, Task, says
from crm_kit.tasks.notices import tell_moment
from crm_kit.tasks.place import Place

NAME = "tasks that are due"
EVERY_SECONDS = 2.0
BATCH = 500
A_TENANTS_SHARE = 100


class TellingOfTasks:
    """Looks in all tenants, in one process at a time; see `job`."""

    def __init__(self, tenants: Tenants, places: Mapping[str, Place]) -> None:
        self._tenants = tenants
        self._places = places
        lease = Lease(tenants.database, NAME)
        self.job = PeriodicJob(NAME, self.look, every_seconds=EVERY_SECONDS, lease=lease)

    async def look(self) -> bool:
        """Tell of what is due; True when there may be more."""
        rows = await self._tenants.database.all(ALL_TENANTS, due_timers(), {"now": self._tenants.now()})
        done = await each(rows, self._tell, name=NAME)
        # Those that failed are found again: without an end to it, unless the next look waits.
        return len(rows) >= A_TENANTS_SHARE and bool(done)

    async def _tell(self, timer: Record) -> None:
        place, moment = self._places[timer["collection"]], Moment(timer["kind"])

        async def attempt() -> None:
            now = self._tenants.now() + timer["clock_offset"]
            async with self._tenants.unit(timer["tenant_id"], now) as work:
                await tell_once(work, place, timer["task_id"], moment)

        await retried(attempt)


async def tell_once(work: UnitOfWork, place: Place, task_id: UUID, moment: Moment) -> None:
    """Gather what people are told now, unless they have been, or it is due no more."""
    await work.flush()
    if await work.one(timer_due(), task_id=task_id, kind=moment) is None:
        return
    # Whoever changes the task now waits for the timer.
    task = await place.tasks.get(work, task_id)
    said = says(moment, task, work.now)
    if said is not None:
        await tell_moment(work, place, task, said)
    if said is Moment.DEADLINE:
        tell_overdue(work, place, task)
    work.delete(task_timers, task_id=task_id, kind=moment)


def tell_overdue(work: UnitOfWork, place: Place, task: Task) -> None:
    """Gather that a task is overdue, for rules and for who listens; it is no change of the task."""
    told = events.TaskOverdue(task=place.tasks.whole_message(work, task))
    changed = ["overdue"]
    emit(work, told, aggregate_type=place.tasks.noun, id=task.id, version=task.version, changed_fields=changed)


@statement
def due_timers() -> Select[Any]:
    """Of each open tenant the first that are due on its clock, found by an index; first the first of each."""
    timers, tenant = task_timers, access_tenants
    due = (
        select(timers.c.task_id, timers.c.kind, timers.c.collection, timers.c.tell_time)
        .where(
            timers.c.tenant_id == tenant.c.tenant_id,
            bindparam("now", type_=DateTime(timezone=True)) + tenant.c.clock_offset >= timers.c.tell_time,
        )
        .order_by(timers.c.tell_time)
        .limit(A_TENANTS_SHARE)
        .lateral("due")
    )
    number = func.row_number().over(partition_by=tenant.c.tenant_id, order_by=due.c.tell_time)
    return (
        select(tenant.c.tenant_id, tenant.c.clock_offset, due.c.task_id, due.c.kind, due.c.collection)
        .join_from(tenant, due, true())
        .where(tenant.c.active)
        .order_by(number, due.c.tell_time)
        .limit(BATCH)
    )


@statement
def timer_due() -> Select[Any]:
    """The timer, if it is due by now; nobody else changes it meanwhile."""
    timers = task_timers.c
    return (
        select(timers.task_id)
        .where(
            timers.tenant_id == bindparam("tenant_id"),
            timers.task_id == bindparam("task_id"),
            timers.kind == bindparam("kind"),
            timers.tell_time <= bindparam("now", type_=DateTime(timezone=True)),
        )
        .with_for_update()
    )
