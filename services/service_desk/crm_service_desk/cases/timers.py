"""The job that finds milestones falling due, on each tenant's clock, and cases whose calendar has changed.

A timer fires at most once, whatever restarts or runs twice: its row and its case are written under conditions
that only the first can meet.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from crm_kit.clock import Now, system_now
from crm_kit.database.connections import ALL_TENANTS, Database, Record
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, retried, unit_of_work
from crm_kit.errors import Unavailable
from crm_kit.identity.access import Scope, service_actor
from crm_kit.plumbing import access_tenants
from sqlalchemy import DateTime, Select, and_, bindparam, delete, func, select, true
from sqlalchemy.types import Interval

from crm_service_desk.calendars.tables import calendar_recounts
from crm_service_desk.cases.commands import fire, recount
from crm_service_desk.cases.milestones import TimerLevel
from crm_service_desk.cases.tables import OPEN_TO_RECOUNTS, cases, milestone_timers
from crm_service_desk.service_levels.model import MilestoneKind

log = structlog.get_logger()
EVERY_SECONDS = 2.0
BATCH = 500
A_TENANTS_SHARE = 100
# A case that was being created while its calendar changed is there after this.
SETTLING = timedelta(seconds=30)


@statement
def due_timers() -> Select[Any]:
    """Of each tenant the first timers due on its clock, each found by an index."""
    timers, tenant = milestone_timers, access_tenants
    due = (
        select(timers.c.case_id, timers.c.kind, timers.c.level, timers.c.due_time)
        .where(
            timers.c.tenant_id == tenant.c.tenant_id,
            timers.c.fire_time.is_(None),
            timers.c.due_time.is_not(None),
            timers.c.due_time <= bindparam("now", type_=DateTime(timezone=True)) + tenant.c.clock_offset,
        )
        .order_by(timers.c.due_time)
        .limit(A_TENANTS_SHARE)
        .lateral("due")
    )
    return (
        select(tenant.c.tenant_id, tenant.c.clock_offset, due.c.case_id, due.c.kind, due.c.level)
        .join_from(tenant, due, true())
        .order_by(due.c.due_time)
        .limit(BATCH)
    )


@statement
def asked_recounts() -> Select[Any]:
    table, tenant = calendar_recounts, access_tenants
    joined = table.join(tenant, tenant.c.tenant_id == table.c.tenant_id)
    return select(table.c.tenant_id, table.c.calendar_id, table.c.version, tenant.c.clock_offset).select_from(joined)


@statement
def outdated_cases() -> Select[Any]:
    """Cases that still run and were counted by an older version."""
    return (
        select(cases.c.id)
        .where(
            cases.c.tenant_id == bindparam("tenant_id"),
            cases.c.calendar_id == bindparam("calendar_id"),
            cases.c.calendar_version < bindparam("version"),
            OPEN_TO_RECOUNTS,
        )
        .limit(BATCH)
    )


@statement
def end_recount() -> Any:
    table = calendar_recounts
    settled = func.now() - bindparam("settling", type_=Interval)
    return delete(table).where(
        and_(
            table.c.tenant_id == bindparam("tenant_id"),
            table.c.calendar_id == bindparam("calendar_id"),
            table.c.version == bindparam("version"),
            table.c.create_time < settled,
        )
    )


class Timers:
    """Runs for the life of the process; several processes may run it at once."""

    def __init__(self, database: Database, now: Now = system_now) -> None:
        self._database = database
        self._now = now
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look now: a clock may have been moved."""
        self._woken.set()

    async def run(self) -> None:
        """Look every two seconds, and when woken; never ends."""
        while True:
            self._woken.clear()
            try:
                while await self.fire_due():
                    pass
                await self.recount_asked()
            except Unavailable as error:
                log.warning("timers.waiting", error=error.detail)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), EVERY_SECONDS)

    async def fire_due(self) -> bool:
        """Fire what is due; True when there may be more."""
        rows = await self._database.all(ALL_TENANTS, due_timers(), {"now": self._now()})
        fired = 0
        for row in rows:
            timer = (MilestoneKind(row["kind"]), TimerLevel(row["level"]))
            case_id: UUID = row["case_id"]
            fired += await self._do(row, case_id, partial(fire, id=case_id, timer=timer))
        # Those that failed wait for the next look, or they would be tried without end.
        return fired > 0 and len(rows) >= A_TENANTS_SHARE

    async def recount_asked(self) -> None:
        """Count anew what runs by a calendar that has changed."""
        for asked in await self._database.all(ALL_TENANTS, asked_recounts(), {}):
            values = dict(asked) | {"settling": SETTLING}
            outdated = await self._database.all(asked["tenant_id"], outdated_cases(), values)
            for row in outdated:
                case_id: UUID = row["id"]
                await self._do(asked, case_id, partial(recount, id=case_id))
            if not outdated:
                await self._database.all(asked["tenant_id"], end_recount(), values)

    async def _do(self, tenant: Record, case_id: UUID, act: Callable[[UnitOfWork], Awaitable[None]]) -> bool:
        """One transaction on one case as the service itself; a failure is logged and stops no other case."""
        actor = service_actor(tenant["tenant_id"])

        async def attempt() -> None:
            now = self._now() + tenant["clock_offset"]
            async with unit_of_work(self._database, actor, scope=Scope.ALL, now=now) as work:
                await act(work)

        try:
            await retried(attempt)
        except Unavailable:
            raise
        except Exception:
            # Whatever is wrong with one case must not keep the others from being looked at.
            log.exception("timers.failed", case_id=str(case_id))
            return False
        return True
