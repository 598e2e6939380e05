"""Files at records, bare: sent as a body, and read as they are, with a token or by a link."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from crm.resource.v1 import attachments_pb2 as pb
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from crm_gateway.admission import Admission
from crm_gateway.exchange import EXCHANGE_KEY, Exchange
from crm_gateway.files.places import Place, Places
from crm_gateway.files.ranges import Unsatisfiable, range_of
from crm_gateway.files.sending import given_up_where_it_fails, send_body
from crm_gateway.files.showing import headers_of
from crm_gateway.openapi.other_routes import answer_of, reference
from crm_gateway.problems import Problem, ProblemError, malformed
from crm_gateway.protojson.encoder import Encoders, json_bytes
from crm_gateway.settings import Settings

router = APIRouter()

# A client that reads slowly keeps so much of a file in memory.
_PIECE_BYTES = 256 * 1024
_PREVIEWS = ("256", "1024")
MAX_SIZE = (1 << 31) - 1
_encode = Encoders().of(pb.Attachment.DESCRIPTOR)
_BINARY = {"schema": {"type": "string", "format": "binary"}}


def in_path(name: str, description: str, example: str = "") -> dict[str, Any]:
    """A parameter of a path: an id, unless there is an example."""
    schema = {"type": "string", "examples": [example]} if example else {"type": "string", "format": "uuid"}
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def in_query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": {"type": "string"} | schema}


COLLECTION = in_path("collection", "A collection whose records are discussed, for example accounts.", "accounts")
RECORD = in_path("record_id", "The record.")
_ID = in_path("id", "The attachment.")
_REQUEST_ID = {"$ref": "#/components/parameters/XRequestId"}
_ATTACH = {
    "operationId": "AttachFile",
    "tags": ["Resource"],
    "summary": "Attaches a file to a record: the body is the file, streamed, 100 MiB at most unless set otherwise.",
    "description": "Content-Length says how many bytes it has. What runs is refused, by its content and by its name, "
    "and so is what is not what it is called. A body that breaks off leaves nothing; with an Idempotency-Key it goes "
    "on when it is sent again. Files that may take more than one try go by the tus protocol at "
    "`/v1/files/{collection}/{record_id}`.\n"
    "Reasons: NOT_FOUND, ATTACHMENT_REFUSED, PERMISSION_DENIED, RATE_LIMITED, BODY_TOO_LARGE, DEADLINE_EXCEEDED.",
    "x-permission": "that to change the record",
    "parameters": [
        COLLECTION,
        RECORD,
        in_query("name", "What the file is called, for example 报价单.pdf.", maxLength=255) | {"required": True},
        in_query("description", "What there is to say about it.", maxLength=1000),
        in_query(
            "sha256", "What the SHA-256 of the bytes has to be, as 64 hexadecimal digits.", pattern="^[0-9a-f]{64}$"
        ),
        _REQUEST_ID,
        {"$ref": "#/components/parameters/IdempotencyKey"},
    ],
    "requestBody": {"required": True, "content": {"application/octet-stream": _BINARY}},
    "responses": answer_of({"application/json": {"schema": reference("Attachment")}}, "201"),
}
_DOWNLOAD = {
    "operationId": "DownloadAttachment",
    "tags": ["Resource"],
    "summary": "Reads the bytes of an attachment, all or a range of them, or a small picture of it.",
    "description": "PNG, JPEG, GIF and WebP can be shown in place; all else is there to be saved, and never run: "
    "`nosniff`, a sandbox, and `application/octet-stream` for pages and pictures that have scripts. The etag stays as "
    "long as the attachment does. With `link` no token is needed.\n"
    "Reasons: NOT_FOUND, ATTACHMENT_NOT_FOUND, ATTACHMENT_LINK_INVALID, ILLEGAL_STATE, RANGE_NOT_SATISFIABLE.",
    "x-permission": "that to read the record",
    "parameters": [
        COLLECTION,
        RECORD,
        _ID,
        in_query("preview", "A picture of at most so many by so many pixels instead, as WebP.", enum=list(_PREVIEWS)),
        in_query("link", "Of a link that was made for it: what it has behind `link=`.", maxLength=500),
        _REQUEST_ID,
    ],
    "responses": answer_of({"application/octet-stream": _BINARY}),
}


@router.post("/v1/{collection}/{record_id}/attachments:upload", openapi_extra=_ATTACH)
async def attach(
    request: Request, collection: str, record_id: UUID, name: str = "", description: str = "", sha256: str = ""
) -> Response:
    """Take a file as the body; 201 with the attachment."""
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    await admitted(request, exchange)
    places: Places = request.app.state.file_places
    at = places.at(collection, str(record_id), exchange)
    places.take(exchange)
    begin = pb.CreateAttachmentUploadRequest(
        name=name, size_bytes=size_of(exchange), description=description, sha256=sha256
    )
    upload = await at.call("CreateAttachmentUpload", begin)
    settings: Settings = request.app.state.settings
    async with given_up_where_it_fails(at, upload):
        upload = await _all_sent(at, upload, settings.request_timeout)
    # A message to us may have come to belong to a case meanwhile, and its files with it.
    collection = upload.collection.replace("_", "-")
    at = places.at(collection, upload.record_id, exchange)
    made = await at.call("GetAttachment", pb.GetAttachmentRequest(id=upload.id))
    headers = {
        "location": f"/v1/{collection}/{upload.record_id}/attachments/{made.id}",
        "cache-control": "no-store",
    }
    return Response(json_bytes(_encode(made)), 201, headers, media_type="application/json")


@router.get("/v1/{collection}/{record_id}/attachments/{id}:download", openapi_extra=_DOWNLOAD)
async def download(
    request: Request, collection: str, record_id: UUID, id: UUID, preview: str = "", link: str = ""
) -> Response:
    """The bytes of an attachment."""
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    await admitted(request, exchange, public=bool(link))
    if preview and preview not in _PREVIEWS:
        raise ProblemError(malformed("preview", "listed", choices=", ".join(_PREVIEWS)))
    places: Places = request.app.state.file_places
    file = File(places.at(collection, str(record_id), exchange), str(id), int(preview or 0), link)
    first = await file.read(0, _PIECE_BYTES)
    etag = f'"{first.sha256[:32]}{f"-{preview}" if preview else ""}"'
    headers = headers_of(first.name, first.content_type, etag)
    if etag in exchange.headers.get(b"if-none-match", b"").decode("latin-1"):
        return Response(status_code=304, headers=headers)
    begin, end, status = _wanted(exchange, first.size_bytes, etag)
    headers["content-length"] = str(end - begin)
    if status == 206:
        headers["content-range"] = f"bytes {begin}-{end - 1}/{first.size_bytes}"
    if exchange.verb == "HEAD":
        return Response(status_code=status, headers=headers)
    return StreamingResponse(file.pieces(first, begin, end), status, headers)


class File:
    """An attachment, or a preview of it, that is read with a token or by a link."""

    def __init__(self, at: Place, id: str, preview_pixels: int, link: str) -> None:
        self._at = at
        self._asked = {"id": id, "preview_pixels": preview_pixels}
        self._link = link

    async def read(self, offset: int, length: int) -> pb.AttachmentContent:
        """Some bytes; what may be read is asked for anew each time."""
        asked: dict[str, Any] = {**self._asked, "offset": offset, "length": length}
        if self._link:
            linked = pb.ReadLinkedAttachmentRequest(link=self._link, **asked)
            content: pb.AttachmentContent = await self._at.call("ReadLinkedAttachment", linked)
        else:
            content = await self._at.call("ReadAttachment", pb.ReadAttachmentRequest(**asked))
        return content

    async def pieces(self, first: pb.AttachmentContent, begin: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `begin` to before `end`; `first` has those at the file's beginning.

        When they cannot all be had, the connection breaks off: nobody takes half a file for the whole.
        """
        content = first.content[begin:end]
        while begin < end:
            if not content:
                content = (await self.read(begin, min(_PIECE_BYTES, end - begin))).content
            if not content:
                raise ProblemError(Problem(503, "UNAVAILABLE"))
            yield content
            begin += len(content)
            content = b""


