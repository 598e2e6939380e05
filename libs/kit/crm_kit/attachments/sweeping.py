"""Sweeps out uploads that came to nothing, and bytes that belong to nothing any more."""

from typing import Any

import structlog
from sqlalchemy import Select, any_, bindparam, delete, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_kit.attachments.contents import Contents, discard
from crm_kit.attachments.queries import parts, uploads
from crm_kit.attachments.room import give_back_room
from crm_kit.background import PeriodicJob, Tenant, Tenants, each
from crm_kit.database.statements import statement
from crm_kit.events.leases import Lease

log = structlog.get_logger()
EVERY_SECONDS = 600.0
BATCH = 100


class Sweeping:
    """Sweeps in all tenants, in one process at a time; see `job`.

    Bytes go before their row: whoever dies in between leaves a row whose bytes are deleted once more.
    """

    def __init__(self, tenants: Tenants, contents: Contents) -> None:
        self._tenants = tenants
        self._contents = contents
        lease = Lease(tenants.database, "attachments")
        self.job = PeriodicJob("attachments", self.sweep, every_seconds=EVERY_SECONDS, lease=lease)

    async def sweep(self) -> bool:
        """Sweep everything that is over, some of each tenant; whether there may be more."""
        left = await each(await self._tenants.known(), self._sweep_tenant, name="attachments")
        return any(left)

    async def _sweep_tenant(self, tenant: Tenant) -> bool:
        # Both, whatever the first says.
        return any([await self._end_uploads(tenant), await self._delete_bytes(tenant)])

    async def _end_uploads(self, tenant: Tenant) -> bool:
        async with self._tenants.unit(tenant.id, tenant.now) as work:
            await work.flush()
            ended = await work.all(end_uploads())
            for row in ended:
                if not row["complete"]:
                    discard(work, row["id"])
                    give_back_room(work, row["size_bytes"])
                    # Each gives back to the same row.
                    await work.flush()
        return len(ended) == BATCH

    async def _delete_bytes(self, tenant: Tenant) -> bool:
        async with self._tenants.unit(tenant.id, tenant.now) as work:
            # The rows are held meanwhile: whoever wants to keep one of them waits, and finds it gone.
            await work.flush()
            rows = await work.all(unwanted())
            for row in rows:
                await self._contents.delete(tenant.id, row["key"])
            work.execute(forget_parts(), keys=[row["key"] for row in rows])
        if rows:
            log.info("attachments.swept", parts=len(rows))
        return len(rows) == BATCH


@statement
def end_uploads() -> Any:
    """Delete some uploads that are over, and tell of them."""
    over = (
        select(uploads.c.id)
        .where(uploads.c.tenant_id == bindparam("tenant_id"), uploads.c.expire_time <= bindparam("now"))
        .order_by(uploads.c.expire_time)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    return (
        delete(uploads)
        .where(uploads.c.tenant_id == bindparam("tenant_id"), uploads.c.id.in_(over))
        .returning(uploads.c.id, uploads.c.size_bytes, uploads.c.complete)
    )


@statement
def unwanted() -> Select[Any]:
    return (
        select(parts.c.key)
        .where(parts.c.tenant_id == bindparam("tenant_id"), parts.c.discard_time <= bindparam("now"))
        .order_by(parts.c.discard_time)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )


@statement
def forget_parts() -> Any:
    keys = any_(bindparam("keys", type_=ARRAY(Uuid)))
    return delete(parts).where(parts.c.tenant_id == bindparam("tenant_id"), parts.c.key == keys)
