"""Carries imports out: one at a time, some rows a transaction, from where it was left.

What a transaction makes of its rows commits together with the import's counters, if nobody else has moved the
import on meanwhile: so wherever a worker dies, no row is lost and none is there twice. Another worker takes the
import over when the dead one's claim lapses.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from crm_kit.clock import TenantClock
from crm_kit.custom_fields.definitions import definitions_of
from crm_kit.database.connections import Database
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statistics import analyze_grown
from crm_kit.database.work import ReadSession, UnitOfWork, retried
from crm_kit.directory.access import Directory
from crm_kit.errors import Conflict, CrmError, Unavailable
from crm_kit.identity.access import SERVICE_ACCESS, Actor, Scope, service_actor
from crm_kit.identity.tokens import Claims
from crm_kit.ids import new_id

from crm_customer.imports import jobs
from crm_customer.imports.batch import Batch
from crm_customer.imports.commands import advance_import, fail_import, start_import, succeed_import
from crm_customer.imports.faults import fault_of
from crm_customer.imports.files import Fault, FileRow, Source, check_columns, fetch_upload, names_of, room_on_disk
from crm_customer.imports.hidden_columns import require_columns_shown
from crm_customer.imports.jobs import Job
from crm_customer.imports.lookups import Lookups
from crm_customer.imports.model import UNDER_WAY, Import, State
from crm_customer.imports.progress import advance
from crm_customer.imports.queries import get_stored_upload
from crm_customer.imports.resource import IMPORTS
from crm_customer.imports.spreadsheets.layout import Layout
from crm_customer.imports.spreadsheets.mapping import CONTACT_NAMES, Field
from crm_customer.imports.spreadsheets.separate import unpack
from crm_customer.records.accounts.commands import HIERARCHY
from crm_customer.records.accounts.resource import ACCOUNTS

log = structlog.get_logger()
BATCH = 250
"""Rows of one transaction."""

BATCH_BYTES = 1 << 20
"""Text of them, after which no more come to it: what is kept of a file at a time does not depend on its rows."""

SIDE_BY_SIDE = 2
"""Imports that a process carries out at a time, each of another tenant: a long one keeps nobody else waiting."""

POLL_SECONDS = 2.0
MAX_DEATHS = 2
"""Of workers on one import, with no row done in between: it is what takes them down."""


class Overtaken(Exception):
    """Somebody else has moved the import on: cancelled it, or taken it over."""


@dataclass(slots=True)
class Run:
    """An import under way in this worker."""

    tenant_id: UUID
    job: Import
    source: Source
    lookups: Lookups


class ImportWorker:
    """Takes imports of all tenants as they come. `run` it `SIDE_BY_SIDE` times."""

    name = "imports"

    def __init__(self, database: Database, clock: TenantClock, directory: Directory, issuer: str) -> None:
        self._database = database
        self._clock = clock
        self._directory = directory
        self._issuer = issuer
        # Called when an import has ended here, or was left to others.
        self.after_each: list[Callable[[], None]] = []
        self._waiting = asyncio.Event()
        # Whose imports are under way here; they are claimed one after the other.
        self._tenants: set[UUID] = set()
        self._claiming = asyncio.Lock()

    def wake(self) -> None:
        """There is an import to carry out."""
        self._waiting.set()

    async def run(self) -> None:
        """Carry imports out for ever."""
        left: Job | None = None
        while True:
            try:
                if left:
                    await jobs.release(self._database, left)
                job = left = None
                async with self._next_job() as found:
                    job = found
                    if job is not None:
                        await self.hold(job)
                        for tell in self.after_each:
                            tell()
                        continue
            except (Unavailable, Conflict) as error:
                log.warning("import.waiting", error=error.detail)
                left = job
                await asyncio.sleep(POLL_SECONDS)
            except Exception:
                # A defect of ours: that import is tried again when the claim on it has lapsed, the next one now.
                log.exception("import.stopped")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._waiting.wait()
            self._waiting.clear()

    @contextlib.asynccontextmanager
    async def _next_job(self) -> AsyncIterator[Job | None]:
        """The next import of a tenant that has none under way here; None when there is none."""
        async with self._claiming:
            job = await jobs.claim(self._database, new_id(), without=self._tenants)
            if job is not None:
                self._tenants.add(job.tenant_id)
        try:
            yield job
        finally:
            if job is not None:
                self._tenants.remove(job.tenant_id)

    async def hold(self, job: Job) -> None:
        """Carry out an import as long as the claim on it can be kept; what is not done is left to the next worker."""
        work = asyncio.create_task(self.carry_out(job))
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=jobs.RENEW_SECONDS)
                if not work.done() and not await jobs.renew(self._database, job):
                    log.warning("import.lost", import_id=str(job.import_id))
                    return
            await work
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await jobs.release(self._database, job)
            raise
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def carry_out(self, job: Job) -> None:
        """Carry out an import from where it was left until it ends, or is taken away."""
        try:
            check_tries(job)
            await self._from_where_it_was_left(job)
        except Overtaken:
            log.info("import.overtaken", import_id=str(job.import_id))
            await jobs.release(self._database, job)
        except (Unavailable, Conflict):
            raise
        except CrmError as error:
            await self._fail(job, error)

    async def _from_where_it_was_left(self, job: Job) -> None:
        reader = await self._reader(job.tenant_id)
        found = await IMPORTS.get(reader, job.import_id)
        if found.state not in UNDER_WAY:
            raise Overtaken
        if found.state is State.QUEUED:
            found = await self._start(job.tenant_id, found)
        upload = await get_stored_upload(reader, found.upload_id)
        custom = await definitions_of(reader, ACCOUNTS.collection, fresh=True)
        with room_on_disk(), await fetch_upload(reader, upload) as file:
            unpacked = await unpack(file, found.layout or Layout(), names_of(found, custom.fields))
        with unpacked.file:
            source = Source(unpacked, found, custom.fields)
            run = Run(job.tenant_id, found, source, Lookups(found.external_source))
            if not found.mapping:
                await self._begin(run, unpacked.row_count)
            if not found.rows_read:
                # What the columns were taken for is told before it is judged.
                check_columns(found, source, custom.fields)
            await asyncio.to_thread(run.source.skip, found.rows_read)
            await self._write_all(run)
        async with self._unit(run.tenant_id, run.job) as work:
            succeed_import(work, run.job)

    async def _start(self, tenant_id: UUID, before: Import) -> Import:
        async with self._unit(tenant_id, before) as work:
            return start_import(work, before)

    async def _begin(self, run: Run, total: int) -> None:
        async with self._unit(run.tenant_id, run.job) as work:
            after = advance_import(work, run.job, run.job.begin(run.source.columns, total, run.source.layout))
        run.job = after

    async def _write_all(self, run: Run) -> None:
        """Write what is left, and read on meanwhile."""
        rows = await asyncio.to_thread(run.source.take, BATCH, BATCH_BYTES)
        is_first = True
        while rows:
            following = asyncio.ensure_future(asyncio.to_thread(run.source.take, BATCH, BATCH_BYTES))
            try:
                await self._write(run, rows)
                if is_first:
                    # The rest of a large file would be written by plans for empty tables.
                    await analyze_grown(self._database)
            finally:
                # However it ends: nobody may close the file while it is read.
                rows = await following
            is_first = False

    async def _write(self, run: Run, rows: Sequence[FileRow]) -> None:
        """Write rows in one transaction; in smaller ones where that is refused, so that the good rows are in."""
        actor, scope = await self._rights(run)
        try:
            await retried(lambda: self._attempt(run, actor, scope, rows))
            return
        except (Overtaken, Unavailable):
            raise
        except CrmError as error:
            fault = fault_of(error, rows[0], run.source, run.job.external_source)
        except Exception:
            # Whatever it is, it must not keep the other rows out.
            log.exception("import.batch_failed", import_id=str(run.job.id), row=rows[0].number, rows=len(rows))
            fault = Fault("", "", "INTERNAL", "a failure of ours, which the log has")
        if len(rows) > 1:
            await self._write(run, rows[: len(rows) // 2])
            await self._write(run, rows[len(rows) // 2 :])
            return
        async with self._unit(run.tenant_id, run.job) as work:
            after = advance(work, run.job, rows, [(fault,)])
        run.job = after

    async def _attempt(self, run: Run, actor: Actor, scope: Scope, rows: Sequence[FileRow]) -> None:
        """Rows, counters and errors in one transaction. A dry run takes its rows back before it counts them."""
        work = UnitOfWork(self._database, actor, scope=scope, now=await self._clock.now(actor.tenant_id))
        work.job_id = run.job.id
        try:
            if run.source.column(Field.PARENT):
                # Before all that its rows hold, as whoever moves a single account takes it.
                await advisory_lock(work, HIERARCHY)
            results = await Batch(work, run.job, run.source, run.lookups).write(rows)
            if not run.job.dry_run:
                after = advance(work, run.job, rows, results)
                await work.commit()
        except Conflict:
            await self._check_not_overtaken(run.tenant_id, run.job)
            raise
        finally:
            await work.close()
        if run.job.dry_run:
            async with self._unit(run.tenant_id, run.job) as work:
                after = advance(work, run.job, rows, results)
        run.job = after

    async def _check_not_overtaken(self, tenant_id: UUID, job: Import) -> None:
        """Raise Overtaken if the conflict was about the import itself."""
        reader = await self._reader(tenant_id)
        if (await IMPORTS.get(reader, job.id)).version != job.version:
            raise Overtaken

    async def _fail(self, job: Job, error: CrmError) -> None:
        """The file or the user's rights do not allow to go on."""
        before = await IMPORTS.get(await self._reader(job.tenant_id), job.import_id)
        if before.state in UNDER_WAY:
            log.info("import.failed", import_id=str(job.import_id), reason=error.reason)
            with contextlib.suppress(Overtaken):
                async with self._unit(job.tenant_id, before) as work:
                    fail_import(work, before, error)

    async def _rights(self, run: Run) -> tuple[Actor, Scope]:
        """The user who made the import with what they may do now, and the records they may change."""
        tenant, user = str(run.tenant_id), str(run.job.owner_id)
        claims = Claims(self._issuer, tenant, user, expire_time=math.inf, token_id="")
        actor = await self._directory.actor(claims)
        scope = actor.access.scope("accounts.write")
        if CONTACT_NAMES & set(run.source.mapping.values()):
            scope = min(scope, actor.access.scope("contacts.write"))
        require_columns_shown(actor.access, run.source.mapping.values())
        return actor, scope

    @contextlib.asynccontextmanager
    async def _unit(self, tenant_id: UUID, job: Import) -> AsyncIterator[UnitOfWork]:
        """A unit of the import's own progress, in the name of who made it; Overtaken when it is no more as it was."""
        actor = Actor(tenant_id, job.owner_id, SERVICE_ACCESS)
        work = UnitOfWork(self._database, actor, scope=Scope.ALL, now=await self._clock.now(tenant_id))
        try:
            yield work
            await work.commit()
        except Conflict:
            await self._check_not_overtaken(tenant_id, job)
            raise
        finally:
            await work.close()

    async def _reader(self, tenant_id: UUID) -> ReadSession:
        now = await self._clock.now(tenant_id)
        return ReadSession(self._database, service_actor(tenant_id), scope=Scope.ALL, now=now)


def check_tries(job: Job) -> None:
    """An import that takes its workers down is not begun for ever."""
    if job.tries > MAX_DEATHS:
        raise CrmError(
            f"the import was begun {MAX_DEATHS} times and each time ended whoever carried it out, at the same row; "
            "split the file, or save it anew as .xlsx without formats and pictures",
            reason="IMPORT_CRASHED",
        )
