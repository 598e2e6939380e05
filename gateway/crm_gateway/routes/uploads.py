"""Whole files in and out: an upload as a bare body, passed on part by part, and an import's report as a bare file."""

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID

import grpc
from crm.customer.v1 import imports_pb2 as pb
from crm_kit.rpc.channels import ServiceChannel
from crm_kit.rpc.methods import methods_of
from crm_kit.spreadsheets.xlsx_file import MEDIA_TYPE as XLSX
from fastapi import APIRouter, Request, Response

from crm_gateway.channels import Reply
from crm_gateway.exchange import EXCHANGE_KEY, Exchange, body_chunks, body_too_large
from crm_gateway.exports import csv_file, import_report
from crm_gateway.large_answers import LargeAnswers
from crm_gateway.message_parts import read_message
from crm_gateway.openapi.other_routes import answer_of, reference
from crm_gateway.problems import Problem, ProblemError, from_rpc_error, malformed
from crm_gateway.protojson.encoder import Encoders, json_bytes
from crm_gateway.settings import Settings
from crm_gateway.transcode.dispatch import metadata_of

router = APIRouter()

_PART = 1 << 20
# What browsers and programs call spreadsheets, with the name of a file that has none.
_NAMES = {
    "text/csv": "upload.csv",
    "application/csv": "upload.csv",
    "application/vnd.ms-excel": "upload.csv",
    XLSX: "upload.xlsx",
    "application/octet-stream": "upload",
}
_MAX_NAME = 255
_FORMATS = {
    "csv": (import_report.write_csv, csv_file.MEDIA_TYPE),
    "xlsx": (import_report.write_xlsx, XLSX),
}
_METHODS = {each.name: each for each in methods_of(pb.DESCRIPTOR.services_by_name["ImportService"])}
_encode = Encoders().of(pb.Upload.DESCRIPTOR)
_FILE = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD = {
    "operationId": "UploadFile",
    "tags": ["Import"],
    "summary": "Uploads a spreadsheet to import: the body is the file, XLSX or CSV, streamed, 50 MiB at most.",
    "description": "Any line is fast enough that brings 1,000 bytes a second. "
    f"Its media type may also be sent as it is: {', '.join(name for name in _NAMES)}.\n"
    "The uploaded files of a tenant have 5 GiB at most, those of one user half of that: those of the last 10 days that "
    "were not deleted.\n"
    "A body that breaks off leaves nothing; with an Idempotency-Key it goes on when it is sent again.\n"
    "Reasons: BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, DEADLINE_EXCEEDED, RATE_LIMITED.",
    "x-permission": "imports.write",
    "parameters": [
        {
            "name": "file_name",
            "in": "query",
            "schema": {"type": "string", "maxLength": _MAX_NAME},
            "description": "What the file is called; may be sent as the header X-File-Name instead, percent-encoded.",
        },
        {"$ref": "#/components/parameters/XRequestId"},
        {"$ref": "#/components/parameters/IdempotencyKey"},
    ],
    "requestBody": {"required": True, "content": {"application/octet-stream": _FILE}},
    "responses": answer_of({"application/json": {"schema": reference("Upload")}}, "201"),
}
_REPORT = {
    "operationId": "DownloadImportReport",
    "tags": ["Import"],
    "summary": "Reads the rows that an import could not take as a file to correct and import again.",
    "description": "It is the same as GetImportReport, bare, and says what is wrong in the language of "
    "`Accept-Language`.\nReasons: IMPORT_NOT_FOUND.",
    "x-permission": "imports.read",
    "parameters": [
        {
            "name": "id",
            "in": "path",
            "schema": {"type": "string", "format": "uuid"},
            "description": "The import.",
            "required": True,
        },
        {
            "name": "ending",
            "in": "path",
            "schema": {"type": "string", "enum": sorted(_FORMATS)},
            "description": "What the file shall be.",
            "required": True,
        },
        {"$ref": "#/components/parameters/XRequestId"},
    ],
    "responses": answer_of({"text/csv": _FILE, XLSX: _FILE}),
}


