"""`GET /v1/jobs/{collection}/{id}:download`: the file of an export that was made in the background.

What is kept of an export are its records. The file is written of them as that of any list is, part by part.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from crm.resource.v1 import exports_pb2 as pb
from crm_kit.attachments.links import maker_of
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from crm_gateway.channels import Call, Channels, Metadata, Reply
from crm_gateway.exchange import EXCHANGE_KEY, Exchange
from crm_gateway.long_work import on_thread
from crm_gateway.openapi.other_routes import answer_of
from crm_gateway.problems import Problem, ProblemError
from crm_gateway.protojson.encoder import Encoders
from crm_gateway.routes.attachments import admitted, in_path, in_query
from crm_gateway.routes.export import FILES, ListedCollection, Pages, ShownCollection, content_of
from crm_gateway.texts.catalogue import Language
from crm_gateway.transcode.operations import Operation

ENDINGS = {pb.ExportedFile.FORMAT_CSV: "csv", pb.ExportedFile.FORMAT_XLSX: "xlsx"}
RECORDS, LINKED = "/records", "/records:readLinked"
router = APIRouter()
_DOWNLOAD = {
    "operationId": "DownloadExport",
    "tags": ["Resource"],
    "summary": "Reads the file of an export that was made in the background.",
    "description": "For who began it, as long as they may read the collection and until `expire_time` of the job. It "
    "has the records as they were read then, without those and their fields that the reader may not see any more. It "
    "is sent while it is written; when it cannot be finished, the connection breaks off. `link` stands for a token.\n"
    "Reasons: ROUTE_NOT_FOUND, JOB_NOT_FOUND, EXPORT_NOT_FOUND, EXPORT_LINK_INVALID, ILLEGAL_STATE, PERMISSION_DENIED.",
    "x-permission": "that of the list",
    "parameters": [
        in_path("collection", "A collection whose records jobs change, for example accounts.", "accounts"),
        in_path("id", "The job."),
        in_query("link", "Of a link that was made for it: what it has behind `link=`.", maxLength=500),
        {"$ref": "#/components/parameters/XRequestId"},
    ],
    "responses": answer_of({media: {"schema": {"type": "string", "format": "binary"}} for _, media in FILES.values()}),
}


@dataclass(frozen=True, slots=True)
class Exported:
    """How the records of exports of a collection are read, with a token and by a link."""

    own: ListedCollection
    linked: ListedCollection


class ExportedFiles:
    """The collections that are exported, by their names in paths."""

    def __init__(self, operations: Iterable[Operation], channels: Channels) -> None:
        encoders = Encoders()
        of_paths = {each.binding.template: each for each in operations if each.binding.verb == "GET"}
        self._exported: Mapping[str, Exported] = {
            path.split("/")[3]: Exported(
                ListedCollection(of_paths[path.removesuffix(LINKED) + RECORDS], channels, encoders),
                ListedCollection(operation, channels, encoders),
            )
            for path, operation in of_paths.items()
            if path.endswith(LINKED)
        }

    def of(self, collection: str, *, linked: bool) -> ListedCollection:
        """How an export is read; ProblemError ROUTE_NOT_FOUND where there is none of the collection."""
        found = self._exported.get(collection)
        if found is None:
            raise ProblemError(Problem(404, "ROUTE_NOT_FOUND"))
        return found.linked if linked else found.own


@router.get("/v1/jobs/{collection}/{id}:download", openapi_extra=_DOWNLOAD)
async def download(request: Request, collection: str, id: UUID, link: str = "") -> Response:
    """The file, from the first part on."""
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    await admitted(request, exchange, public=bool(link))
    files: ExportedFiles = request.app.state.exported_files
    listed = files.of(collection, linked=bool(link))
    asked = listed.operation.reader.new()
    asked.id = str(id)
    if link:
        asked.link = link
    pages = Pages(listed.operation.rpc.owner, listed.call, asked, exchange, request.app.state.large_answers, read_part)
    first = await pages.next()
    if link:
        # It has held: what the file takes of the gateway is the share of its tenant, as with a token.
        exchange.tenant_id, exchange.user_id = map(str, maker_of(link))
    ending = ENDINGS[first.file.format]
    make, media = FILES[ending]
    headers = {
        "content-disposition": f'attachment; filename="{collection}.{ending}"',
        "cache-control": "no-store",
    }
    if exchange.verb == "HEAD":
        return Response(media_type=media, headers=headers)
    content = content_of(await on_thread(partial(as_asked, listed, first)), make(), first, pages)
    return StreamingResponse(content, media_type=media, headers=headers)


def as_asked(listed: ListedCollection, first: Any) -> ShownCollection:
    """With the columns, the language and the clocks that the export was asked for; `first` is its first part.

    A custom field that was put away since has no column.
    """
    file = first.file
    language = cast("Language | None", file.language or None)
    words: Language = language or "en"
    columns = listed.columns_for(language, list(first.custom_fields), words=words)
    shown = [each for path in file.fields for each in columns if f"{each.path}.".startswith(f"{path}.")]
    zone = ZoneInfo(file.time_zone) if file.time_zone else None
    return ShownCollection(listed, tuple(shown if file.fields else columns), words, zone)


async def read_part(call: Call, request: Any, metadata: Metadata, seconds: float) -> Reply:
    """The next part: it has the size that it was kept in."""
    return await call(request, metadata, seconds)
