"""JobService: from message to command or query and back, for the collections of one service."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from crm.resource.v1 import jobs_pb2 as pb

from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import NotFound
from crm_kit.jobs import commands
from crm_kit.jobs.calling import Changeable
from crm_kit.jobs.concealing import conceal_closed, conceal_jobs, conceal_results, conceals
from crm_kit.jobs.elsewhere import JobsElsewhere
from crm_kit.jobs.model import Kind
from crm_kit.jobs.queries import RESULTS, get_job
from crm_kit.jobs.resource import JOBS, OF_COLLECTION
from crm_kit.jobs.trying import try_bulk_change
from crm_kit.jobs.wire import problem_to_pb, result_to_pb
from crm_kit.paging import PageTokens
from crm_kit.resource.values import from_value


class JobServicer:
    # The pipeline gives each reader the scope in which the caller reads the collection.
    contract = pb.DESCRIPTOR.services_by_name["JobService"]

    def __init__(
        self,
        changeable: Mapping[str, Changeable],
        elsewhere: Mapping[Kind, JobsElsewhere],
        tokens: PageTokens,
        wake: Callable[[], None],
    ) -> None:
        self._changeable = changeable
        self._elsewhere = elsewhere
        self._tokens = tokens
        self._wake = wake

    async def BulkChangeRecords(self, request: pb.BulkChangeRecordsRequest, work: UnitOfWork) -> pb.Job:
        on, content, expected = self._of(request), content_of(request), request.expected_count
        job = await commands.begin_bulk_change(
            work, on, request.verb, content, filter=request.filter, expected_count=expected
        )
        work.after_commit.append(self._wake)
        return JOBS.message(work, job)

    async def TryBulkChangeRecords(
        self, request: pb.TryBulkChangeRecordsRequest, reader: Reader
    ) -> pb.TryBulkChangeRecordsResponse:
        content = content_of(request)
        trial = await try_bulk_change(reader, self._of(request), request.verb, content, filter=request.filter)
        return pb.TryBulkChangeRecordsResponse(
            count=trial.count, tried_count=trial.tried, problems=map(problem_to_pb, trial.problems)
        )

    async def GetJob(self, request: pb.GetJobRequest, reader: Reader) -> pb.Job:
        job = JOBS.message(reader, await get_job(reader, request.collection, UUID(request.id)))
        await conceal_jobs(reader, self._of(request), [job])
        return job

    async def ListJobs(self, request: pb.ListJobsRequest, reader: Reader) -> pb.ListJobsResponse:
        response, of = pb.ListJobsResponse, {"collection": request.collection}
        page = await JOBS.list(reader, request, response, self._tokens, listing=OF_COLLECTION, binds=of)
        await conceal_jobs(reader, self._of(request), page.jobs)
        return page

    async def CancelJob(self, request: pb.CancelJobRequest, work: UnitOfWork) -> pb.Job:
        on, id = self._of(request), UUID(request.id)
        before = await get_job(work, on.collection, id, etag=request.etag)
        if before.kind in self._elsewhere:
            await self._elsewhere[before.kind].cancel(work, id)
            await work.flush()
            return JOBS.message(work, await get_job(work, on.collection, id))
        job = JOBS.message(work, await commands.cancel_job(work, on, before))
        await conceal_jobs(work, on, [job])
        return job

    async def ListJobResults(self, request: pb.ListJobResultsRequest, reader: Reader) -> pb.ListJobResultsResponse:
        job = await get_job(reader, request.collection, UUID(request.id))
        if job.kind in self._elsewhere:
            elsewhere = self._elsewhere[job.kind]
            page, shown = await elsewhere.results(reader, job.id, request, self._tokens), elsewhere.result
        else:
            page, shown = await RESULTS.page(reader, request, self._tokens, job_id=job.id), result_to_pb
        results = [shown(row) for row in page.rows]
        if job.kind not in self._elsewhere:
            await conceal_closed(reader, self._of(request), results)
        if await conceals(reader, self._of(request), JOBS.message(reader, job)):
            conceal_results(results)
        return pb.ListJobResultsResponse(
            results=results, next_page_token=page.next_token, prev_page_token=page.prev_token
        )

    def permission_of(self, request: Any) -> str:
        """What a request needs: to read the collection that it names."""
        return self._of(request).resource.permission

    def _of(self, request: Any) -> Changeable:
        """The collection that a request names; NotFound when jobs change nothing of it here."""
        found = self._changeable.get(request.collection)
        if found is None:
            raise NotFound(f"there are no jobs of {request.collection!r} here", reason="COLLECTION_NOT_FOUND")
        return found


def content_of(request: Any) -> dict[str, object]:
    """What is asked of each record, as JSON has it."""
    return {name: from_value(value) for name, value in request.request.items()}
