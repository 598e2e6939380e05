"""What is looked up of jobs, of their turns and of their records, beside what their declaration selects."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Select, Uuid, bindparam, func, select

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import NotFound
from crm_kit.filtering.schema import FilterField, FilterSchema, enum_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope
from crm_kit.jobs.model import Job, Outcome, State
from crm_kit.jobs.resource import JOBS
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from crm_kit.plumbing import job_records, job_turns, jobs

TENANTS_AT_A_LOOK = 100


async def get_job(reader: Reader, collection: str, id: UUID, *, etag: str = "") -> Job:
    """The job; NotFound when there is none of the collection, or the reader may not see it."""
    job = await JOBS.get(reader, id, etag=etag)
    if job.collection != collection:
        raise NotFound("the job does not exist", reason=JOBS.not_found)
    return job


async def readable_jobs(reader: Reader, collection: str, ids: Collection[UUID]) -> list[UUID]:
    """Those of the ids that are jobs of a collection which the reader may see."""
    found = await JOBS.get_many(reader, ids)
    return [id for id, job in found.items() if job.collection == collection]


async def lock_job(work: UnitOfWork, id: UUID) -> None:
    """Wait until no record of a job is being changed; none is until the unit ends."""
    await work.flush()
    await work.one(locked_job(), id=id)


async def count_under_way(work: UnitOfWork) -> int:
    """How many jobs of the tenant are not done."""
    row = await work.one(count_turns())
    return row[0] if row is not None else 0


async def next_records(reader: Reader, job: Job, most: int) -> list[Record]:
    """The next records of a job, each with the outcome that it has already, if any."""
    return await reader.all(records_after(), job_id=job.id, after=job.done_count, most=most)


async def outcomes_beyond(reader: Reader, job: Job) -> list[Outcome]:
    """The outcomes of records that its counters do not have yet."""
    rows = await reader.all(outcomes_after(), job_id=job.id, after=job.done_count)
    return [Outcome(row["outcome"]) for row in rows]


async def waits(reader: Reader, job_id: UUID, position: int) -> bool:
    """Whether a record still waits for its turn, in a job that goes on."""
    return await reader.one(waiting_record(), job_id=job_id, position=position) is not None


@statement
def due_turns() -> Select[Any]:
    """Across tenants: of each the job that has waited longest, and the tenants first that have waited longest."""
    turns = job_turns.c
    longest = (
        select(turns.tenant_id, turns.job_id, turns.turn_time)
        .distinct(turns.tenant_id)
        .where(turns.turn_time <= func.clock_timestamp())
        .order_by(turns.tenant_id, turns.turn_time, turns.job_id)
        .subquery("longest")
    )
    return select(longest.c.tenant_id, longest.c.job_id).order_by(longest.c.turn_time).limit(TENANTS_AT_A_LOOK)


@statement
def count_turns() -> Select[Any]:
    return select(func.count()).select_from(job_turns).where(job_turns.c.tenant_id == bindparam("tenant_id"))


@statement
def locked_job() -> Select[Any]:
    return (
        select(jobs.c.id)
        .where(jobs.c.tenant_id == bindparam("tenant_id"), jobs.c.id == bindparam("id"))
        .with_for_update()
    )


def _of_job() -> Sequence[Any]:
    return (
        job_records.c.tenant_id == bindparam("tenant_id"),
        job_records.c.job_id == bindparam("job_id", type_=Uuid),
    )


@statement
def records_after() -> Select[Any]:
    columns = job_records.c
    return (
        select(columns.position, columns.record_id, columns.outcome)
        .where(*_of_job(), columns.position > bindparam("after", type_=Integer))
        .order_by(columns.position)
        .limit(bindparam("most", type_=Integer))
    )


@statement
def outcomes_after() -> Select[Any]:
    columns = job_records.c
    after = columns.position > bindparam("after", type_=Integer)
    return select(columns.outcome).where(*_of_job(), after, columns.outcome.is_not(None))


@statement
def waiting_record() -> Select[Any]:
    same = (jobs.c.tenant_id == job_records.c.tenant_id) & (jobs.c.id == job_records.c.job_id)
    return (
        select(job_records.c.position)
        .join(jobs, same)
        .where(
            *_of_job(),
            job_records.c.position == bindparam("position", type_=Integer),
            job_records.c.outcome.is_(None),
            jobs.c.state == State.RUNNING,
        )
    )


def _results(_scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    columns = [column for column in job_records.c if column.name != "tenant_id"]
    return select(*columns, job_records.c.position.label("id")).where(*_of_job(), job_records.c.outcome.is_not(None))


# Needs the bind parameter `job_id`.
RESULTS = Listing(
    name="job_results",
    rows=_results,
    fields=FilterSchema(
        {
            "outcome": enum_field(job_records.c.outcome, list(Outcome), prefix="OUTCOME_"),
            "record_id": FilterField(FieldType.UUID, job_records.c.record_id),
            "reason": FilterField(FieldType.TEXT, job_records.c.reason),
        }
    ),
    # Within a job a position is a record's alone.
    orders={"id": OrderColumn(job_records.c.position), "position": OrderColumn(job_records.c.position)},
    default_order="position",
)