@router.post("/v1/uploads", openapi_extra=_UPLOAD)
async def upload(request: Request, file_name: str = "") -> Response:
    """Take a file as the body; 201 with the upload."""
    settings: Settings = request.app.state.settings
    media_type = request.headers.get("content-type", "application/octet-stream").partition(";")[0].strip().lower()
    if media_type not in _NAMES:
        raise ProblemError(Problem(415, "UNSUPPORTED_MEDIA_TYPE", values={"media_types": ", ".join(_NAMES)}))
    exchange = await _admitted(request)
    name = file_name or unquote(request.headers.get("x-file-name", "")) or _NAMES[media_type]
    if len(name) > _MAX_NAME:
        raise ProblemError(malformed("file_name", "string.max_len", max_len=_MAX_NAME))
    begin = pb.CreateUploadRequest(
        file_name=name, content_type=media_type, total_bytes=_declared(exchange, settings.max_upload_bytes)
    )
    made = await _sent(request, begin, exchange, settings)
    return Response(
        json_bytes(_encode(made)),
        201,
        {"location": f"/v1/uploads/{made.id}", "cache-control": "no-store"},
        media_type="application/json",
    )


@router.get("/v1/imports/{id}/report.{ending}", openapi_extra=_REPORT)
async def report(request: Request, id: UUID, ending: str) -> Response:
    """The rows that an import could not take, as a file to save."""
    if ending not in _FORMATS:
        raise ProblemError(Problem(404, "ROUTE_NOT_FOUND"))
    exchange = await _admitted(request)
    write, media_type = _FORMATS[ending]
    asked = pb.GetImportReportRequest(id=str(id), format=pb.GetImportReportRequest.FORMAT_ROWS)
    reply = await _call(request, "GetImportReport", asked, exchange)
    large: LargeAnswers = request.app.state.large_answers
    written = partial(write, reply.message, exchange.language, request.app.state.labels_of)
    content = await large.written_on_thread(exchange, reply.size, written)
    name = quote(f"{reply.message.file_name}.{ending}")
    headers = {
        "content-disposition": f"attachment; filename=\"report.{ending}\"; filename*=UTF-8''{name}",
        "cache-control": "no-store",
        "content-language": exchange.language,
        "vary": "Accept-Language",
    }
    return Response(content, headers=headers, media_type=media_type)


async def _admitted(request: Request) -> Exchange:
    """The request as the rest of the gateway knows it, let in."""
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    await request.app.state.admission.admit(exchange)
    return exchange


async def _sent(request: Request, begin: pb.CreateUploadRequest, exchange: Exchange, settings: Settings) -> pb.Upload:
    """The upload with all bytes of the body; none when they do not all come."""
    made: pb.Upload = (await _call(request, "CreateUpload", begin, exchange)).message
    try:
        return await _appended(request, made, exchange, settings)
    except Exception:
        # Whoever repeats it with the key is told of this upload again, and goes on with it.
        if b"idempotency-key" not in exchange.headers:
            with contextlib.suppress(ProblemError):
                await _call(request, "DeleteUpload", pb.DeleteUploadRequest(id=made.id), exchange)
        raise


async def _appended(request: Request, made: pb.Upload, exchange: Exchange, settings: Settings) -> pb.Upload:
    offset = 0
    async for part, last in _parts(exchange, settings):
        append = pb.AppendUploadRequest(id=made.id, offset=offset, content=part, last=last)
        made = (await _call(request, "AppendUpload", append, exchange)).message
        offset += len(part)
    if not offset:
        raise ProblemError(malformed("", "required", "body"))
    return made


async def _parts(exchange: Exchange, settings: Settings) -> AsyncIterator[tuple[bytes, bool]]:
    """The body in parts of 1 MiB, each with whether it is the last; little more than one is held."""
    gathered = bytearray()
    async for chunk in body_chunks(exchange, settings.max_upload_bytes, settings.request_timeout):
        gathered += chunk
        while len(gathered) > _PART:
            yield bytes(gathered[:_PART]), False
            del gathered[:_PART]
    if gathered:
        yield bytes(gathered), True


def _declared(exchange: Exchange, limit: int) -> int:
    """How long the body says it is; 0 when it does not say."""
    declared = exchange.headers.get(b"content-length", b"0")
    size = int(declared) if declared.isdigit() else 0
    if size > limit:
        raise ProblemError(body_too_large(limit))
    return size


async def _call(request: Request, name: str, message: Any, exchange: Exchange) -> Reply:
    channel: ServiceChannel = request.app.state.channels["customer"]
    method, seconds = _METHODS[name], request.app.state.settings.request_timeout
    try:
        data = message.SerializeToString()
        reply = await channel.call(method.path, data, metadata=metadata_of(exchange), seconds=seconds)
    except grpc.aio.AioRpcError as error:
        raise ProblemError(from_rpc_error(error, peer="customer")) from error
    return Reply(await read_message(method.response, reply.data), len(reply.data))
