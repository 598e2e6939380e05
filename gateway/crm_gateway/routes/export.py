"""`GET /v1/{collection}:export`: any list with its filter and order as CSV or XLSX, streamed.

It reads the collection's own list page by page, with the caller's token: scope, filter and order are those of the
list, a row that is inserted meanwhile is neither doubled nor skipped, and no more than a page is held.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import cached_property, partial
from typing import Any
from zoneinfo import ZoneInfo

import grpc
from crm_kit.errors import InvalidArgument
from crm_kit.spreadsheets import xlsx_file
from crm_kit.zones import check_zone
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from google.protobuf.descriptor import FieldDescriptor

from crm_gateway.admission import Admission
from crm_gateway.channels import Call, Channels, Metadata, Reply
from crm_gateway.custom_fields import CustomFieldLists
from crm_gateway.exchange import EXCHANGE_KEY, Exchange
from crm_gateway.exports import csv_file
from crm_gateway.exports.columns import Column, called, chosen, columns_of, custom_columns, in_zone
from crm_gateway.large_answers import LargeAnswers
from crm_gateway.long_work import on_thread, turn_of
from crm_gateway.openapi.other_routes import answer_of
from crm_gateway.pages import read_page
from crm_gateway.problems import Problem, ProblemError, from_rpc_error, malformed
from crm_gateway.protojson.encoder import Encode, Encoders
from crm_gateway.protojson.fields import message_of
from crm_gateway.tenant_zone import TenantZones
from crm_gateway.texts.catalogue import Language, asked_language
from crm_gateway.transcode.dispatch import metadata_of
from crm_gateway.transcode.inclusion import INCLUDE
from crm_gateway.transcode.operations import Operation
from crm_gateway.transcode.requests import parse_query
from crm_gateway.transcode.views import FIELDS

PAGE_SIZE = 200
PAGE_SECONDS = 30.0
FILES: Mapping[str, tuple[type[csv_file.CsvFile] | type[xlsx_file.XlsxFile], str]] = {
    "csv": (csv_file.CsvFile, csv_file.MEDIA_TYPE),
    "xlsx": (xlsx_file.XlsxFile, xlsx_file.MEDIA_TYPE),
}
COLLECTION = re.compile("^[a-z][A-Za-z_-]{0,99}$")
# What a collection has a list of for each of the others, below it: `approvals/credit-limits`.
OF_COLLECTION = re.compile("^(approvals|tasks)/[a-z][A-Za-z_-]{0,99}$")
TIME_ZONE = "time_zone"
OWN_PARAMETERS = frozenset({"format", FIELDS, TIME_ZONE})
# What lists have, and a file has no use for.
NO_PARAMETERS = frozenset({"page_size", "page_token", INCLUDE})

File = csv_file.CsvFile | xlsx_file.XlsxFile
Read = Callable[[Call, Any, Metadata, float], Awaitable[Reply]]
router = APIRouter()


@dataclass(frozen=True, eq=False)
class ListedCollection:
    """A collection that can be exported: its list, and what its records are written with, made when first asked for."""

    operation: Operation
    channels: Channels
    encoders: Encoders
    columns: dict[Language | None, tuple[Column, ...]] = field(default_factory=dict)
    """Those of the contract, for people of a language, and for programs under None."""

    @cached_property
    def records(self) -> FieldDescriptor:
        """The field of a page that holds the records."""
        return records_in(self.operation)[0]

    @cached_property
    def call(self) -> Call:
        return self.channels.call_of(self.operation.rpc)

    @cached_property
    def encode(self) -> Encode:
        """A record as JSON values."""
        return self.encoders.of(message_of(self.records))

    def columns_for(
        self, language: Language | None, custom_fields: Collection[Any], *, words: Language
    ) -> list[Column]:
        """All columns. Programs read paths; people, who ask for a language, read labels. First it takes up to 30 ms.

        Custom fields are called as in the language `words` in either case.
        """
        if language not in self.columns:
            self.columns[language] = tuple(columns_of(message_of(self.records), language))
        shown = self.columns[language]
        columns = list(shown if language is None else called(shown, language, custom_fields))
        return columns + list(custom_columns(custom_fields, words, columns, by_label=language is not None))


@dataclass(frozen=True, slots=True)
class ShownCollection:
    """A collection as a caller wants to see it. Instants are told by the clocks of the zone; UTC when None."""

    listed: ListedCollection
    columns: tuple[Column, ...]
    language: Language
    zone: tzinfo | None = None

    def write(self, file: File, page: Any) -> bytes:
        """The file's bytes of a page. It takes a while: texts can be long."""
        kinds = [column.kind for column in self.columns]
        encode = self.listed.encode
        self.listed.operation.put_into(self.language, page)
        for record in getattr(page, self.listed.records.name):
            values = encode(record) if self.zone is None else in_zone(encode(record), self.zone)
            file.write([column.read(values) for column in self.columns], kinds)
        return file.take()


