"""`GET /v1/metadata`: what the records are, their fields, verbs and labels, and what the caller may do with them.

All of it but the caller's rights is made once, from the contract. The etag is of the whole answer, so that a client
reads it again only when a version of the platform, or an administrator, has changed something.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import orjson
from crm.customer.v1 import roles_pb2, users_pb2
from crm.metadata.v1 import metadata_pb2 as pb
from crm_kit.field_rights import is_hidden, telling_of
from crm_kit.labels import name_beside
from fastapi import APIRouter, Request, Response

from crm_gateway.admission import Admission
from crm_gateway.channels import Channels
from crm_gateway.contract import Contract
from crm_gateway.custom_fields import CustomFieldLists
from crm_gateway.exchange import EXCHANGE_KEY, Exchange
from crm_gateway.large_answers import LargeAnswers
from crm_gateway.metadata.collections import collections_of
from crm_gateway.metadata.custom import custom_field_metadata
from crm_gateway.openapi.other_routes import answer_of, reference
from crm_gateway.preconditions import known_tag
from crm_gateway.problems import Problem, ProblemError, from_rpc_error, malformed
from crm_gateway.protojson.encoder import Encoders, Selection, json_bytes
from crm_gateway.settings import Settings
from crm_gateway.transcode.dispatch import metadata_of, timeout_of
from crm_gateway.transcode.operations import Operation
from crm_gateway.transcode.requests import parse_parameters
from crm_gateway.transcode.views import FIELDS, selection_of, single

CURRENT_USER = "crm.customer.v1.UserService.GetCurrentUser"
AUTHENTICATED = "authenticated"
CUSTOM = "custom"
EVERY_PERMISSION = "*"

router = APIRouter()
Grants = Sequence[roles_pb2.Grant]
# Of a field that lists do not go by.
UNLISTED = {"filterable": False, "facetable": False}


@dataclass(frozen=True, slots=True)
class Description:
    """A collection as it is for everybody: its metadata, and the permissions that it needs.

    All of them take 1 MB as text, and seven times as much as objects.
    """

    text: bytes
    permissions: tuple[str, ...]


def descriptions_of(contract: Contract) -> dict[str, Description]:
    """Of every collection, by its name."""
    encode = Encoders().of(pb.CollectionMetadata.DESCRIPTOR)
    return {each.name: Description(json_bytes(encode(each)), permissions_of(each)) for each in collections_of(contract)}


class MetadataDocuments:
    """The metadata of all collections, for who asks."""

    def __init__(
        self,
        descriptions: Mapping[str, Description],
        operations: Iterable[Operation],
        channels: Channels,
        settings: Settings,
    ) -> None:
        self._descriptions = descriptions
        self._encode_field = Encoders().of(pb.FieldMetadata.DESCRIPTOR)
        self._custom_fields = CustomFieldLists(operations, channels)
        (current_user,) = (each.rpc for each in operations if each.rpc.full_name == CURRENT_USER)
        self._call = channels.call_of(current_user)
        self._settings = settings

    async def caller(self, exchange: Exchange) -> users_pb2.CurrentUser:
        """What the caller may do, and what is hidden from them, as the directory says.

        ProblemError when it refuses the caller or is not there.
        """
        seconds = timeout_of(exchange.headers.get(b"x-request-timeout"), self._settings.request_timeout)
        try:
            reply = await self._call(users_pb2.GetCurrentUserRequest(), metadata_of(exchange), seconds)
        except grpc.aio.AioRpcError as error:
            raise ProblemError(from_rpc_error(error, peer="customer")) from error
        found: users_pb2.CurrentUser = reply.message
        return found

    @property
    def size(self) -> int:
        """Of all collections, in bytes."""
        return sum(len(each.text) for each in self._descriptions.values())

    def all(self, caller: users_pb2.CurrentUser) -> dict[str, Any]:
        """Every collection; it takes some 20 ms."""
        return {"collections": [shown_to(caller, self.one(name, caller.grants)) for name in self._descriptions]}

    def one(self, name: str, grants: Grants) -> dict[str, Any]:
        """A collection, by its name or as paths have it. ProblemError when there is none."""
        name = name.replace("-", "_")
        if name not in self._descriptions:
            raise ProblemError(Problem(404, "COLLECTION_NOT_FOUND"))
        found = self._descriptions[name]
        return {**orjson.loads(found.text), "grants": granted(found.permissions, grants)}

    async def custom_fields(self, found: dict[str, Any], exchange: Exchange) -> Sequence[Any]:
        """The fields that the caller's tenant has added to a collection; none where the caller may not read it."""
        if not any(grant["permission"] == found["read_permission"] for grant in found["grants"]):
            return []
        if not any(each["name"] == CUSTOM for each in found["fields"]):
            return []
        seconds = timeout_of(exchange.headers.get(b"x-request-timeout"), self._settings.request_timeout)
        return await self._custom_fields.read(found["list_path"], metadata_of(exchange), seconds)

    def with_custom(self, found: dict[str, Any], custom: Sequence[Any]) -> dict[str, Any]:
        """A collection with these fields behind those of the contract; with many options it takes a while."""
        if not custom:
            return found
        as_one = next(each for each in found["fields"] if each["name"] == CUSTOM)
        set_by = {name: as_one[name] for name in ("settable", "changeable")}
        own = [self._encode_field(custom_field_metadata(each, **set_by)) for each in custom]
        return found | {"fields": [*found["fields"], *own], "automation": with_dates(found["automation"], own)}


