"""The records of a job: settled once, when it is asked for; each with one outcome, whoever writes it."""

from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Integer, Text, Uuid, bindparam, exists, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import Conflict
from crm_kit.filtering.sql import filter_values
from crm_kit.filtering.tree import Filter, Shaped
from crm_kit.identity.access import Scope
from crm_kit.jobs.model import MAX_RECORDS, Job, Result, State
from crm_kit.listing import Listing, context_of, planned, whole_rows
from crm_kit.plumbing import job_records, jobs


async def settle(work: UnitOfWork, listing: Listing, tree: Filter, job_id: UUID) -> int:
    """Write down the records that a filter takes now of those the caller may see, one more than a job may have at most.

    How many they are. The unit is in a transaction, with which they become true; that they can be read in time has been
    found by counting them.
    """
    settling = planned(settle_records(listing, work.scope, Shaped.of(tree)), tree)
    rows = await work.all(settling, **filter_values(tree, context_of(work)), job_id=job_id)
    count: int = rows[0][0]
    return count


def mark(work: UnitOfWork, job: Job, position: int, result: Result) -> None:
    """Gather what became of a record. The unit fails as Conflict where that is known already, or the job has ended."""
    work.execute(
        mark_record(),
        unmet=lambda: Conflict("the record has had its turn, or the job has ended"),
        job_id=job.id,
        position=position,
        outcome=result.outcome,
        record_etag=result.record_etag,
        reason=result.reason,
        detail=result.detail,
        violations=list(result.violations),
    )


@statement
def settle_records(listing: Listing, scope: Scope, filtered: Shaped) -> Any:
    id = listing.orders["id"].expression
    found = whole_rows(listing, scope, filtered.tree).with_only_columns(id.label("id"))
    chosen = found.order_by(None).order_by(id).limit(MAX_RECORDS + 1).subquery("chosen")
    rows = select(
        bindparam("tenant_id", type_=Uuid),
        bindparam("job_id", type_=Uuid),
        func.row_number().over(order_by=chosen.c.id),
        chosen.c.id,
        bindparam("now", type_=DateTime(timezone=True)),
    )
    names = ["tenant_id", "job_id", "position", "record_id", "create_time"]
    written = insert(job_records).from_select(names, rows).returning(literal(1).label("one")).cte("written")
    return select(func.count()).select_from(written)


@statement
def mark_record() -> Any:
    """The job is held until the unit ends: whoever cancels it waits for that, and finds the outcome."""
    job_id = bindparam("job_id", type_=Uuid)
    going_on = (
        select(jobs.c.id)
        .where(jobs.c.tenant_id == bindparam("tenant_id"), jobs.c.id == job_id, jobs.c.state == State.RUNNING)
        .with_for_update(read=True)
        .cte("going_on")
    )
    return (
        update(job_records)
        .where(
            job_records.c.tenant_id == bindparam("tenant_id"),
            # The key as a whole: joined to the job alone, all records of the tenant's jobs would be looked through.
            job_records.c.job_id == job_id,
            exists(select(going_on.c.id)),
            job_records.c.position == bindparam("position", type_=Integer),
            job_records.c.outcome.is_(None),
        )
        .values(
            outcome=bindparam("outcome", type_=Text),
            record_etag=bindparam("record_etag", type_=Text),
            reason=bindparam("reason", type_=Text),
            detail=bindparam("detail", type_=Text),
            violations=bindparam("violations", type_=JSONB),
        )
        .returning(job_records.c.position)
    )
