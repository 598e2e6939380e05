"""Files that go on after a break, by the tus protocol 1.0, which upload libraries of front ends speak.

Where an upload is, the service knows: any gateway goes on with it.
"""

from datetime import UTC
from email.utils import format_datetime
from uuid import UUID

from crm.resource.v1 import attachments_pb2 as pb
from fastapi import APIRouter, Request, Response

from crm_gateway.exchange import EXCHANGE_KEY, Exchange
from crm_gateway.files import tus
from crm_gateway.files.places import Place, Places
from crm_gateway.files.sending import given_up_where_it_fails, send_body
from crm_gateway.openapi.other_routes import answer_of
from crm_gateway.problems import Problem, ProblemError
from crm_gateway.routes.attachments import COLLECTION, MAX_SIZE, RECORD, admitted, in_path
from crm_gateway.settings import Settings

router = APIRouter()
_UPLOADS = "/v1/files/{collection}/{record_id}"
_UPLOAD = f"{_UPLOADS}/{{id}}"
_ID = in_path("id", "The upload, and the attachment that becomes of it.")
_BINARY = {"required": True, "content": {tus.BODY: {"schema": {"type": "string", "format": "binary"}}}}


def _header(name: str, description: str, example: str, *, required: bool = True) -> dict[str, object]:
    schema = {"type": "string", "examples": [example]}
    return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}


_VERSION = _header("Tus-Resumable", "The version of the protocol.", tus.VERSION)


def _described(
    id: str, summary: str, more: str, *parameters: dict[str, object], body: bool = False
) -> dict[str, object]:
    below = [] if id == "BeginFile" else [_ID]
    return {
        "operationId": id,
        "tags": ["Resource"],
        "summary": summary,
        "description": f"The tus protocol, version {tus.VERSION} (https://tus.io); {more}",
        "x-permission": "that to change the record",
        "parameters": [COLLECTION, RECORD, *below, _VERSION, *parameters],
        **({"requestBody": _BINARY} if body else {}),
        "responses": answer_of({}, "201" if id == "BeginFile" else "204"),
    }


@router.post(
    _UPLOADS,
    openapi_extra=_described(
        "BeginFile",
        "Begins to attach a file that may take more than one try.",
        "what comes as the body is its beginning. An upload lasts a day.\n"
        "Reasons: NOT_FOUND, ATTACHMENT_REFUSED, PERMISSION_DENIED, RATE_LIMITED.",
        _header("Upload-Length", "How many bytes the file has.", "1048576"),
        _header(
            "Upload-Metadata",
            "`filename` and, if wanted, `description` and `sha256`, each with its value in base64.",
            "filename bWludXRlcy5wZGY=",
        ),
    ),
)
async def begin(request: Request, collection: str, record_id: UUID) -> Response:
    """Begin an upload; 201 with where it is."""
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    await admitted(request, exchange)
    tus.check_version(exchange.headers)
    at = _at(request, collection, record_id, exchange)
    told = tus.creation_of(exchange.headers)
    has_body = exchange.headers.get(b"content-type") == tus.BODY.encode()
    if has_body:
        _take_place(request, exchange)
    upload = await at.call(
        "CreateAttachmentUpload",
        pb.CreateAttachmentUploadRequest(
            name=told.name,
            size_bytes=min(told.size_bytes, MAX_SIZE),
            sha256=told.sha256,
            description=told.description,
        ),
    )
    if has_body:
        async with given_up_where_it_fails(at, upload):
            upload = await _appended(request, at, upload, 0)
    location = f"/v1/files/{collection}/{record_id}/{upload.id}"
    return Response(status_code=201, headers={"location": location, **_headers_of(upload)})