@dataclass(slots=True)
class Pages:
    """The pages of one export, one after another."""

    service: str
    call: Call
    request: Any
    exchange: Exchange
    large: LargeAnswers
    read: Read = read_page

    async def next(self) -> Any:
        """The next page, once there is room for it; ProblemError when it is refused."""
        # What has begun is not refused any more.
        is_first = not self.request.page_token
        try:
            async with turn_of(self.exchange.tenant_id):
                reply = await self.read(self.call, self.request, metadata_of(self.exchange), PAGE_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise ProblemError(from_rpc_error(error, peer=self.service)) from error
        await self.large.room(self.exchange, reply.size, is_read=is_first)
        self.request.page_token = reply.message.next_page_token
        return reply.message


def listed_collections(operations: Iterable[Operation], channels: Channels) -> dict[str, ListedCollection]:
    """Every collection that has a list of its own, by name."""
    encoders = Encoders()
    found: dict[str, ListedCollection] = {}
    for each in operations:
        name = each.binding.template.removeprefix("/v1/")
        is_list = (
            each.binding.verb == "GET"
            and each.rpc.name.startswith("List")
            and "page_token" in each.rpc.request.fields_by_name
        )
        if is_list and len(records_in(each)) == 1 and (COLLECTION.fullmatch(name) or OF_COLLECTION.fullmatch(name)):
            found[name] = ListedCollection(each, channels, encoders)
    return found


def records_in(operation: Operation) -> list[FieldDescriptor]:
    """The fields of an answer that hold several records."""
    fields = operation.rpc.response.fields
    return [field for field in fields if field.is_repeated and field.message_type is not None]


async def content_of(collection: ShownCollection, file: File, first: Any, pages: Pages) -> AsyncIterator[bytes]:
    """The file's bytes, page by page. A page that fails breaks the connection off: half a file is no answer."""
    file.write([column.heading for column in collection.columns])
    page, first = first, None
    while page is not None:
        async with turn_of(pages.exchange.tenant_id):
            content, more = await on_thread(partial(collection.write, file, page)), page.next_page_token
        # What is written takes no memory while its client takes it in.
        page = None
        yield content
        page = await pages.next() if more else None
    yield file.end()


def described(operation_id: str, what: str, example: str) -> dict[str, Any]:
    """What the OpenAPI document says of the export of some lists."""
    return {
        "operationId": operation_id,
        "tags": ["Resource"],
        "summary": f"Exports {what} with its filter and order as CSV or XLSX.",
        "description": "It has every record that the caller may see, and a column for each field, under its label in "
        "the language of `Accept-Language`, and without that header under its path, `owner_name`. A field of each "
        "object in a list has one, too, `addresses.city`. Custom fields stand under their labels, or under "
        "`custom.<key>` where a label means another column, too. It is sent while it is read; when it cannot be "
        "finished, the connection breaks off. In CSV a cell that a spreadsheet would compute begins with an "
        "apostrophe; in XLSX numbers of up to 15 digits, dates, and times are cells of that kind, all else is "
        "text. Times are told with their offset: in the time zone that `time_zone` names, else under labels in the "
        "tenant's, and under paths in UTC. Values of enums and options of custom fields are told by their labels where "
        "columns are.\n"
        "Reasons: INVALID_FILTER, PERMISSION_DENIED, ROUTE_NOT_FOUND.",
        "x-permission": "that of the list",
        "parameters": [
            {
                "name": "collection",
                "in": "path",
                "required": True,
                "description": f"Any collection that has such a list, for example {example}.",
                "schema": {"type": "string", "pattern": COLLECTION.pattern, "examples": [example]},
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
                "name": FIELDS,
                "in": "query",
                "description": "The columns, in their order, for example `display_name,owner_name,custom.contract_no`; "
                "all when not given.",
                "schema": {"type": "string", "maxLength": 2000},
            },
            {
                "name": "format",
                "in": "query",
                "description": "What kind of file; CSV when not given.",
                "schema": {"type": "string", "enum": list(FILES), "default": "csv"},
            },
            {
                "name": TIME_ZONE,
                "in": "query",
                "description": "Whose clocks times are told by, an IANA name.",
                "schema": {"type": "string", "maxLength": 100, "examples": ["Asia/Shanghai"]},
            },
            {"$ref": "#/components/parameters/XRequestId"},
        ],
        "responses": answer_of(
            {media: {"schema": {"type": "string", "format": "binary"}} for _, media in FILES.values()}
        ),
    }


@router.get("/v1/{collection}:export", openapi_extra=described("ExportRecords", "any list", "accounts"))
async def export(collection: str, request: Request) -> Response:
    """The file of a collection."""
    return await exported(collection, request)


@router.get(
    "/v1/approvals/{collection}:export",
    openapi_extra=described("ExportApprovals", "the approvals of a collection", "credit-limits"),
)
async def export_approvals(collection: str, request: Request) -> Response:
    """The file of a collection's approvals."""
    return await exported(f"approvals/{collection}", request)


@router.get(
    "/v1/tasks/{collection}:export",
    openapi_extra=described("ExportTasks", "the tasks of a collection", "accounts"),
)
async def export_tasks(collection: str, request: Request) -> Response:
    """The file of a collection's tasks."""
    return await exported(f"tasks/{collection}", request)


async def exported(name: str, request: Request) -> Response:
    """The file, from the first page on."""
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    admission: Admission = request.app.state.admission
    await admission.admit(exchange)
    listed: ListedCollection | None = request.app.state.listed_collections.get(name)
    if listed is None:
        raise ProblemError(Problem(404, "ROUTE_NOT_FOUND"))
    asked = Asked.of(exchange.query)
    make, media = FILES[asked.format]
    metadata = metadata_of(exchange)
    custom_fields: CustomFieldLists = request.app.state.custom_fields
    own = await custom_fields.read(listed.operation.binding.template, metadata, PAGE_SECONDS)
    language = asked_language(exchange.headers.get(b"accept-language"))
    columns = await on_thread(partial(listed.columns_for, language, own, words=exchange.language))
    zone = asked.zone
    if zone is None and language is not None:
        zones: TenantZones = request.app.state.tenant_zones
        zone = await zones.read(metadata, PAGE_SECONDS)
    shown = ShownCollection(listed, asked.columns(columns), exchange.language, zone)
    asked_for = listed.operation.reader.read((), asked.query, None)
    asked_for.page_size = PAGE_SIZE
    pages = Pages(listed.operation.rpc.owner, listed.call, asked_for, exchange, request.app.state.large_answers)
    # Whatever is wrong with the request is said before the answer begins.
    first = await pages.next()
    headers = {
        "vary": "Accept-Language",
        "content-disposition": f'attachment; filename="{name.replace("/", "-")}.{asked.format}"',
        "cache-control": "no-store",
    }
    if exchange.verb == "HEAD":
        return Response(media_type=media, headers=headers)
    return StreamingResponse(content_of(shown, make(), first, pages), media_type=media, headers=headers)


@dataclass(frozen=True, slots=True)
class Asked:
    """What kind of file, of which columns (all when empty), in which zone if told, and the query of the list."""

    format: str
    paths: tuple[str, ...]
    zone: tzinfo | None
    query: bytes

    @classmethod
    def of(cls, query: bytes) -> "Asked":
        """What a query asks for; ProblemError for what an export has no use for."""
        own: dict[str, str] = {}
        kept = []
        for part in query.split(b"&"):
            ((name, value),) = parse_query(part) or [("", "")]
            if name in NO_PARAMETERS:
                raise ProblemError(malformed(name, "unknown_field", "parameter"))
            if name not in OWN_PARAMETERS:
                kept.append(part)
            elif name in own:
                raise ProblemError(malformed(name, "duplicate_key"))
            else:
                own[name] = value
        format, fields = own.get("format", "csv"), own.get(FIELDS)
        if format not in FILES:
            raise ProblemError(malformed("format", "enum", choices=", ".join(FILES)))
        paths = () if fields is None else tuple(path.strip() for path in fields.split(","))
        return cls(format, paths, zone_of(own.get(TIME_ZONE)), b"&".join(kept))

    def columns(self, columns: Sequence[Column]) -> tuple[Column, ...]:
        """The columns of the file, in their order; ProblemError names a path that leads to none, or that is doubled."""
        for index, path in enumerate(self.paths):
            if path in self.paths[:index]:
                raise ProblemError(malformed(FIELDS, "duplicate_key", "path", path=path))
        try:
            return tuple(chosen(columns, self.paths)) if self.paths else tuple(columns)
        except KeyError as error:
            raise ProblemError(malformed(FIELDS, "unknown_field", "path", path=error.args[0])) from None


def zone_of(name: str | None) -> tzinfo | None:
    """The zone of a name; ProblemError for one that the IANA does not know."""
    if name is None:
        return None
    try:
        check_zone(name, field=TIME_ZONE)
    except InvalidArgument:
        raise ProblemError(malformed(TIME_ZONE, "iana")) from None
    return ZoneInfo(name)