def shown_to(caller: users_pb2.CurrentUser, found: dict[str, Any]) -> dict[str, Any]:
    """A collection without the fields that are hidden from the caller, and the names beside them.

    Nobody from whom some are hidden filters by what speaks of all.
    """
    begins = f"{found['name']}."
    hidden = {path.removeprefix(begins) for path in caller.hidden_fields if path.startswith(begins)}
    if not hidden:
        return found
    hidden |= {name_beside(each) for each in hidden}
    automation = found["automation"]
    if automation is not None:
        dates = [each for each in automation["dates"] if not is_hidden(each, hidden)]
        automation = automation | {"dates": dates}
    fields = [each for each in found["fields"] if not is_hidden(each["name"], hidden)]
    speaking = telling_of(found["name"]).speaking
    fields = [each | UNLISTED if each["name"] in speaking else each for each in fields]
    return found | {"fields": fields, "automation": automation}


def with_dates(automation: dict[str, Any] | None, own: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """What a collection offers to automation rules, with the dates among these fields."""
    if automation is None:
        return None
    return automation | {"dates": [*automation["dates"], *(each["name"] for each in own if each["type"] == "DATE")]}


def permissions_of(collection: pb.CollectionMetadata) -> tuple[str, ...]:
    """The permissions that reading and the verbs need, each once; being signed in is none."""
    needed = [collection.read_permission, *(verb.permission for verb in collection.verbs)]
    return tuple(dict.fromkeys(each for each in needed if each != AUTHENTICATED))


def granted(permissions: Iterable[str], grants: Grants) -> list[dict[str, str]]:
    """Those of the permissions that are granted, by name or with all others, each with its widest scope."""
    found = []
    for permission in permissions:
        scopes = [grant.scope for grant in grants if grant.permission in (permission, EVERY_PERMISSION)]
        if scopes:
            scope = roles_pb2.Grant.Scope.Name(max(scopes)).removeprefix("SCOPE_")
            found.append({"permission": permission, "scope": scope})
    return found


_HEADERS = [
    {"$ref": f"#/components/parameters/{name}"} for name in ("Fields", "XRequestId", "XRequestTimeout", "IfNoneMatch")
]
_DESCRIPTION = (
    "Labels are in English and Chinese at once, so that a document serves both. What the contract says changes with a "
    "version of the platform; `grants` are those of the caller, and fields that are hidden from them are left out. The "
    "fields that a tenant has added are told with their collection, for example as `custom.contract_no`."
)


def _operation(name: str, summary: str, schema: str, parameters: Sequence[dict[str, Any]], reasons: str) -> Any:
    answer = answer_of({"application/json": {"schema": reference(schema)}}, headers=["ETag"])
    return {
        "operationId": name,
        "tags": ["Resource"],
        "summary": summary,
        "description": f"{_DESCRIPTION}\nReasons: {reasons}.",
        "x-permission": AUTHENTICATED,
        "parameters": [*parameters, *_HEADERS],
        "responses": answer | {"304": {"$ref": "#/components/responses/NotModified"}},
    }


_COLLECTION = {
    "name": "collection",
    "in": "path",
    "required": True,
    "description": "The collection, for example `accounts`.",
    "schema": {"type": "string"},
    "example": "accounts",
}
_ALL = _operation(
    "GetMetadata",
    "Reads what all records are: their fields, verbs and labels, and what the caller may do with them.",
    "Metadata",
    [],
    "UNAUTHENTICATED, UNAVAILABLE",
)
_ONE = _operation(
    "GetCollectionMetadata",
    "Reads what the records of a collection are: their fields, verbs and labels, and what the caller may do with them.",
    "CollectionMetadata",
    [_COLLECTION],
    "COLLECTION_NOT_FOUND, UNAUTHENTICATED, UNAVAILABLE",
)


@router.get("/v1/metadata", openapi_extra=_ALL)
async def metadata(request: Request) -> Response:
    """All collections."""
    return await _answer(request, "")


@router.get("/v1/metadata/{collection}", openapi_extra=_ONE)
async def collection_metadata(collection: str, request: Request) -> Response:
    """One collection."""
    return await _answer(request, collection)


def _selection(query: bytes) -> Selection | None:
    """What `fields=` wants to see of each collection; None for all. ProblemError for any other parameter."""
    asked = parse_parameters(query)
    for parameter in asked.keys() - {FIELDS}:
        raise ProblemError(malformed(parameter, "unknown_field", "parameter"))
    text = single(FIELDS, asked)
    return None if text is None else selection_of(text, pb.CollectionMetadata.DESCRIPTOR)


def _picked(value: Any, selection: Selection) -> Any:
    """A JSON value cut down to a selection, each element of a list for itself."""
    if isinstance(value, list):
        return [_picked(each, selection) for each in value]
    if value is None:
        return None
    return {name: value[name] if inner is None else _picked(value[name], inner) for name, inner in selection.items()}


async def _answer(request: Request, name: str) -> Response:
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    admission: Admission = request.app.state.admission
    documents: MetadataDocuments = request.app.state.metadata
    await admission.admit(exchange)
    selection = _selection(exchange.query)
    caller = await documents.caller(exchange)
    found = documents.one(name, caller.grants) if name else None
    custom = [] if found is None else await documents.custom_fields(found, exchange)
    picked: Selection | None = selection if name or selection is None else {"collections": selection}

    def written() -> bytes:
        told = documents.all(caller) if found is None else shown_to(caller, documents.with_custom(found, custom))
        return json_bytes(told if picked is None else _picked(told, picked))

    large: LargeAnswers = request.app.state.large_answers
    size = documents.size if found is None else sum(each.ByteSize() for each in custom)
    body = await large.written(exchange, size, written)
    etag = hashlib.sha256(body).hexdigest()[:32]
    headers = {"cache-control": "private, no-cache", "etag": f'"{etag}"'}
    if_none_match = exchange.headers.get(b"if-none-match")
    if if_none_match is not None and (known := known_tag(if_none_match, etag)) is not None:
        return Response(status_code=304, headers=headers | {"etag": f'"{known}"'})
    return Response(body, headers=headers, media_type="application/json")
