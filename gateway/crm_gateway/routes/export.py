"""`GET /v1/{collection}:export`: any list with its filter and order as CSV or XLSX, streamed.

It reads the collection's own list page by page, with the caller's token: scope, filter and order are those of the
list, a row that is inserted meanwhile is neither doubled nor skipped, and no more than a page is held.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from google.protobuf import message_factory

from crm_gateway.admission import Admission
from crm_gateway.channels import Call, Channels, Metadata
from crm_gateway.exchange import EXCHANGE_KEY, Exchange
from crm_gateway.exports import csv_file, xlsx_file
from crm_gateway.exports.columns import Column, columns_of
from crm_gateway.openapi.other_routes import answer_of
from crm_gateway.problems import Problem, ProblemError, from_rpc_error, malformed
from crm_gateway.transcode.dispatch import metadata_of
from crm_gateway.transcode.encoder import Encode
from crm_gateway.transcode.operations import Operation

PAGE_SIZE = 200
PAGE_SECONDS = 30.0
FILES: Mapping[str, tuple[type[csv_file.CsvFile] | type[xlsx_file.XlsxFile], str]] = {
    "csv": (csv_file.CsvFile, csv_file.MEDIA_TYPE),
    "xlsx": (xlsx_file.XlsxFile, xlsx_file.MEDIA_TYPE),
}
PARAMETERS = ("filter", "order_by", "format")

router = APIRouter()


@dataclass(frozen=True, slots=True)
class ListedCollection:
    """A collection that can be exported: its list, and the columns of its records."""

    name: str
    call: Call
    request: Any
    encode: Encode
    columns: tuple[Column, ...]

    async def page(self, asked: Mapping[str, str], token: str, metadata: Metadata) -> tuple[list[list[str]], str]:
        """The rows of one page, and the token of the next; ProblemError when it is refused."""
        request = self.request(**asked, page_size=PAGE_SIZE, page_token=token)
        try:
            message, _ = await self.call(request, metadata, PAGE_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise ProblemError(from_rpc_error(error)) from error
        records = self.encode(message)[self.name]
        return [[column.read(record) for column in self.columns] for record in records], message.next_page_token


def listed_collections(operations: Iterable[Operation], channels: Channels) -> dict[str, ListedCollection]:
    """Every collection that has a list of its own, by name."""
    found: dict[str, ListedCollection] = {}
    for each in operations:
        collection = each.binding.template.removeprefix("/v1/")
        repeated = each.rpc.response.fields_by_name.get(collection)
        is_list = each.binding.verb == "GET" and each.rpc.name.startswith("List")
        if is_list and repeated is not None and repeated.message_type is not None:
            found[collection] = ListedCollection(
                collection,
                channels.call_of(each.rpc),
                message_factory.GetMessageClass(each.rpc.request),
                each.encode,
                tuple(columns_of(repeated.message_type)),
            )
    return found


async def rows_of(
    collection: ListedCollection,
    file: csv_file.CsvFile | xlsx_file.XlsxFile,
    first: tuple[list[list[str]], str],
    asked: Mapping[str, str],
    metadata: Metadata,
) -> AsyncIterator[bytes]:
    """The file's bytes, page by page. A page that fails breaks the connection off: half a file is no answer."""
    rows, token = first
    file.write([column.heading for column in collection.columns])
    while True:
        for row in rows:
            file.write(row)
        yield file.take()
        if not token:
            break
        rows, token = await collection.page(asked, token, metadata)
    yield file.end()


@router.get(
    "/v1/{collection}:export",
    openapi_extra={
        "operationId": "ExportRecords",
        "tags": ["Resource"],
        "summary": "Exports any list with its filter and order as CSV or XLSX.",
        "description": "It has every record that the caller may see, and a column for each field. It is sent while it "
        "is read; when it cannot be finished, the connection breaks off. In CSV a cell that a spreadsheet would "
        "compute begins with an apostrophe; in XLSX every cell is text.\n"
        "Reasons: INVALID_FILTER, PERMISSION_DENIED, ROUTE_NOT_FOUND.",
        "x-permission": "that of the list",
        "parameters": [
            {
                "name": "collection",
                "in": "path",
                "required": True,
                "description": "Any collection that has a list, for example accounts.",
                "schema": {"type": "string", "pattern": "^[a-z][A-Za-z_]{0,99}$", "examples": ["accounts"]},
            },
            {
                "name": "filter",
                "in": "query",
                "description": "As in the list.",
                "schema": {"type": "string", "maxLength": 2000},
            },
            {
                "name": "order_by",
                "in": "query",
                "description": "As in the list.",
                "schema": {"type": "string", "maxLength": 100},
            },
            {
                "name": "format",
                "in": "query",
                "description": "What kind of file; CSV when not given.",
                "schema": {"type": "string", "enum": list(FILES), "default": "csv"},
            },
            {"$ref": "#/components/parameters/XRequestId"},
        ],
        "responses": answer_of(
            {media: {"schema": {"type": "string", "format": "binary"}} for _, media in FILES.values()}
        ),
    },
)
async def export(collection: str, request: Request) -> Response:
    """The file, from the first page on."""
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    admission: Admission = request.app.state.admission
    exchange.answer_headers += await admission.admit(
        exchange.headers.get(b"authorization"), exchange.client, public=False
    )
    listed: ListedCollection | None = request.app.state.listed_collections.get(collection)
    if listed is None:
        raise ProblemError(Problem(404, "ROUTE_NOT_FOUND"))
    asked = dict(request.query_params)
    for name in asked.keys() - set(PARAMETERS):
        raise ProblemError(malformed(name, "unknown_field", "parameter"))
    format = asked.pop("format", "csv")
    if format not in FILES:
        raise ProblemError(malformed("format", "enum", choices=", ".join(FILES)))
    make, media = FILES[format]
    metadata = metadata_of(exchange)
    # Whatever is wrong with the request is said before the answer begins.
    first = await listed.page(asked, "", metadata)
    headers = {
        "content-disposition": f'attachment; filename="{collection}.{format}"',
        "cache-control": "no-store",
    }
    return StreamingResponse(rows_of(listed, make(), first, asked, metadata), media_type=media, headers=headers)
