"""Jobs that are records of their own elsewhere in the service, such as imports: in the same list, in the same shape.

What they are and do stays where they are at home. The row that is shown here is written in the same transaction as
theirs, so it never says anything else; nothing reads it but the list.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm.resource.v1 import events_pb2 as events
from crm.resource.v1 import jobs_pb2 as pb

from crm_kit.database.connections import Record
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.events.outbox import emit
from crm_kit.jobs.model import Job
from crm_kit.jobs.resource import JOBS
from crm_kit.listing import Page
from crm_kit.paging import PageTokens
from crm_kit.plumbing import jobs
from crm_kit.projections import put_newest


@dataclass(frozen=True, slots=True)
class JobsElsewhere:
    """Jobs of a kind that are at home elsewhere.

    `cancel` stops one by its id, as the caller. `results` are a page of what became of its rows, as the caller may read
    them, and `result` is one as the list of results has it. Each raises what its own rpc would.
    """

    cancel: Callable[[UnitOfWork, UUID], Awaitable[None]]
    results: Callable[[Reader, UUID, Any, PageTokens], Awaitable[Page[Record]]]
    result: Callable[[Any], pb.JobResult]


def show_job(work: UnitOfWork, before: Job | None, after: Job) -> None:
    """Gather how a job stands that is at home elsewhere, in the version that it has there, and tell of its end."""
    put_newest(work, jobs, JOBS.row_of(after))
    if before is not None and before.is_under_way and not after.is_under_way:
        emit(
            work,
            events.JobEnded(job=JOBS.whole_message(work, after)),
            aggregate_type=JOBS.noun,
            id=after.id,
            version=after.version,
            changed_fields=JOBS.changed_fields(before, after),
        )
