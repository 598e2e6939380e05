"""Bulk changes for tests: begun, read and stopped through the contract, and done in turns where a test wants that."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from crm.resource.v1 import jobs_pb2 as pb
from crm.resource.v1.jobs_pb2_grpc import JobServiceStub
from crm_kit.approvals.gate import Gate
from crm_kit.events.leases import Lease
from crm_kit.jobs.worker import JobWorker
from crm_kit.resource.values import to_value
from crm_kit.service import worker_of

from tests.service.eventually import PATIENCE_SECONDS, eventually
from tests.service.running import Running, User

QUEUED, RUNNING = pb.Job.STATE_QUEUED, pb.Job.STATE_RUNNING
SUCCEEDED, FAILED, CANCELLED = pb.Job.STATE_SUCCEEDED, pb.Job.STATE_FAILED, pb.Job.STATE_CANCELLED


@dataclass(frozen=True)
class Jobs:
    """The jobs of a collection of a service."""

    service: Running
    collection: str = "accounts"

    async def begin(
        self, by: User, filter: str, expected: int, verb: str = "update", *, key: str = "", **request: Any
    ) -> pb.Job:
        """Begin a bulk change, written as REST would be sent it."""
        values = {name: to_value(value) for name, value in request.items()}
        asked: Mapping[str, Any] = {"filter": filter, "expected_count": expected, "verb": verb, "request": values}
        return cast("pb.Job", await self._call("BulkChangeRecords", by, key=key, **asked))

    async def tried(
        self, by: User, filter: str, verb: str = "update", **request: Any
    ) -> pb.TryBulkChangeRecordsResponse:
        values = {name: to_value(value) for name, value in request.items()}
        answer = await self._call("TryBulkChangeRecords", by, filter=filter, verb=verb, request=values)
        return cast("pb.TryBulkChangeRecordsResponse", answer)

    async def get(self, by: User, job: pb.Job) -> pb.Job:
        return cast("pb.Job", await self._call("GetJob", by, id=job.id))

    async def ended(self, by: User, job: pb.Job, *, seconds: float = PATIENCE_SECONDS) -> pb.Job:
        """The job, once it has ended."""

        async def found() -> pb.Job | None:
            now = await self.get(by, job)
            return None if now.state in (QUEUED, RUNNING) else now

        return cast("pb.Job", await eventually(found, seconds=seconds))

    async def cancel(self, by: User, job: pb.Job, etag: str = "") -> pb.Job:
        return cast("pb.Job", await self._call("CancelJob", by, id=job.id, etag=etag))

    async def listed(self, by: User, **fields: Any) -> list[pb.Job]:
        return list((await self._call("ListJobs", by, **fields)).jobs)

    async def results(self, by: User, job: pb.Job, filter: str = "") -> list[pb.JobResult]:
        """All of them, page by page."""
        found: list[pb.JobResult] = []
        token = ""
        while True:
            page = await self._call("ListJobResults", by, id=job.id, filter=filter, page_token=token, page_size=7)
            found += page.results
            if not (token := page.next_page_token):
                return found

    async def _call(self, rpc: str, by: User, *, key: str = "", **fields: Any) -> Any:
        stub: Any = JobServiceStub(self.service.channel)
        request = getattr(pb, f"{rpc}Request")(collection=self.collection, **fields)
        return await getattr(stub, rpc)(request, metadata=by.with_key(key) if key else by.metadata)


def worker(service: Running) -> JobWorker:
    """What carries out jobs, as another process of the service has it."""
    own = service.service
    return worker_of(own, Gate(own.approvables, own.directory, own.calendars))


@contextlib.asynccontextmanager
async def held_up(service: Running, tenant_id: UUID) -> AsyncIterator[None]:
    """In the block the service's own worker does nothing for the tenant: the test does."""
    lease = Lease(service.service.database, f"jobs of {tenant_id}")
    await eventually(lease.hold)
    try:
        async with lease.kept():
            yield
    finally:
        await lease.end()
