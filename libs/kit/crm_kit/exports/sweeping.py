"""Has the files of exports go that are over."""

from typing import Any

from sqlalchemy import bindparam, delete, select

from crm_kit.attachments.contents import discard
from crm_kit.attachments.room import give_back_room
from crm_kit.background import PeriodicJob, Tenant, Tenants, each
from crm_kit.database.statements import statement
from crm_kit.events.leases import Lease
from crm_kit.plumbing import exports, job_turns

EVERY_SECONDS = 600.0
BATCH = 100


class ExportSweeping:
    """Sweeps in all tenants, in one process at a time; see `job`. The bytes go with those of attachments."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants
        lease = Lease(tenants.database, "exports")
        self.job = PeriodicJob("exports", self.sweep, every_seconds=EVERY_SECONDS, lease=lease)

    async def sweep(self) -> bool:
        """Have some of each tenant go; whether there may be more."""
        left = await each(await self._tenants.known(), self._sweep_tenant, name="exports")
        return any(left)

    async def _sweep_tenant(self, tenant: Tenant) -> bool:
        async with self._tenants.unit(tenant.id, tenant.now) as work:
            await work.flush()
            over = await work.all(end_exports())
            for row in over:
                discard(work, row["job_id"])
                give_back_room(work, row["size_bytes"])
                # Each gives back to the same row.
                await work.flush()
        return len(over) == BATCH


@statement
def end_exports() -> Any:
    """Forget some exports whose files are over, and tell of them; none that is under way, however long it waits."""
    under_way = select(job_turns.c.job_id).where(
        job_turns.c.tenant_id == exports.c.tenant_id, job_turns.c.job_id == exports.c.job_id
    )
    over = (
        select(exports.c.job_id)
        .where(exports.c.tenant_id == bindparam("tenant_id"), exports.c.expire_time <= bindparam("now"))
        .where(~under_way.exists())
        .order_by(exports.c.expire_time)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    return (
        delete(exports)
        .where(exports.c.tenant_id == bindparam("tenant_id"), exports.c.job_id.in_(over))
        .returning(exports.c.job_id, exports.c.size_bytes)
    )
