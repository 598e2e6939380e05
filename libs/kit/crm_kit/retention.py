"""Deletes what its table keeps no longer, a little at a time.

How long rows stay, and by whose clock, is declared with their table (`crm_kit/database/tables.py`). Plumbing is cleared
for all tenants at once; all other tables tenant by tenant, since no row of theirs is ever seen across tenants.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    MetaData,
    Table,
    bindparam,
    cast,
    delete,
    func,
    literal_column,
    select,
)

from crm_kit import plumbing
from crm_kit.background import PeriodicJob, Tenant, Tenants, each
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.database.statements import statement
from crm_kit.database.tables import SYSTEM_TENANT, Clock, Retention
from crm_kit.events.leases import Lease
from crm_kit.zones import DEFAULT_ZONE

log = structlog.get_logger()
EVERY_SECONDS = 1800.0
BATCH = 1000
"""Rows of one statement, so that its locks and its transaction are short."""


class Cleaning:
    """Deletes in all tenants, in one process at a time; see `job`."""

    def __init__(self, tenants: Tenants, metadata: MetaData) -> None:
        self._tenants = tenants
        tables = list(tables_with_retention(plumbing.metadata, metadata))
        self._shared = [table for table in tables if table.info["plumbing"]]
        self._own = [table for table in tables if not table.info["plumbing"]]
        lease = Lease(tenants.database, "retention")
        self.job = PeriodicJob("retention", self.clean, every_seconds=EVERY_SECONDS, lease=lease)

    async def clean(self) -> bool:
        """Delete all that is no longer kept."""
        await each(self._shared, self._clean_shared, name="retention")
        platform = Tenant(SYSTEM_TENANT, active=True, now=self._tenants.now(), time_zone=DEFAULT_ZONE)
        await each(chain([platform], await self._tenants.known()), self._clean_tenant, name="retention")
        return False

    async def _clean_shared(self, table: Table) -> None:
        await self._delete_before(ALL_TENANTS, table, await self._tenants.database.now())

    async def _clean_tenant(self, tenant: Tenant) -> None:
        for table in self._own:
            is_tenants = table.info["retention"].clock is Clock.TENANT
            await self._delete_before(tenant.id, table, tenant.now if is_tenants else self._tenants.now())

    async def _delete_before(self, tenant: UUID | str, table: Table, now: datetime) -> None:
        values = {"before": now - table.info["retention"].age, "tenant_id": tenant}
        total, count = 0, BATCH
        while count == BATCH:
            count = len(await self._tenants.database.all(tenant, delete_old(table), values))
            total += count
        if total:
            log.info("retention.deleted", table=table.name, rows=total)


def tables_with_retention(*parts: MetaData) -> Iterable[Table]:
    """The tables whose rows go by themselves; those that are referred to after those that refer to them."""
    for metadata in parts:
        for table in reversed(metadata.sorted_tables):
            if isinstance(table.info["retention"], Retention):
                yield table


@statement
def delete_old(table: Table) -> Any:
    """Some of the oldest rows, found by the index of the retention; of plumbing those of all tenants."""
    old = table.alias("old")
    time = old.c[table.info["retention"].column]
    before: ColumnElement[Any] = bindparam("before", type_=DateTime(timezone=True))
    if isinstance(time.type, Date):
        # Days are found by an index only among days.
        before = cast(before, Date)
    of_tenant = [] if table.info["plumbing"] else [old.c.tenant_id == bindparam("tenant_id")]
    found = (
        select(literal_column("old.ctid"))
        .where(*of_tenant, time < before)
        .order_by(time)
        .limit(BATCH)
        .scalar_subquery()
    )
    # By their place, which no plan can miss. A row that has changed meanwhile has moved, and stays.
    here: Any = literal_column(f"{table.name}.ctid")
    return delete(table).where(here == func.any(func.array(found))).returning(literal_column("1"))
