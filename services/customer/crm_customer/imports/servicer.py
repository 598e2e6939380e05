"""ImportService: from message to command or query and back, nothing else."""

from collections.abc import Callable
from uuid import UUID

from crm.customer.v1 import imports_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_customer.imports import commands
from crm_customer.imports.queries import ERRORS, LISTING, get_import, get_upload, import_from
from crm_customer.imports.report import import_report
from crm_customer.imports.wire import FIELDS, MODES, error_to_pb, import_to_pb, upload_to_pb


class ImportServicer:
    contract = pb.DESCRIPTOR.services_by_name["ImportService"]

    def __init__(self, tokens: PageTokens, wake: Callable[[], None]) -> None:
        """`wake` tells the worker of this process that there is an import to carry out."""
        self._tokens = tokens
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
        upload = await commands.append_upload(work, UUID(request.id), request.offset, request.content)
        return upload_to_pb(upload)

    async def GetUpload(self, request: pb.GetUploadRequest, reader: Reader) -> pb.Upload:
        return upload_to_pb(await get_upload(reader, UUID(request.id)))

    async def CreateImport(self, request: pb.CreateImportRequest, work: UnitOfWork) -> pb.Import:
        job = await commands.create_import(
            work,
            UUID(request.job.upload_id),
            mode=MODES.entity(request.job.mode),
            values=FIELDS.all_of(request.job),
        )
        work.after_commit.append(self._wake)
        return import_to_pb(job)

    async def GetImport(self, request: pb.GetImportRequest, reader: Reader) -> pb.Import:
        return import_to_pb(await get_import(reader, UUID(request.id)))

    async def ListImports(self, request: pb.ListImportsRequest, reader: Reader) -> pb.ListImportsResponse:
        page = await LISTING.page(reader, request, self._tokens)
        imports = [import_to_pb(import_from(row)) for row in page.rows]
        return pb.ListImportsResponse(imports=imports, next_page_token=page.next_token, prev_page_token=page.prev_token)

    async def CancelImport(self, request: pb.CancelImportRequest, work: UnitOfWork) -> pb.Import:
        return import_to_pb(await commands.cancel_import(work, UUID(request.id)))

    async def ListImportErrors(
        self, request: pb.ListImportErrorsRequest, reader: Reader
    ) -> pb.ListImportErrorsResponse:
        job = await get_import(reader, UUID(request.id))
        page = await ERRORS.page(reader, request, self._tokens, import_id=job.id)
        return pb.ListImportErrorsResponse(
            errors=map(error_to_pb, page.rows), next_page_token=page.next_token, prev_page_token=page.prev_token
        )

    async def GetImportReport(self, request: pb.GetImportReportRequest, reader: Reader) -> pb.ImportReport:
        job = await get_import(reader, UUID(request.id))
        is_csv = request.format == pb.GetImportReportRequest.FORMAT_CSV
        file_name, content_type, content = await import_report(reader, job, is_csv=is_csv)
        return pb.ImportReport(file_name=file_name, content_type=content_type, content=content)
