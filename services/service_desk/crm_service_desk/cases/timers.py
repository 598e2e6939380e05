"""The job that finds milestones falling due, on each tenant's clock, and cases whose calendar has changed.

A timer fires at most once, whatever restarts or runs twice: its row and its case are written under conditions
that only the first can meet.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, retried
from crm_kit.errors import Conflict
from crm_kit.plumbing import access_tenants
from sqlalchemy import DateTime, Integer, Select, Uuid, and_, bindparam, delete, func, select, true, tuple_
from sqlalchemy.types import Interval

from crm_service_desk.calendars.tables import calendar_recounts
from crm_service_desk.cases.commands import fire, recount
from crm_service_desk.cases.milestones import TimerLevel
from crm_service_desk.cases.tables import OPEN_TO_RECOUNTS, cases, milestone_timers
from crm_service_desk.cases.writing import put_off_timer
from crm_service_desk.service_levels.model import MilestoneKind

EVERY_SECONDS = 2.0
BATCH = 500
A_TENANTS_SHARE = 100
# How long a timer that failed waits until it is tried again.
AT_LEAST, AT_MOST = timedelta(seconds=EVERY_SECONDS), timedelta(minutes=10)
# Calendar version and id of a case.
Position = tuple[int, UUID]
THE_BEGINNING: Position = (0, UUID(int=0))
# A case that was being created while its calendar changed is there after this.
SETTLING = timedelta(seconds=30)


@statement
def due_timers() -> Select[Any]:
    """Of each tenant the first timers to be tried on its clock, each found by an index."""
    timers, tenant = milestone_timers, access_tenants
    due = (
        select(timers.c.case_id, timers.c.kind, timers.c.level, timers.c.try_time)
        .where(
            timers.c.tenant_id == tenant.c.tenant_id,
            timers.c.fire_time.is_(None),
            timers.c.try_time.is_not(None),
            timers.c.try_time <= bindparam("now", type_=DateTime(timezone=True)) + tenant.c.clock_offset,
        )
        .order_by(timers.c.try_time)
        .limit(A_TENANTS_SHARE)
        .lateral("due")
    )
    return (
        select(tenant.c.tenant_id, tenant.c.clock_offset, due.c.case_id, due.c.kind, due.c.level)
        .join_from(tenant, due, true())
        .order_by(due.c.try_time)
        .limit(BATCH)
    )


@statement
def asked_recounts() -> Select[Any]:
    """Across tenants, so of the plumbing only."""
    table, tenant = calendar_recounts, access_tenants
    joined = table.join(tenant, tenant.c.tenant_id == table.c.tenant_id)
    return select(table.c.tenant_id, table.c.calendar_id, table.c.version, tenant.c.clock_offset).select_from(joined)


@statement
def outdated_cases() -> Select[Any]:
    """Cases that still run and were counted by an older version, from a position on."""
    position = tuple_(bindparam("after_version", type_=Integer), bindparam("after_id", type_=Uuid))
    return (
        select(cases.c.id, cases.c.calendar_version)
        .where(
            cases.c.tenant_id == bindparam("tenant_id"),
            cases.c.calendar_id == bindparam("calendar_id"),
            cases.c.calendar_version < bindparam("version"),
            OPEN_TO_RECOUNTS,
            tuple_(cases.c.calendar_version, cases.c.id) > position,
        )
        .order_by(cases.c.calendar_version, cases.c.id)
        .limit(bindparam("batch", type_=Integer))
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
    """Fires and recounts in all tenants; several processes may do so at once. See `job`."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants
        # How far each calendar's cases have been counted anew; the first in it are those that could not be.
        self._positions: dict[tuple[UUID, UUID, int], Position] = {}
        self.job = PeriodicJob("timers", self._look, every_seconds=EVERY_SECONDS)

    async def _look(self) -> bool:
        more_to_fire = await self.fire_due()
        more_to_count = await self.recount_asked()
        return more_to_fire or more_to_count

    async def fire_due(self) -> bool:
        """Fire what is due; True when there may be more."""
        rows = await self._tenants.database.all(ALL_TENANTS, due_timers(), {"now": self._tenants.now()})
        await each(rows, self._fire, name="timers")
        # Those that failed are put off, so there is an end to it.
        return len(rows) >= A_TENANTS_SHARE

    async def _fire(self, row: Record) -> None:
        timer = (MilestoneKind(row["kind"]), TimerLevel(row["level"]))
        try:
            await self._act(row, partial(fire, id=row["case_id"], timer=timer))
        except Conflict:
            raise
        except Exception:
            await self._put_off(row)
            raise

    async def _put_off(self, row: Record) -> None:
        """Let a timer that failed wait, so that it keeps none of its tenant's others from being tried."""
        now = self._tenants.now() + row["clock_offset"]
        values = dict(row) | {"now": now, "at_least": AT_LEAST, "at_most": AT_MOST}
        await self._tenants.database.all(row["tenant_id"], put_off_timer(), values)

    async def recount_asked(self) -> bool:
        """Count anew some of what runs by calendars that have changed; True when there may be more."""
        asked = await self._tenants.database.all(ALL_TENANTS, asked_recounts(), {})
        more = [await self.recount_some(calendar) for calendar in asked]
        return any(more)

    async def recount_some(self, asked: Record) -> bool:
        """The next cases of one calendar, so that a large one keeps no others waiting."""
        database, key = self._tenants.database, (asked["tenant_id"], asked["calendar_id"], asked["version"])
        position = self._positions.pop(key, THE_BEGINNING)
        values = dict(asked) | {"settling": SETTLING, "batch": BATCH}
        values |= {"after_version": position[0], "after_id": position[1]}
        outdated = await database.all(asked["tenant_id"], outdated_cases(), values)
        await each([row["id"] for row in outdated], partial(self._recount, asked), name="timers")
        if len(outdated) == BATCH:
            self._positions[key] = (outdated[-1]["calendar_version"], outdated[-1]["id"])
            return True
        if not outdated and position == THE_BEGINNING:
            await database.all(asked["tenant_id"], end_recount(), values)
        return False

    async def _recount(self, asked: Record, case_id: UUID) -> None:
        await self._act(asked, partial(recount, id=case_id))

    async def _act(self, tenant: Record, act: Callable[[UnitOfWork], Awaitable[None]]) -> None:
        """One transaction on one case as the service itself, by the clock that it was found by."""

        async def attempt() -> None:
            now = self._tenants.now() + tenant["clock_offset"]
            async with self._tenants.unit(tenant["tenant_id"], now) as work:
                await act(work)

        await retried(attempt)
