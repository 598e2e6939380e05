"""The pool takes back what is no longer protected: by the tenant's clock, each lead once, whatever else fails.

Due leads are found by the time stored with them. Whether one goes is decided by `protection` under the rules of
now, and it goes by a statement that fails if the lead has changed since: two processes never move it twice.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from crm.sales.v1 import events_pb2 as events
from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.statements import Statement, statement
from crm_kit.database.work import UnitOfWork
from crm_kit.zones import time_text
from sqlalchemy import DateTime, Integer, bindparam, column, func, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_sales.leads.commands import save
from crm_sales.leads.model import Lead
from crm_sales.leads.protection import CONVERSION_LASTS, protection_of, with_protection
from crm_sales.leads.queries import due_leads, leads_of_older_rules, next_due, stale_conversions
from crm_sales.leads.resource import LEADS
from crm_sales.leads.tables import leads
from crm_sales.pools.model import Pool
from crm_sales.pools.queries import find_pool, get_pool
from crm_sales.pools.visits import due_visits, put_off

log = structlog.get_logger()
BATCH = 200
# So often a pool is looked at although nothing was said to be due: somebody may have written a lead by rules that
# were just being changed, or while the next visit was being put off.
LOOK_AGAIN = timedelta(minutes=10)
# Not some years ago: a test clock may have gone a whole century forward since a lead was last looked at.
THE_BEGINNING = datetime.min.replace(tzinfo=UTC)

# What is done with a lead; whether it moved.
Move = Callable[[UnitOfWork, UUID], Awaitable[bool]]


@statement
def set_safe_until() -> Any:
    """Note when to look again at leads that are as they were read; their version stays: nothing was done to them."""
    noted = (
        func.unnest(
            bindparam("ids", type_=ARRAY(Uuid)),
            bindparam("versions", type_=ARRAY(Integer)),
            bindparam("times", type_=ARRAY(DateTime(timezone=True))),
        )
        .table_valued(column("id", Uuid), column("version", Integer), column("time", DateTime(timezone=True)))
        .render_derived(name="noted")
    )
    return (
        update(leads)
        .where(
            leads.c.tenant_id == bindparam("tenant_id"),
            leads.c.id == noted.c.id,
            leads.c.version == noted.c.version,
        )
        .values(safe_until_time=noted.c.time, rules_version=bindparam("rules_version"))
    )


class Reclaim:
    """Reclaims where something is due, now and then and when a clock was moved or a rule changed; see `job`."""

    def __init__(self, tenants: Tenants, *, every_seconds: float) -> None:
        self._tenants = tenants
        # Without a lease: leads are moved by statements that only the first can make.
        self.job = PeriodicJob("reclaim", self.reclaim_due, every_seconds=every_seconds)

    async def reclaim_due(self) -> bool:
        """Take back what is due, in whichever tenants something is."""
        due = await self._tenants.database.all(ALL_TENANTS, due_visits(), {"now": self._tenants.now()})
        await each(due, self._visit, name="reclaim")
        return False

    async def _visit(self, due: Record) -> None:
        """Look at one tenant's pool, and put off the next visit to when something will be due."""
        now = self._tenants.now() + due["clock_offset"]
        await self.reclaim(due["tenant_id"], now)
        async with self._tenants.unit(due["tenant_id"], now) as work:
            next_time = await next_visit(work)
            work.execute(put_off(), seen_time=due["due_time"], next_time=next_time)

    async def reclaim(self, tenant_id: UUID, now: datetime) -> int:
        """Take back what one tenant's pool has to; how many leads moved."""
        async with self._tenants.unit(tenant_id, now) as work:
            pool = await find_pool(work)
        if pool is None:
            return 0
        await self._follow_rules(tenant_id, now, pool)
        await self._each(tenant_id, now, abandon_conversion, stale_conversions(), now - CONVERSION_LASTS)
        return await self._each(tenant_id, now, reclaim_lead, due_leads(), now)

    async def _each(self, tenant_id: UUID, now: datetime, move: Move, due: Statement, end_time: datetime) -> int:
        """Move each of the leads that are due by then, in a transaction of its own; how many moved."""

        async def one(id: UUID) -> bool:
            async with self._tenants.unit(tenant_id, now) as work:
                return await move(work, id)

        moved = 0
        position: dict[str, Any] = {"after_time": THE_BEGINNING, "after_id": UUID(int=0)}
        while True:
            async with self._tenants.unit(tenant_id, now) as work:
                rows = await work.all(due, end_time=end_time, batch=BATCH, **position)
            moved += sum(await each([row["id"] for row in rows], one, name="reclaim"))
            if len(rows) < BATCH:
                return moved
            # On from the last one, whether it moved or not: a bad row holds up nothing behind it.
            position = {"after_time": rows[-1]["due_time"], "after_id": rows[-1]["id"]}

    async def _follow_rules(self, tenant_id: UUID, now: datetime, pool: Pool) -> None:
        """Give the leads that older rules dated the time that the present rules say."""
        after_id = UUID(int=0)
        while True:
            async with self._tenants.unit(tenant_id, now) as work:
                rows = await work.all(
                    leads_of_older_rules(), rules_version=pool.version, after_id=after_id, batch=BATCH
                )
                note_times(work, [lead for row in rows if (lead := await dated(work, row, pool))], pool)
            if len(rows) < BATCH:
                return
            after_id = rows[-1]["id"]


