"""The pool takes back what is no longer protected: by the tenant's clock, each lead once, whatever else fails.

Due leads are found by the time stored with them. Whether one goes is decided by `protection` under the rules of
now, and it goes by a statement that fails if the lead has changed since: two processes never move it twice.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from crm_kit.clock import Now, system_now
from crm_kit.database.connections import ALL_TENANTS, Database, Record
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, unit_of_work
from crm_kit.errors import Conflict, NotFound, Unavailable
from crm_kit.identity.access import SERVICE_USER, Scope, service_actor
from crm_kit.plumbing import access_tenants
from sqlalchemy import DateTime, Integer, Select, bindparam, column, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_sales.leads.commands import save
from crm_sales.leads.holdings import CONVERSION_LASTS, protection_of, with_protection
from crm_sales.leads.model import Lead
from crm_sales.leads.queries import COLUMNS, get_lead, lead_from
from crm_sales.leads.tables import HELD, leads
from crm_sales.leads.wire import lead_reclaimed
from crm_sales.pools.model import Pool
from crm_sales.pools.queries import get_pool

log = structlog.get_logger()
BATCH = 200


@statement
def active_tenants() -> Select[Any]:
    return select(access_tenants.c.tenant_id, access_tenants.c.clock_offset).where(access_tenants.c.active)


@statement
def due_leads() -> Select[Any]:
    """Leads whose time has come, from a position on."""
    instant = DateTime(timezone=True)
    position = tuple_(bindparam("after_time", type_=instant), bindparam("after_id", type_=Uuid))
    return (
        select(leads.c.id, leads.c.safe_until_time)
        .where(
            leads.c.tenant_id == bindparam("tenant_id"),
            leads.c.safe_until_time <= bindparam("due_time", type_=instant),
            tuple_(leads.c.safe_until_time, leads.c.id) > position,
        )
        .order_by(leads.c.safe_until_time, leads.c.id)
        .limit(bindparam("batch", type_=Integer))
    )


@statement
def leads_of_older_rules() -> Select[Any]:
    return (
        select(*COLUMNS)
        .where(
            leads.c.tenant_id == bindparam("tenant_id"),
            HELD,
            leads.c.rules_version < bindparam("rules_version", type_=Integer),
            leads.c.id > bindparam("after_id", type_=Uuid),
        )
        .order_by(leads.c.id)
        .limit(bindparam("batch", type_=Integer))
    )


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
            except (NotFound, Conflict):
                # It has no pool yet, so nobody holds anything; or somebody was quicker, and the next run sees it.
                continue
            except Unavailable:
                raise
            except Exception:
                # Whatever is wrong with this tenant, the others go on.
                log.exception("reclaim.tenant_failed", tenant_id=str(row["tenant_id"]))

    async def reclaim(self, tenant_id: UUID, now: datetime) -> int:
        """Take back what one tenant's pool has to; how many leads moved."""
        async with self._unit(tenant_id, now) as work:
            pool = await get_pool(work)
        await self._follow_rules(tenant_id, now, pool)
        moved = 0
        position: dict[str, Any] = {"after_time": now - timedelta(days=36_500), "after_id": UUID(int=0)}
        while True:
            async with self._unit(tenant_id, now) as work:
                rows = await work.all(due_leads(), due_time=now, batch=BATCH, **position)
            for row in rows:
                moved += await self._one(tenant_id, row["id"], now)
            if len(rows) < BATCH:
                return moved
            # On from the last one, whether it moved or not: a bad row holds up nothing behind it.
            position = {"after_time": rows[-1]["safe_until_time"], "after_id": rows[-1]["id"]}

    async def _one(self, tenant_id: UUID, id: UUID, now: datetime) -> int:
        try:
            async with self._unit(tenant_id, now) as work:
                return await take_back(work, id)
        except (Conflict, NotFound):
            # Somebody did something with it just now: the next run sees what.
            return 0
        except Unavailable:
            raise
        except Exception:
            # Whatever is wrong with this one, the others go on.
            log.exception("reclaim.lead_failed", lead_id=str(id))
            return 0

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


async def take_back(work: UnitOfWork, id: UUID) -> int:
    """Take one lead back if nothing protects it by now; 1 when it moved."""
    before = await get_lead(work, id)
    if not before.holder_id:
        return 0
    pool = await get_pool(work)
    conversion = before.conversion
    if conversion is not None and before.is_converting:
        if conversion.attempt_time and work.now < conversion.attempt_time + CONVERSION_LASTS:
            return 0
        move = before.abandon_conversion("nobody went on with it", now=work.now, actor_id=str(SERVICE_USER))
        save(work, before, await with_protection(work, move.lead, pool), move.events[0].kind, pool)
        return 0
    safe = await protection_of(work, before, pool)
    if not safe.is_lapsed(work.now):
        note_times(work, [replace(before, safe_until_time=safe.safe_until)], pool)
        return 0
    assert safe.safe_until is not None
    explanation = f"{safe.reason}: it was safe until {safe.safe_until.isoformat(timespec='seconds')}"
    move = before.reclaim(explanation, now=work.now)
    save(work, before, move.lead, move.events[0].kind, pool, lead_reclaimed)
    return 1


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