async def admitted(request: Request, exchange: Exchange, *, public: bool = False) -> None:
    """Let the request in; ProblemError 401 or 429 for others."""
    admission: Admission = request.app.state.admission
    await admission.admit(exchange, public=public)


def size_of(exchange: Exchange) -> int:
    """How many bytes the body has, which has to be said."""
    declared = exchange.headers.get(b"content-length", b"")
    if not declared.isdigit():
        raise ProblemError(malformed("Content-Length", "required"))
    return min(int(declared), MAX_SIZE)


async def _all_sent(at: Place, upload: pb.AttachmentUpload, seconds: float) -> pb.AttachmentUpload:
    """The upload with all of the body; ProblemError when it has fewer bytes than was said."""
    sent = await send_body(at, upload, 0, seconds)
    if not sent.complete:
        raise ProblemError(malformed("", "required", "body"))
    return sent


def _wanted(exchange: Exchange, size: int, etag: str) -> tuple[int, int, int]:
    """The first byte that is wanted, the one behind the last, and the status; all, where the file is another by now."""
    headers = exchange.headers
    asked = headers.get(b"range", b"").decode("latin-1")
    if headers.get(b"if-range", etag.encode()) != etag.encode():
        asked = ""
    try:
        found = range_of(asked, size)
    except Unsatisfiable:
        told = ((b"content-range", f"bytes */{size}".encode()),)
        raise ProblemError(Problem(416, "RANGE_NOT_SATISFIABLE", headers=told, values={"bytes": str(size)})) from None
    return (0, size, 200) if found is None else (*found, 206)
