"""Uploads and imports between protobuf and entity."""

from collections.abc import Iterable

from crm.customer.v1 import events_pb2
from crm.customer.v1 import imports_pb2 as pb
from crm_kit.database.connections import Record
from crm_kit.errors import invalid_field
from crm_kit.etags import etag_of
from crm_kit.wire import EnumNames, Fields, id_from, id_text, same, timestamp

from crm_customer.imports.model import Import, Mode, State, Upload
from crm_customer.imports.spreadsheets.mapping import checked_mapping

MODES = EnumNames(pb.Import.Mode, "MODE_", Mode)
STATES = EnumNames(pb.Import.State, "STATE_", State)


def columns_from(values: Iterable[pb.ImportColumn]) -> dict[str, str]:
    """Column to field; InvalidArgument for fields that do not exist. Which columns exist, only the file knows."""
    columns: dict[str, str] = {}
    for index, each in enumerate(values):
        if each.column in columns:
            raise invalid_field(f"job.columns[{index}].column", "unique", f"{each.column!r} is there twice")
        columns[each.column] = each.field
    checked_mapping(list(columns), columns)
    return columns


# What a caller may set beside upload and mode.
FIELDS = Fields(external_source=same, columns=columns_from, dry_run=same, account_owner_id=id_from)


def upload_to_pb(upload: Upload) -> pb.Upload:
    return pb.Upload(
        id=str(upload.id),
        file_name=upload.file_name,
        content_type=upload.content_type,
        total_bytes=upload.total_bytes,
        received_bytes=upload.received_bytes,
        owner_id=str(upload.owner_id),
        etag=etag_of(upload.version),
        create_time=timestamp(upload.create_time),
        update_time=timestamp(upload.update_time),
    )


def import_to_pb(job: Import) -> pb.Import:
    return pb.Import(
        id=str(job.id),
        upload_id=str(job.upload_id),
        file_name=job.file_name,
        mode=MODES.wire(job.mode),
        external_source=job.external_source,
        columns=[pb.ImportColumn(column=column, field=field) for column, field in sorted(job.columns.items())],
        dry_run=job.dry_run,
        account_owner_id=id_text(job.account_owner_id),
        owner_id=str(job.owner_id),
        state=STATES.wire(job.state),
        mapping=[pb.ImportColumn(column=column, field=job.mapping.get(column, "")) for column in job.header],
        rows_total=job.rows_total,
        rows_read=job.rows_read,
        created_count=job.counts.created,
        updated_count=job.counts.updated,
        skipped_count=job.counts.skipped,
        failed_count=job.counts.failed,
        reported_count=job.counts.reported,
        failure_reason=job.failure_reason,
        failure=job.failure,
        etag=etag_of(job.version),
        create_time=timestamp(job.create_time),
        update_time=timestamp(job.update_time),
        start_time=timestamp(job.start_time),
        finish_time=timestamp(job.finish_time),
    )


def error_to_pb(row: Record) -> pb.ImportError:
    return pb.ImportError(
        row_number=row["row_number"],
        column=row["column"],
        value=row["value"],
        reason=row["reason"],
        detail=row["detail"],
    )


def import_finished(job: Import) -> events_pb2.ImportFinished:
    return events_pb2.ImportFinished(job=import_to_pb(job))
