"""Which worker has which import: a claim on a row, renewed by its holder, free for others once it lapses."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from crm_kit.database.connections import ALL_TENANTS, Database
from crm_kit.database.statements import statement
from sqlalchemy import all_, bindparam, func, null, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Interval, Uuid

from crm_customer.imports.tables import import_jobs

CLAIM = timedelta(seconds=30)
RENEW_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Job:
    """An import that `holder` has claimed; `tries` claims there were since it last got on."""

    tenant_id: UUID
    import_id: UUID
    holder: UUID
    tries: int = 1


@statement
def claim_next() -> Any:
    """Of the tenants with the fewest imports under way the one that waits longest.

    However many a tenant has waiting, those of others come next, and none of the tenants of `without` comes now. What
    another worker claims just now is passed over.
    """
    jobs, others = import_jobs, import_jobs.alias("others")
    under_way = (
        select(others.c.tenant_id, func.count().label("count"))
        .where(others.c.expire_time >= func.clock_timestamp())
        .group_by(others.c.tenant_id)
        .subquery("under_way")
    )
    # A common table expression: it is evaluated once, however the plan looks.
    free = (
        select(jobs.c.tenant_id, jobs.c.import_id)
        .outerjoin(under_way, under_way.c.tenant_id == jobs.c.tenant_id)
        .where(
            jobs.c.expire_time < func.clock_timestamp(),
            jobs.c.tenant_id != all_(bindparam("without", type_=ARRAY(Uuid))),
        )
        .order_by(func.coalesce(under_way.c["count"], 0), jobs.c.expire_time)
        .limit(1)
        .with_for_update(of=jobs, skip_locked=True)
        .cte("free")
    )
    return (
        update(jobs)
        .where(jobs.c.tenant_id == free.c.tenant_id, jobs.c.import_id == free.c.import_id)
        .values(
            holder=bindparam("holder", type_=Uuid),
            tries=jobs.c.tries + 1,
            expire_time=func.clock_timestamp() + bindparam("duration", type_=Interval),
        )
        .returning(jobs.c.tenant_id, jobs.c.import_id, jobs.c.tries)
    )


@statement
def extend_claim() -> Any:
    jobs = import_jobs
    return (
        update(jobs)
        .where(
            jobs.c.tenant_id == bindparam("tenant_id"),
            jobs.c.import_id == bindparam("import_id"),
            jobs.c.holder == bindparam("holder"),
        )
        .values(expire_time=func.clock_timestamp() + bindparam("duration", type_=Interval))
        .returning(jobs.c.import_id)
    )


async def claim(database: Database, holder: UUID, *, without: Collection[UUID] = ()) -> Job | None:
    """The next import to carry out, of no tenant that is left out; None when there is none."""
    values = {"holder": holder, "duration": CLAIM, "without": list(without)}
    rows = await database.all(ALL_TENANTS, claim_next(), values)
    return Job(rows[0]["tenant_id"], rows[0]["import_id"], holder, rows[0]["tries"]) if rows else None


async def renew(database: Database, job: Job, duration: timedelta = CLAIM) -> bool:
    """Keep the claim so much longer; False when it is another worker's now, or the import has ended."""
    values = {"tenant_id": job.tenant_id, "import_id": job.import_id, "holder": job.holder, "duration": duration}
    return bool(await database.all(job.tenant_id, extend_claim(), values))


@statement
def give_back() -> Any:
    jobs = import_jobs
    return (
        update(jobs)
        .where(
            jobs.c.tenant_id == bindparam("tenant_id"),
            jobs.c.import_id == bindparam("import_id"),
            jobs.c.holder == bindparam("holder"),
        )
        .values(expire_time=func.clock_timestamp(), tries=func.greatest(jobs.c.tries - 1, 0), holder=null())
    )


@statement
def forget_tries() -> Any:
    """Needs `import_id`: whoever got on with an import was not taken down by it."""
    jobs = import_jobs
    return (
        update(jobs)
        .where(
            jobs.c.tenant_id == bindparam("tenant_id"),
            jobs.c.import_id == bindparam("import_id"),
            jobs.c.tries > 1,
        )
        .values(tries=1)
    )


async def release(database: Database, job: Job) -> None:
    """Leave the import to whoever comes next. That it was begun does not count: it did not take its worker down."""
    values = {"tenant_id": job.tenant_id, "import_id": job.import_id, "holder": job.holder}
    await database.all(job.tenant_id, give_back(), values)