async def next_visit(work: UnitOfWork) -> datetime:
    """When the pool is to be looked at next."""
    row = await work.one(next_due())
    assert row is not None
    safe_until, attempt = row["safe_until_time"], row["attempt_time"]
    times: list[datetime | None] = [work.now + LOOK_AGAIN, safe_until, attempt and attempt + CONVERSION_LASTS]
    return min(filter(None, times))


async def reclaim_lead(work: UnitOfWork, id: UUID) -> bool:
    """Take one lead back if nothing protects it by now; whether it moved."""
    before = await LEADS.find(work, id)
    if before is None or before.holder_id is None:
        return False
    pool = await get_pool(work)
    safe = await protection_of(work, before, pool)
    if safe.safe_until_time is None or not safe.is_lapsed(work.now):
        note_times(work, [replace(before, safe_until_time=safe.safe_until_time)], pool)
        return False
    reason = f"{safe.reason}: it was safe until {time_text(safe.safe_until_time)}"
    save(work, before, before.return_to_pool(reason, now=work.now), pool, events.LeadReclaimed)
    return True


async def abandon_conversion(work: UnitOfWork, id: UUID) -> bool:
    """End one conversion that nobody has gone on with; the lead stays where it is, with its protection again."""
    before = await LEADS.find(work, id)
    attempt = before and before.conversion_attempt_time
    if before and attempt and work.now >= attempt + CONVERSION_LASTS:
        after = await with_protection(work, before.abandon_conversion(), await get_pool(work))
        LEADS.save(work, before, after, events.LeadConversionAbandoned, reason="nobody went on with it")
    return False


async def dated(work: UnitOfWork, row: Record, pool: Pool) -> Lead | None:
    """The lead with the time that the present rules give it; None for a row that cannot be read."""
    try:
        lead = LEADS.entity_from(row)
    except (ValueError, TypeError):
        log.exception("reclaim.lead_unreadable", lead_id=str(row["id"]))
        return None
    return await with_protection(work, lead, pool)


def note_times(work: UnitOfWork, found: Sequence[Lead], pool: Pool) -> None:
    """Gather when the leads are to be looked at again."""
    work.execute(
        set_safe_until(),
        ids=[lead.id for lead in found],
        versions=[lead.version for lead in found],
        times=[lead.safe_until_time for lead in found],
        rules_version=pool.version,
    )
