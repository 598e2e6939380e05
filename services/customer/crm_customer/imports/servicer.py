"""ImportService: from message to command or query and back, nothing else."""

from collections.abc import Callable
from uuid import UUID

from crm.customer.v1 import imports_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_customer.imports import commands
from crm_customer.imports.hidden_columns import require_cells_shown
from crm_customer.imports.queries import ERRORS, get_upload
from crm_customer.imports.report import import_report, rows_of_report
from crm_customer.imports.resource import IMPORTS
from crm_customer.imports.wire import error_to_pb, report_to_pb, upload_to_pb


class ImportServicer:
    contract = pb.DESCRIPTOR.services_by_name["ImportService"]

    def __init__(self, tokens: PageTokens, wake: Callable[[], None], check_free: commands.CheckFree) -> None:
        """`wake` tells the worker of this process that there is an import to carry out.

        `check_free` knows who needs an upload beside imports.
        """
        self._tokens = tokens
        self._check_free = check_free
        self._wake = wake

    async def CreateUpload(self, request: pb.CreateUploadRequest, work: UnitOfWork) -> pb.Upload:
        upload = await commands.create_upload(
            work,
            file_name=request.file_name,
            content_type=request.content_type,
            total_bytes=request.total_bytes,
        )
        return upload_to_pb(upload)

    async def AppendUpload(self, request: pb.AppendUploadRequest, work: UnitOfWork) -> pb.Upload:
        upload = await commands.append_upload(
            work, UUID(request.id), request.offset, request.content, last=request.last
        )
        return upload_to_pb(upload)

    async def GetUpload(self, request: pb.GetUploadRequest, reader: Reader) -> pb.Upload:
        return upload_to_pb(await get_upload(reader, UUID(request.id)))

    async def DeleteUpload(self, request: pb.DeleteUploadRequest, work: UnitOfWork) -> pb.DeleteUploadResponse:
        await commands.delete_upload(work, UUID(request.id), etag=request.etag, check_free=self._check_free)
        return pb.DeleteUploadResponse()

    async def CreateImport(self, request: pb.CreateImportRequest, work: UnitOfWork) -> pb.Import:
        job = await commands.create_import(work, IMPORTS.values_of(request.job))
        work.after_commit.append(self._wake)
        return IMPORTS.message(work, job)

    async def GetImport(self, request: pb.GetImportRequest, reader: Reader) -> pb.Import:
        return await IMPORTS.read(reader, request.id)

    async def ListImports(self, request: pb.ListImportsRequest, reader: Reader) -> pb.ListImportsResponse:
        return await IMPORTS.list(reader, request, pb.ListImportsResponse, self._tokens)

    async def CancelImport(self, request: pb.CancelImportRequest, work: UnitOfWork) -> pb.Import:
        return IMPORTS.message(work, commands.cancel_import(work, await IMPORTS.target(work, request)))

    async def ListImportErrors(
        self, request: pb.ListImportErrorsRequest, reader: Reader
    ) -> pb.ListImportErrorsResponse:
        job = await IMPORTS.get(reader, UUID(request.id))
        require_cells_shown(reader.actor.access, job)
        page = await ERRORS.page(reader, request, self._tokens, import_id=job.id)
        return pb.ListImportErrorsResponse(
            errors=map(error_to_pb, page.rows), next_page_token=page.next_token, prev_page_token=page.prev_token
        )

    async def GetImportReport(self, request: pb.GetImportReportRequest, reader: Reader) -> pb.ImportReport:
        job = await IMPORTS.get(reader, UUID(request.id))
        require_cells_shown(reader.actor.access, job)
        if request.format == pb.GetImportReportRequest.FORMAT_ROWS:
            return report_to_pb(job, await rows_of_report(reader, job))
        is_csv = request.format == pb.GetImportReportRequest.FORMAT_CSV
        file_name, content_type, content = await import_report(reader, job, is_csv=is_csv)
        return pb.ImportReport(file_name=file_name, content_type=content_type, content=content)
