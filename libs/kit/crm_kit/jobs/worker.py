"""Carries jobs out, tenant by tenant and in turns: each record in a transaction of its own, with what became of it.

A record has one outcome, and what is done to it becomes true together with that: so wherever a worker dies, the next
one goes on, and a record that two take at once is done by one of them. The counters of a job follow its records.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol
from uuid import UUID

import structlog
from google.protobuf.message import Message

from crm_kit.automation.watched import Call
from crm_kit.background import PeriodicJob, Tenants
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.database.statistics import analyze_grown
from crm_kit.database.work import ReadSession, UnitOfWork, retried, unit_of_work
from crm_kit.directory.access import Directory
from crm_kit.errors import Conflict, CrmError, InvalidArgument, PermissionDenied, Unauthenticated, Unavailable
from crm_kit.events.leases import Lease
from crm_kit.identity.access import SERVICE_ACCESS, Actor, Scope, service_actor
from crm_kit.jobs.calling import Changeable
from crm_kit.jobs.commands import advance_job, fail_job, put_behind, start_job
from crm_kit.jobs.model import Job, Kind, Outcome, Result, State, refused_by
from crm_kit.jobs.queries import due_turns, next_records, waits
from crm_kit.jobs.records import mark
from crm_kit.jobs.resource import JOBS

log = structlog.get_logger()
EVERY_SECONDS = 1.0
# Tenants that a process works for at once, and for how long before others have their turn.
PLACES = 4
TURN_SECONDS = 1.0
# Records after which the counters are brought up to date.
BATCH = 100
# So long one record may take; it has failed then.
RECORD_SECONDS = 10.0
NO_PAUSE = timedelta(0)
# After what was not to be expected.
PAUSE = timedelta(minutes=1)


class OvertakenError(Exception):
    """Somebody else has moved the job on, or ended it."""


class OtherKind(Protocol):
    """Carries out the jobs of another kind than bulk changes."""

    async def take_turn(self, tenant_id: UUID, job: Job, end: float) -> timedelta:
        """Carry a job on until `end`, on the clock of the process, and say how long it waits for its next turn."""


NO_OTHERS: Mapping[Kind, OtherKind] = MappingProxyType({})


@dataclass(slots=True)
class Run:
    """A job under way in this worker: what it calls, and with which request, that lacks the record."""

    tenant_id: UUID
    job: Job
    on: Changeable
    call: Call
    request: Message

    def request_for(self, record_id: UUID) -> Message:
        request = type(self.request)()
        request.CopyFrom(self.request)
        addressed: Any = getattr(request, self.on.resource.place) if self.call.is_update else request
        addressed.id = str(record_id)
        return request


class JobWorker:
    """Carries out the jobs of a service; each process of it has one."""

    def __init__(
        self,
        tenants: Tenants,
        directory: Directory,
        changeable: Mapping[str, Changeable],
        others: Mapping[Kind, OtherKind] = NO_OTHERS,
    ) -> None:
        self._tenants = tenants
        self._directory = directory
        self.changeable = changeable
        self._others = others
        self._places = asyncio.Semaphore(PLACES)
        self.job = PeriodicJob("jobs", self.look, every_seconds=EVERY_SECONDS)

    async def look(self) -> bool:
        """Give each tenant that has a job its turn; True when there may be more to do."""
        rows = await self._tenants.database.all(ALL_TENANTS, due_turns(), {})
        more = await asyncio.gather(*(self._have_place(row["tenant_id"], row["job_id"]) for row in rows))
        return any(more)

    async def _have_place(self, tenant_id: UUID, job_id: UUID) -> bool:
        """Work for a tenant, in one process at a time."""
        async with self._places:
            lease = Lease(self._tenants.database, f"jobs of {tenant_id}")
            if not await lease.hold():
                return False
            try:
                async with lease.kept():
                    return await self._have_turn(tenant_id, job_id)
            finally:
                with contextlib.suppress(Unavailable):
                    await lease.end()

    async def _have_turn(self, tenant_id: UUID, job_id: UUID) -> bool:
        """Carry a job on for as long as its turn takes; whether the tenant may have more to do at once."""
        try:
            pause = await self.take_turn(tenant_id, job_id)
        except (Conflict, OvertakenError):
            log.info("job.overtaken", job_id=str(job_id))
            pause = NO_PAUSE
        except Unavailable as error:
            log.warning("job.waiting", job_id=str(job_id), error=error.detail)
            return False
        except Exception:
            log.exception("job.stopped", tenant_id=str(tenant_id), job_id=str(job_id))
            pause = PAUSE
        async with self._tenants.unit(tenant_id) as work:
            work.execute(put_behind(), job_id=job_id, pause=pause)
        return pause == NO_PAUSE

    async def take_turn(self, tenant_id: UUID, job_id: UUID) -> timedelta:
        """Carry a job on, and say how long it waits for its next turn."""
        end, reader = time.monotonic() + TURN_SECONDS, await self._reader(tenant_id)
        job = await JOBS.get(reader, job_id)
        if job.kind in self._others:
            return await self._others[job.kind].take_turn(tenant_id, job, end)
        on = self.changeable.get(job.collection)
        if on is None or job.verb not in on.calls:
            # A version that rolls out knows it.
            return PAUSE
        if job.state is State.QUEUED:
            async with unit_for(self._tenants, tenant_id, job) as work:
                job = start_job(work, job)
            # Its records may be the first that there are: plans for an empty table would find each by reading all.
            await analyze_grown(self._tenants.database)
        try:
            call = on.calls[job.verb]
            request = on.request_of(call, job.request, record_id=str(job.id))
            run = Run(tenant_id, job, on, call, request)
            await self._take(run, reader, end)
            while run.job.is_under_way and time.monotonic() < end:
                await self._take(run, reader, end)
        except (InvalidArgument, Unauthenticated, PermissionDenied) as error:
            await self._fail(tenant_id, job_id, on, error)
        return NO_PAUSE

    async def _take(self, run: Run, reader: ReadSession, end: float) -> None:
        """Do the next records, as many as there is time for, and bring the counters up to date."""
        outcomes: list[Outcome] = []
        for row in await next_records(reader, run.job, BATCH):
            known = row["outcome"]
            outcomes.append(Outcome(known) if known else await self._do(run, row["position"], row["record_id"]))
            if time.monotonic() > end:
                break
        async with unit_for(self._tenants, run.tenant_id, run.job) as work:
            after = advance_job(work, run.on, run.job, outcomes)
        run.job = after

    async def _do(self, run: Run, position: int, record_id: UUID) -> Outcome:
        """What became of a record. Unauthenticated, PermissionDenied where nothing may be done in the asker's name."""
        actor = await self._directory.user(run.tenant_id, run.job.owner_id)
        scope = run.on.scope_of(actor, run.call)
        try:
            async with asyncio.timeout(RECORD_SECONDS):
                return await retried(partial(self._done, run, actor, scope, position, record_id))
        except Unavailable:
            raise
        except CrmError as error:
            result = refused_by(error)
        except OvertakenError:
            raise
        except Exception:
            # Whatever it is, it must not keep the other records waiting.
            log.exception("job.record_failed", job_id=str(run.job.id), record_id=str(record_id))
            result = FAILED_UNEXPECTEDLY
        async with unit_for(self._tenants, run.tenant_id, run.job) as work:
            mark(work, run.job, position, result)
        return result.outcome

    async def _done(self, run: Run, actor: Actor, scope: Scope, position: int, record_id: UUID) -> Outcome:
        """Do it as the asker. OvertakenError where the record does not wait for its turn any more."""
        now = self._tenants.now() + actor.access.clock_offset
        work = UnitOfWork(self._tenants.database, actor, scope=scope, now=now)
        work.job_id = run.job.id
        try:
            answer = await run.on.run(work, run.call, run.request_for(record_id))
            result = result_of(work, answer)
            mark(work, run.job, position, result)
            await work.commit()
        except Conflict:
            await work.close()
            if not await waits(await self._reader(run.tenant_id), run.job.id, position):
                raise OvertakenError from None
            raise
        finally:
            await work.close()
        return result.outcome

    async def _fail(self, tenant_id: UUID, job_id: UUID, on: Changeable, error: CrmError) -> None:
        """Who asked for it may not do it any more."""
        job = await JOBS.get(await self._reader(tenant_id), job_id)
        if job.is_under_way:
            log.info("job.failed", job_id=str(job_id), reason=error.reason)
            async with unit_for(self._tenants, tenant_id, job) as work:
                await fail_job(work, on, job, error)

    async def _reader(self, tenant_id: UUID) -> ReadSession:
        now = await self._tenants.now_of(tenant_id)
        return ReadSession(self._tenants.database, service_actor(tenant_id), scope=Scope.ALL, now=now)


@contextlib.asynccontextmanager
async def unit_for(tenants: Tenants, tenant_id: UUID, job: Job) -> AsyncIterator[UnitOfWork]:
    """A unit of a job's own progress, in the name of who asked for it."""
    actor, now = Actor(tenant_id, job.owner_id, SERVICE_ACCESS), await tenants.now_of(tenant_id)
    async with unit_of_work(tenants.database, actor, scope=Scope.ALL, now=now) as work:
        yield work


def result_of(work: UnitOfWork, answer: Any) -> Result:
    """What a call that went well did: where it tells of nothing, the record was so already."""
    if work.wakes_relay:
        return Result(Outcome.CHANGED, record_etag=answer.etag)
    return Result(Outcome.UNCHANGED)


FAILED_UNEXPECTEDLY = Result(Outcome.FAILED, reason="INTERNAL", detail="it failed for a reason that nobody foresaw")
