"""Exports among other jobs: they are stopped with their file, and have no results of single records."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.exports.commands import cancel_export
from crm_kit.jobs.calling import Changeable
from crm_kit.jobs.elsewhere import JobsElsewhere
from crm_kit.jobs.queries import RESULTS
from crm_kit.jobs.resource import JOBS
from crm_kit.jobs.wire import result_to_pb
from crm_kit.listing import Page
from crm_kit.paging import PageTokens


def exports_as_jobs(changeable: Mapping[str, Changeable]) -> JobsElsewhere:
    """The exports of a service's collections."""

    async def cancel(work: UnitOfWork, id: UUID) -> None:
        job = await JOBS.get(work, id)
        await cancel_export(work, changeable[job.collection], job)

    return JobsElsewhere(cancel, results_of, result_to_pb)


async def results_of(reader: Reader, id: UUID, request: Any, tokens: PageTokens) -> Page[Record]:
    """A page of nothing: what an export has of single records is its file."""
    return await RESULTS.page(reader, request, tokens, job_id=id)
