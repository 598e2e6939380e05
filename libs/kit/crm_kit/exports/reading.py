"""Reading the records of an export: as they were then, and no more of them than the reader sees now."""

from typing import Any
from uuid import UUID

from crm.resource.v1 import exports_pb2 as pb

from crm_kit.attachments.contents import Contents
from crm_kit.attachments.queries import parts_of
from crm_kit.custom_field_definitions.resource import CUSTOM_FIELDS
from crm_kit.custom_fields.definitions import definitions_of
from crm_kit.database.work import Reader, ReadSession
from crm_kit.exports.model import Asked
from crm_kit.exports.queries import get_finished
from crm_kit.jobs.model import Job
from crm_kit.paging import Cursor, ListRequest, PageTokens
from crm_kit.resource.concealing import conceal
from crm_kit.resource.label import Shown
from crm_kit.resource.reading import in_turns
from crm_kit.resource.servicer import as_record
from crm_kit.resource.withholding import Withholding
from crm_kit.resource.writing import Resource


async def read_exported(
    reader: ReadSession,
    resource: Resource[Any, Any],
    contents: Contents,
    withholding: Withholding,
    tokens: PageTokens,
    *,
    id: UUID,
    page_token: str,
) -> pb.ReadExportedRecordsResponse:
    """The records of a part, with the first also the custom fields that there are columns for.

    NotFound, PermissionDenied, FailedPrecondition as `get_finished`; InvalidArgument for a token of something else.
    """
    job, export = await get_finished(reader, resource.collection, id)
    request = ListRequest("export", reader.tenant_id, "", "", (str(id),))
    first_byte = first_byte_of(tokens.cursor(page_token, request))
    kept, end = pb.ReadExportedRecordsResponse(), first_byte
    for part in await parts_of(reader, id, first_byte, export.size_bytes, most=1):
        kept.ParseFromString(await contents.read(reader.tenant_id, [part], part.first_byte, part.end))
        end = part.end
    answer = pb.ReadExportedRecordsResponse(
        records=await shown_now(reader, resource, withholding, kept),
        next_page_token=tokens.issue(request, Cursor((end,)) if end < export.size_bytes else None),
        file=file_of(job),
    )
    if not first_byte and resource.has_custom:
        custom = (await definitions_of(reader, resource.collection)).fields.values()
        in_use = sorted((each for each in custom if each.is_active), key=lambda each: (each.position, each.id))
        answer.custom_fields.extend(CUSTOM_FIELDS.message(reader, each) for each in in_use)
    return answer


async def shown_now(
    reader: Reader, resource: Resource[Any, Any], withholding: Withholding, kept: pb.ReadExportedRecordsResponse
) -> list[Any]:
    """The records of a part without what the reader may not see any more; that they read them is noted."""
    records = await in_turns(kept.records, lambda each: resource.message_type.FromString(each.SerializeToString()))
    shown = await resource.still_shown(reader, records)
    await withholding.withhold(reader, shown)
    conceal(reader.actor.access, shown)
    await resource.note(reader, shown, Shown.EXPORTED)
    return await in_turns(shown, as_record)


def first_byte_of(cursor: Cursor) -> int:
    """Where a part begins that a token names."""
    match cursor.position:
        case (int() as first_byte,):
            return first_byte
    return 0


def file_of(job: Job) -> pb.ExportedFile:
    """How the file of an export is written."""
    asked = Asked.of(job.filter, job.request)
    return pb.ExportedFile(
        format=pb.ExportedFile.Format.Value(f"FORMAT_{asked.format}"),
        fields=asked.fields,
        language=asked.language,
        time_zone=asked.time_zone,
    )
