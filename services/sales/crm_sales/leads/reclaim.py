"""The pool takes back what is no longer protected: by the tenant's clock, each lead once, whatever else fails.

Due leads are found by the time stored with them. Whether one goes is decided by `protection` under the rules of
now, and it goes by a statement that fails if the lead has changed since: two processes never move it twice.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from crm_kit.clock import Now, system_now
from crm_kit.database.connections import ALL_TENANTS, Database, Record
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, unit_of_work
from crm_kit.errors import Conflict, NotFound, Unavailable
from crm_kit.identity.access import Scope, service_actor
from crm_kit.plumbing import access_tenants
from sqlalchemy import DateTime, Integer, Select, bindparam, column, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_sales.leads.commands import RECORDS, save
from crm_sales.leads.model import Lead
from crm_sales.leads.protection import protection_of, with_protection
from crm_sales.leads.queries import due_leads, get_lead, lead_from, leads_of_older_rules, stale_conversions
from crm_sales.leads.tables import leads
from crm_sales.leads.wire import lead_conversion_abandoned, lead_reclaimed
from crm_sales.pools.model import Pool
from crm_sales.pools.queries import find_pool, get_pool

log = structlog.get_logger()
BATCH = 200
# A conversion that nobody has gone on with for so long is given up.
CONVERSION_LASTS = timedelta(hours=1)


@statement
def active_tenants() -> Select[Any]:
    return select(access_tenants.c.tenant_id, access_tenants.c.clock_offset).where(access_tenants.c.active)


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
    """Runs for the life of the process; `wake` makes it look at once."""

    def __init__(self, database: Database, *, every_seconds: float, now: Now = system_now) -> None:
        self._database = database
        self._every_seconds = every_seconds
        self._now = now
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """A clock was moved or a rule changed: look now."""
        self._woken.set()

    async def run(self) -> None:
        """Reclaim until cancelled; failures are logged, and tried again with the next run."""
        while True:
            self._woken.clear()
            try:
                await self.once()
            except Unavailable:
                log.warning("reclaim.waiting")
            except Exception:
                log.exception("reclaim.failed")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._every_seconds)

    async def once(self) -> None:
        """One run over all tenants."""
        for row in await self._database.all(ALL_TENANTS, active_tenants(), {}):
            try:
                await self.reclaim(row["tenant_id"], self._now() + row["clock_offset"])
            except Conflict:
                # Somebody was quicker, and the next run sees what they did.
                continue
            except Unavailable:
                raise
            except Exception:
                # Whatever is wrong with this tenant, the others go on.
                log.exception("reclaim.tenant_failed", tenant_id=str(row["tenant_id"]))

    async def reclaim(self, tenant_id: UUID, now: datetime) -> int:
        """Take back what one tenant's pool has to; how many leads moved."""
        async with self._unit(tenant_id, now) as work:
            pool = await find_pool(work)
        if pool is None:
            return 0
        await self._follow_rules(tenant_id, now, pool)
        await self._end_conversions(tenant_id, now)
        moved = 0
        position: dict[str, Any] = {"after_time": now - timedelta(days=36_500), "after_id": UUID(int=0)}
        while True:
            async with self._unit(tenant_id, now) as work:
                rows = await work.all(due_leads(), end_time=now, batch=BATCH, **position)
            for row in rows:
                moved += await self._each(tenant_id, row["id"], now, reclaim_lead)
            if len(rows) < BATCH:
                return moved
            # On from the last one, whether it moved or not: a bad row holds up nothing behind it.
            position = {"after_time": rows[-1]["due_time"], "after_id": rows[-1]["id"]}

    async def _end_conversions(self, tenant_id: UUID, now: datetime) -> None:
        """Give up conversions that nobody has gone on with."""
        async with self._unit(tenant_id, now) as work:
            rows = await work.all(stale_conversions(), end_time=now - CONVERSION_LASTS)
        for row in rows:
            await self._each(tenant_id, row["id"], now, abandon_conversion)

    async def _each(
        self, tenant_id: UUID, id: UUID, now: datetime, do: Callable[[UnitOfWork, UUID], Awaitable[bool]]
    ) -> bool:
        """Do it with one lead; whether it moved."""
        try:
            async with self._unit(tenant_id, now) as work:
                return await do(work, id)
        except (Conflict, NotFound):
            # Somebody did something with it just now: the next run sees what.
            return False
        except Unavailable:
            raise
        except Exception:
            # Whatever is wrong with this one, the others go on.
            log.exception("reclaim.lead_failed", lead_id=str(id))
            return False

    async def _follow_rules(self, tenant_id: UUID, now: datetime, pool: Pool) -> None:
        """Give the leads that older rules dated the time that the present rules say."""
        after_id = UUID(int=0)
        while True:
            async with self._unit(tenant_id, now) as work:
                rows = await work.all(
                    leads_of_older_rules(), rules_version=pool.version, after_id=after_id, batch=BATCH
                )
                note_times(work, [lead for row in rows if (lead := await dated(work, row, pool))], pool)
            if len(rows) < BATCH:
                return
            after_id = rows[-1]["id"]

    def _unit(self, tenant_id: UUID, now: datetime) -> contextlib.AbstractAsyncContextManager[UnitOfWork]:
        return unit_of_work(self._database, service_actor(tenant_id), scope=Scope.ALL, now=now)


async def reclaim_lead(work: UnitOfWork, id: UUID) -> bool:
    """Take one lead back if nothing protects it by now; whether it moved."""
    before = await get_lead(work, id)
    if before.holder_id is None:
        return False
    pool = await get_pool(work)
    safe = await protection_of(work, before, pool)
    if safe.safe_until_time is None or not safe.is_lapsed(work.now):
        note_times(work, [replace(before, safe_until_time=safe.safe_until_time)], pool)
        return False
    reason = f"{safe.reason}: it was safe until {safe.safe_until_time.isoformat(timespec='seconds')}"
    save(work, before, before.return_to_pool(reason, now=work.now), pool, lead_reclaimed)
    return True


async def abandon_conversion(work: UnitOfWork, id: UUID) -> bool:
    """End one conversion that nobody has gone on with; the lead stays where it is, with its protection again."""
    before = await get_lead(work, id)
    attempt = before.conversion_attempt_time
    if attempt is not None and work.now >= attempt + CONVERSION_LASTS:
        after = await with_protection(work, before.abandon_conversion(), await get_pool(work))
        RECORDS.save(work, before, after, partial(lead_conversion_abandoned, reason="nobody went on with it"))
    return False


async def dated(work: UnitOfWork, row: Record, pool: Pool) -> Lead | None:
    """The lead with the time that the present rules give it; None for a row that cannot be read."""
    try:
        lead = lead_from(row)
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
