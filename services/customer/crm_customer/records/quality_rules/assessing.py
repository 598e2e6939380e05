"""Assesses records anew whose rules or tier have changed: a few at a time, however many there are.

Each record says by which rules and tier it was assessed, and is written only if it is still what was read: whoever
changes it at the same time assesses it, too. So it may stop anywhere, and be done by two processes at once.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.events.leases import Lease
from crm_kit.identity.access import Scope
from sqlalchemy import Integer, Select, Table, bindparam, select, union_all, update
from sqlalchemy.types import Text

from crm_customer.records.quality_rules import visits
from crm_customer.records.quality_rules.book import rules_of
from crm_customer.records.quality_rules.keeping import AnyResource, judged
from crm_customer.records.quality_rules.quality import Rules

EVERY_SECONDS = 2.0
BATCH = 200
# Of one tenant before others have their turn.
BATCHES = 5
# Although nobody asked: somebody may have changed a record by rules that were just being changed.
LOOK_AGAIN = timedelta(minutes=10)


class Assessing:
    """Looks at collections that are due, now and then and when woken; see `job`."""

    def __init__(self, tenants: Tenants, resources: Iterable[AnyResource]) -> None:
        self._tenants = tenants
        self._resources = {each.collection: each for each in resources}
        lease = Lease(tenants.database, "quality assessment")
        self.job = PeriodicJob("quality assessment", self.assess_due, every_seconds=EVERY_SECONDS, lease=lease)

    async def assess_due(self) -> bool:
        """Assess some records of each collection that is due; True when there may be more."""
        due = await self._tenants.database.all(ALL_TENANTS, visits.due_visits(), {"now": self._tenants.now()})
        return any(await each(due, self._visit, name=self.job.name))

    async def _visit(self, due: Record) -> bool:
        resource = self._resources[due["collection"]]
        now = self._tenants.now() + due["clock_offset"]
        for _ in range(BATCHES):
            async with self._tenants.unit(due["tenant_id"], now) as work:
                if not await assess_some(work, resource):
                    next_time = now + LOOK_AGAIN
                    visits.put_off(work, resource.collection, seen_time=due["due_time"], next_time=next_time)
                    return False
        return True


async def assess_some(work: UnitOfWork, resource: AnyResource) -> int:
    """Assess the next records; how many there were."""
    rules = await rules_of(work, resource.collection, fresh=True)
    rows = await work.all(ids_of_outdated(resource.table), basis=rules.basis, batch=BATCH)
    ids = sorted({row["id"] for row in rows})
    if ids:
        records = await resource.get_many(work, ids, scope=Scope.ALL)
        put_qualities(work, resource, [records[id] for id in ids if id in records], rules)
        visits.count(work, resource.collection, len(ids))
        await work.flush_many()
    return len(ids)


def put_qualities(work: UnitOfWork, resource: AnyResource, records: Iterable[Any], rules: Rules) -> None:
    """Gather how records stand by these rules; their versions stay, since nothing of theirs has changed."""
    for record in records:
        now = judged(record, rules)
        values = {name: getattr(now, name) for name in written(resource.table)}
        work.execute(set_quality(resource.table), id=now.id, expected_version=now.version, **values)


def written(table: Table) -> list[str]:
    """The columns that say how a record of a table stands."""
    names = ("completeness", "missing_fields", "next_stale_time", "quality_basis", "quality_tier")
    return [name for name in names if name in table.c]


@statement
def set_quality(table: Table) -> Any:
    query = update(table).where(
        table.c.tenant_id == bindparam("tenant_id"),
        table.c.id == bindparam("id"),
        table.c.version == bindparam("expected_version", type_=Integer),
    )
    if "quality_tier" in table.c:
        tier = bindparam("quality_tier", type_=Text)
        query = query.where(table.c.value_tier.is_not_distinct_from(tier))
    return query.values({name: bindparam(name, type_=table.c[name].type) for name in written(table)})


@statement
def ids_of_outdated(table: Table) -> Select[Any]:
    """Records that were assessed by other rules than those of `basis`, or in another tier: at most two batches.

    Each way along an index: `!=` would go through all that are as they should be.
    """
    found = select(table.c.id).where(table.c.tenant_id == bindparam("tenant_id"))
    basis, batch = bindparam("basis", type_=Text), bindparam("batch", type_=Integer)
    ways = [found.where(table.c.quality_basis < basis), found.where(table.c.quality_basis > basis)]
    if "quality_tier" in table.c:
        ways.append(found.where(table.c.quality_tier.is_distinct_from(table.c.value_tier)))
    several = union_all(*(way.limit(batch).subquery().select() for way in ways)).subquery()
    return select(several.c.id)
