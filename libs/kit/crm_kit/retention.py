"""Deletes what its table keeps no longer, a little at a time.

How long rows stay, and by whose clock, is declared with their table (`crm_kit/database/tables.py`). Plumbing is cleared
for all tenants at once; all other tables tenant by tenant, since no row of theirs is ever seen across tenants. With a
record goes its history, which nobody can ask for any more.
"""

from collections.abc import Iterable, Mapping
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
    Select,
    Table,
    Uuid,
    any_,
    bindparam,
    cast,
    delete,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

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

    def __init__(self, tenants: Tenants, metadata: MetaData, nouns: Mapping[str, str]) -> None:
        """`nouns` are the tables of records, with what their history calls them."""
        self._tenants = tenants
        self._nouns = nouns
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
            now = tenant.now if is_tenants else self._tenants.now()
            if table.name in self._nouns:
                await self._delete_records(tenant.id, table, now, self._nouns[table.name])
            else:
                await self._delete_before(tenant.id, table, now)

    async def _delete_before(self, tenant: UUID | str, table: Table, now: datetime) -> None:
        values = {"before": now - table.info["retention"].age, "tenant_id": tenant}
        total, count = 0, BATCH
        while count == BATCH:
            count = len(await self._tenants.database.all(tenant, delete_old(table), values))
            total += count
        if total:
            log.info("retention.deleted", table=table.name, rows=total)

    async def _delete_records(self, tenant_id: UUID, table: Table, now: datetime, noun: str) -> None:
        """Delete old records, those of each statement after their history: who dies in between leaves none behind."""
        database, tenant = self._tenants.database, {"tenant_id": tenant_id}
        old = tenant | {"before": now - table.info["retention"].age}
        total = 0
        while ids := [row["id"] for row in await database.all(tenant_id, old_records(table), old)]:
            history = tenant | {"noun": noun, "ids": ids}
            while len(await database.all(tenant_id, delete_history(), history)) == BATCH:
                pass
            total += len(await database.all(tenant_id, delete_records(table), old | {"ids": ids}))
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
    of_tenant = [] if table.info["plumbing"] else [old.c.tenant_id == bindparam("tenant_id")]
    time = old.c[table.info["retention"].column]
    found: Select[Any] = select(literal_column("old.ctid")).where(*of_tenant, is_over(time)).order_by(time).limit(BATCH)
    return delete_at(table, found)


@statement
def old_records(table: Table) -> Select[Any]:
    """The ids of some of the oldest records of a tenant, found by the index of the retention."""
    time = table.c[table.info["retention"].column]
    of_tenant = table.c.tenant_id == bindparam("tenant_id")
    return select(table.c.id).where(of_tenant, is_over(time)).order_by(time).limit(BATCH)


@statement
def delete_records(table: Table) -> Any:
    """The records of these ids that are still as old."""
    return (
        delete(table)
        .where(
            table.c.tenant_id == bindparam("tenant_id"),
            table.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
            is_over(table.c[table.info["retention"].column]),
        )
        .returning(literal_column("1"))
    )


@statement
def delete_history() -> Any:
    """Some of the history of the records of these ids."""
    of = plumbing.changes.alias("old")
    found: Select[Any] = select(literal_column("old.ctid")).where(
        of.c.tenant_id == bindparam("tenant_id"),
        of.c.resource_type == bindparam("noun"),
        of.c.resource_id == any_(bindparam("ids", type_=ARRAY(Uuid))),
    )
    return delete_at(plumbing.changes, found.limit(BATCH))


def is_over(time: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the time of a row is before that by which rows are kept."""
    before: ColumnElement[Any] = bindparam("before", type_=DateTime(timezone=True))
    # Days are found by an index only among days.
    return time < (cast(before, Date) if isinstance(time.type, Date) else before)


def delete_at(table: Table, found: Select[Any]) -> Any:
    """By their place, which no plan can miss. A row that has changed meanwhile has moved, and stays."""
    here: Any = literal_column(f"{table.name}.ctid")
    places = func.array(found.scalar_subquery())
    return delete(table).where(here == func.any(places)).returning(literal_column("1"))