@router.get(
    _UPLOAD,
    openapi_extra=_described(
        "GetFileOffset",
        "Says where an upload goes on, in `Upload-Offset`; mostly asked for with HEAD.",
        "the answer has no body.\nReasons: NOT_FOUND, ATTACHMENT_UPLOAD_NOT_FOUND.",
    ),
)
async def offset(request: Request, collection: str, record_id: UUID, id: UUID) -> Response:
    """How far an upload is."""
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    await admitted(request, exchange)
    tus.check_version(exchange.headers)
    at = _at(request, collection, record_id, exchange)
    upload = await at.call("GetAttachmentUpload", pb.GetAttachmentUploadRequest(id=str(id)))
    return Response(status_code=200, headers={**_headers_of(upload), "upload-length": str(upload.size_bytes)})


@router.patch(
    _UPLOAD,
    openapi_extra=_described(
        "SendFile",
        "Goes on with an upload: the body is more of the file.",
        "what came before the body broke off is kept. With the last byte the attachment is there, under the same id.\n"
        "Reasons: NOT_FOUND, ATTACHMENT_UPLOAD_NOT_FOUND, UPLOAD_OFFSET_MISMATCH, ATTACHMENT_REFUSED, "
        "PERMISSION_DENIED, UNSUPPORTED_MEDIA_TYPE, RATE_LIMITED.",
        _header("Upload-Offset", "Where in the file the body begins.", "0"),
        body=True,
    ),
)
async def send(request: Request, collection: str, record_id: UUID, id: UUID) -> Response:
    """More of a file; 204 with where it goes on."""
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    await admitted(request, exchange)
    tus.check_version(exchange.headers)
    if exchange.headers.get(b"content-type") != tus.BODY.encode():
        raise ProblemError(Problem(415, "UNSUPPORTED_MEDIA_TYPE", values={"media_types": tus.BODY}))
    at = _at(request, collection, record_id, exchange)
    begins = tus.number_of(exchange.headers, "Upload-Offset")
    upload = await at.call("GetAttachmentUpload", pb.GetAttachmentUploadRequest(id=str(id)))
    if begins != upload.received_bytes:
        values = {"offset": str(begins), "received_bytes": str(upload.received_bytes)}
        raise ProblemError(Problem(409, "UPLOAD_OFFSET_MISMATCH", values=values))
    _take_place(request, exchange)
    upload = await _appended(request, at, upload, begins)
    return Response(status_code=204, headers=_headers_of(upload))


@router.delete(
    _UPLOAD,
    openapi_extra=_described(
        "GiveUpFile",
        "Gives up an upload and its bytes.",
        "of one that is complete the attachment stays.\nReasons: NOT_FOUND, ATTACHMENT_UPLOAD_NOT_FOUND.",
    ),
)
async def give_up(request: Request, collection: str, record_id: UUID, id: UUID) -> Response:
    """Forget an upload."""
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    await admitted(request, exchange)
    tus.check_version(exchange.headers)
    at = _at(request, collection, record_id, exchange)
    await at.call("DeleteAttachmentUpload", pb.DeleteAttachmentUploadRequest(id=str(id)))
    return Response(status_code=204, headers=tus.HEADERS)


@router.options(_UPLOADS)
@router.options(_UPLOAD)
async def spoken() -> Response:
    """What of the protocol is spoken here."""
    told = {"tus-resumable": tus.VERSION, "tus-version": tus.VERSION, "tus-extension": tus.EXTENSIONS}
    return Response(status_code=204, headers=told)


def _at(request: Request, collection: str, record_id: UUID, exchange: Exchange) -> Place:
    places: Places = request.app.state.file_places
    return places.at(collection, str(record_id), exchange)


def _take_place(request: Request, exchange: Exchange) -> None:
    places: Places = request.app.state.file_places
    places.take(exchange)


async def _appended(request: Request, at: Place, upload: pb.AttachmentUpload, begins: int) -> pb.AttachmentUpload:
    settings: Settings = request.app.state.settings
    return await send_body(at, upload, begins, settings.request_timeout)


def _headers_of(upload: pb.AttachmentUpload) -> dict[str, str]:
    expires = format_datetime(upload.expire_time.ToDatetime(UTC), usegmt=True)
    return {**tus.HEADERS, "upload-offset": str(upload.received_bytes), "upload-expires": expires}
