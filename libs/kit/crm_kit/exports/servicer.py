"""ExportService: from message to command or query and back, for the collections of one service."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from crm.resource.v1 import exports_pb2 as pb
from crm.resource.v1 import jobs_pb2
from google.protobuf.empty_pb2 import Empty

from crm_kit.attachments.contents import Contents
from crm_kit.attachments.links import LASTS, Link, Links
from crm_kit.database.work import Reader, ReadSession, UnitOfWork
from crm_kit.directory.access import Directory
from crm_kit.errors import NotFound, Unauthenticated
from crm_kit.exports.commands import begin_export, delete_file
from crm_kit.exports.exportable import Exportable
from crm_kit.exports.model import Asked
from crm_kit.exports.queries import get_finished
from crm_kit.exports.reading import read_exported
from crm_kit.file_store.store import no_store
from crm_kit.jobs.resource import JOBS
from crm_kit.paging import PageTokens
from crm_kit.resource.withholding import Withholding
from crm_kit.resource.writing import Resource
from crm_kit.rpc.methods import PUBLIC
from crm_kit.settings import ServiceSettings

AnyResource = Resource[Any, Any]
# Who has begun to read a file while their link held reads on for so long: slow lines take a while.
READS_ON = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ExportServicer:
    exportables: Mapping[str, Exportable]
    directory: Directory
    contents: Contents
    withholding: Withholding
    tokens: PageTokens
    settings: ServiceSettings
    wake: Callable[[], None]

    contract = pb.DESCRIPTOR.services_by_name["ExportService"]

    async def ExportRecords(self, request: pb.ExportRecordsRequest, work: UnitOfWork) -> jobs_pb2.Job:
        if not self.settings.file_store_url:
            raise no_store()
        job = await begin_export(work, self._of(request), asked_of(request, work))
        work.after_commit.append(self.wake)
        return JOBS.message(work, job)

    async def ReadExportedRecords(
        self, request: pb.ReadExportedRecordsRequest, reader: ReadSession
    ) -> pb.ReadExportedRecordsResponse:
        return await self._read(request, reader)

    async def DeleteRecordExport(self, request: pb.DeleteRecordExportRequest, work: UnitOfWork) -> Empty:
        await delete_file(work, request.collection, UUID(request.id))
        return Empty()

    async def GetRecordExportLink(self, request: pb.GetRecordExportLinkRequest, reader: Reader) -> pb.ExportLink:
        await get_finished(reader, request.collection, UUID(request.id))
        actor = reader.actor
        # By the clock of machines, whatever that of a sandbox shows: who uses the link brings no tenant.
        link = Link(actor.tenant_id, actor.user_id, reader.now - actor.access.clock_offset + LASTS)
        made = self._links.made(link, path_of(request))
        above = f"/v1/jobs/{request.collection.replace('_', '-')}"
        answer = pb.ExportLink(path=f"{above}/{request.id}:download?link={made}")
        answer.expire_time.FromDatetime(link.expire_time)
        return answer

    async def ReadLinkedRecordExport(
        self, request: pb.ReadLinkedRecordExportRequest, reader: ReadSession
    ) -> pb.ReadLinkedRecordExportResponse:
        began = reader.now - READS_ON if request.page_token else reader.now
        link = self._links.read(request.link, path_of(request), now=began)
        try:
            actor = await self.directory.user(link.tenant_id, link.user_id)
        except Unauthenticated:
            raise self._links.invalid() from None
        scope = actor.access.scope(self._of(request).permission)
        now = reader.now + actor.access.clock_offset
        read = await self._read(request, ReadSession(reader.database, actor, scope=scope, now=now))
        return pb.ReadLinkedRecordExportResponse.FromString(read.SerializeToString())

    def permission_of(self, request: Any) -> str:
        """What a request needs: the permission to read the collection that it names, unless a link has seen to that."""
        return PUBLIC if isinstance(request, pb.ReadLinkedRecordExportRequest) else self._of(request).permission

    async def _read(self, request: Any, reader: ReadSession) -> pb.ReadExportedRecordsResponse:
        return await read_exported(
            reader,
            self._of(request),
            self.contents,
            self.withholding,
            self.tokens,
            id=UUID(request.id),
            page_token=request.page_token,
        )

    @property
    def _links(self) -> Links:
        return Links(self.settings.page_token_key.encode(), noun="export")

    def _of(self, request: Any) -> AnyResource:
        """The resource that a request names; NotFound when its records are not exported here."""
        found = self.exportables.get(request.collection)
        if found is None:
            raise NotFound(f"{request.collection!r} are not exported here", reason="COLLECTION_NOT_FOUND")
        return found.on.resource


def asked_of(request: pb.ExportRecordsRequest, reader: Reader) -> Asked:
    """What a request asks for: CSV unless it says otherwise, and the tenant's clocks for who reads labels."""
    format = pb.ExportedFile.Format.Name(request.format or pb.ExportedFile.FORMAT_CSV)
    return Asked(
        filter=request.filter,
        order_by=request.order_by,
        format=format.removeprefix("FORMAT_"),
        fields=tuple(request.fields),
        language=request.language,
        time_zone=request.time_zone or (reader.actor.access.time_zone if request.language else ""),
    )


def path_of(request: Any) -> tuple[str, str]:
    """What a link is bound to."""
    return request.collection, request.id
