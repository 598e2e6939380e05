"""What is imported, and what is wrong with its rows, as messages: uploads and errors are no resources."""

from collections.abc import Iterable
from pathlib import PurePath

from crm.customer.v1 import imports_pb2 as pb
from crm.resource.v1 import jobs_pb2
from crm_kit.database.connections import Record
from crm_kit.etags import etag_of
from crm_kit.jobs.model import Outcome
from crm_kit.wire import timestamp

from crm_customer.imports.model import Import, Upload
from crm_customer.imports.spreadsheets.report import kept_cells, report_header
from crm_customer.imports.spreadsheets.rows import BadRow, RowError


def upload_to_pb(upload: Upload) -> pb.Upload:
    return pb.Upload(
        id=str(upload.id),
        file_name=upload.file_name,
        content_type=upload.content_type,
        total_bytes=upload.total_bytes or None,
        received_bytes=upload.received_bytes,
        owner_id=str(upload.owner_id),
        etag=etag_of(upload.version),
        create_time=timestamp(upload.create_time),
        update_time=timestamp(upload.update_time),
    )


def error_to_pb(row: Record) -> pb.ImportError:
    return pb.ImportError(
        row_number=row["row_number"],
        column=row["column"],
        value=row["value"],
        reason=row["reason"],
        detail=row["detail"],
        row_imported=row["row_imported"],
        metadata=row["metadata"],
    )


def report_to_pb(job: Import, rows: Iterable[BadRow]) -> pb.ImportReport:
    """The rows that stayed out, for who writes the file; it is called as the file was, without its ending."""
    return pb.ImportReport(
        file_name=f"{PurePath(job.file_name).stem}-errors",
        header=report_header(job.header),
        rows=[
            pb.ImportReport.Row(cells=kept_cells(job.header, row), errors=map(row_error_to_pb, row.errors))
            for row in rows
        ],
    )


def row_error_to_pb(error: RowError) -> pb.ImportError:
    return pb.ImportError(
        row_number=error.row_number,
        column=error.column,
        value=error.value,
        reason=error.reason,
        detail=error.detail,
        metadata=error.metadata,
    )


def result_to_pb(row: Record) -> jobs_pb2.JobResult:
    """What is wrong with a row, as a list of results has it; there is no record to be named."""
    outcome = Outcome.CHANGED if row["row_imported"] else Outcome.FAILED
    violation = jobs_pb2.JobResult.Violation(field=row["column"], rule=row["reason"], detail=row["detail"])
    return jobs_pb2.JobResult(
        position=row["position"],
        outcome=jobs_pb2.JobResult.Outcome.Value(f"OUTCOME_{outcome}"),
        reason=row["reason"],
        detail=row["detail"],
        violations=[violation] if row["column"] else [],
    )
