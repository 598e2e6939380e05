"""Carries exports out in their turns: pages of the list, as the asker is shown them then, into the store.

What was read becomes part of the export together with where the list goes on. Whoever dies in between leaves bytes that
belong to nothing, which are swept, and the next one reads the same page again.
"""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from crm.resource.v1 import exports_pb2 as pb
from crm.resource.v1.resources_pb2 import Record
from google.protobuf.message import Message

from crm_kit.attachments.contents import Contents
from crm_kit.background import Tenants
from crm_kit.database.work import ReadSession
from crm_kit.directory.access import Directory
from crm_kit.errors import Conflict, CrmError, ResourceExhausted, Unavailable
from crm_kit.exports.commands import fail_export, keep_records
from crm_kit.exports.exportable import Exportable
from crm_kit.exports.model import PAGE_SIZE, PART_BYTES, Asked, Export, in_parts, room_of_exports
from crm_kit.exports.queries import find_export
from crm_kit.jobs.commands import start_job
from crm_kit.jobs.model import Job, State
from crm_kit.jobs.worker import NO_PAUSE, PAUSE, OvertakenError, unit_for

log = structlog.get_logger()
# While others of the tenant read so many records that it has to wait.
BUSY = timedelta(seconds=5)


class Exporting:
    """Carries out the exports of a service.

    Files of a tenant, those that people attach included, have `max_tenant_bytes`; what exports may fill of it is less.
    """

    def __init__(
        self,
        tenants: Tenants,
        directory: Directory,
        contents: Contents,
        exportables: Mapping[str, Exportable],
        max_tenant_bytes: int,
    ) -> None:
        self._tenants = tenants
        self._directory = directory
        self._contents = contents
        self._exportables = exportables
        self._room = room_of_exports(max_tenant_bytes)

    async def take_turn(self, tenant_id: UUID, job: Job, end: float) -> timedelta:
        """Carry an export on until `end`, on the clock of the process, and say how long it waits for its next turn."""
        of = self._exportables.get(job.collection)
        if of is None:
            # A version that rolls out knows it.
            return PAUSE
        try:
            if job.state is State.QUEUED:
                async with unit_for(self._tenants, tenant_id, job) as work:
                    job = start_job(work, job)
            job = await self._write_on(tenant_id, of, job, end)
            while job.is_under_way and time.monotonic() < end:
                job = await self._write_on(tenant_id, of, job, end)
        except (Conflict, Unavailable):
            raise
        except CrmError as error:
            if isinstance(error, ResourceExhausted) and error.retry_after_seconds:
                return BUSY
            await self._fail(tenant_id, job, of, error)
        return NO_PAUSE

    async def _write_on(self, tenant_id: UUID, of: Exportable, job: Job, end: float) -> Job:
        """Read the next pages with the rights that the asker has now, and keep what they have."""
        actor = await self._directory.user(tenant_id, job.owner_id)
        now = self._tenants.now() + actor.access.clock_offset
        scope = actor.access.scope(of.on.resource.permission)
        reader = ReadSession(self._tenants.database, actor, scope=scope, now=now)
        reader.for_file = True
        export = await find_export(reader, job.id)
        if export is None:
            # Somebody has cancelled it.
            raise OvertakenError
        records, page_token = await self._read(reader, of, job, export, end)
        parts, first_byte = [], export.size_bytes
        for part in in_parts(records, PART_BYTES):
            content = pb.ReadExportedRecordsResponse(records=map(Record.FromString, part)).SerializeToString()
            parts.append(await self._contents.store(actor, now, job.id, first_byte, content))
            first_byte += len(content)
        async with unit_for(self._tenants, tenant_id, job) as work:
            return keep_records(
                work,
                of.on,
                job,
                export,
                parts,
                count=len(records),
                page_token=page_token,
                most=self._room,
            )

    async def _read(
        self, reader: ReadSession, of: Exportable, job: Job, export: Export, end: float
    ) -> tuple[list[bytes], str]:
        """The next records, some more than fit into a part unless time is over, and the token of the page behind."""
        asked = Asked.of(job.filter, job.request)
        request: Any = of.request(
            page_size=PAGE_SIZE, page_token=export.page_token, filter=asked.filter, order_by=asked.order_by
        )
        records: list[bytes] = []
        size = 0
        while True:
            page = await of.list(request, reader)
            found: list[Message] = list(getattr(page, of.collection))
            records += [each.SerializeToString() for each in found]
            size += page.ByteSize()
            request.page_token = page.next_page_token
            if not request.page_token or size >= PART_BYTES or time.monotonic() > end:
                return records, request.page_token

    async def _fail(self, tenant_id: UUID, job: Job, of: Exportable, error: CrmError) -> None:
        """It cannot go on, for example since who asked for it may not read the records any more."""
        log.info("export.failed", job_id=str(job.id), reason=error.reason)
        async with unit_for(self._tenants, tenant_id, job) as work:
            await fail_export(work, of.on, job, error)
