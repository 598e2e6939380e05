"""`POST /v1/{collection}/{record_id}:present`: that one looks at a record or edits it, and who else does.

Nothing of it is stored: it is over by itself, 30 seconds after the last beat. Whoever may read the record may say and
ask so; that is asked anew each time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import grpc
import msgspec
from crm.customer.v1 import users_pb2
from crm.resource.v1 import comments_pb2, resources_pb2
from fastapi import APIRouter, Request, Response

from crm_gateway.admission import Admission
from crm_gateway.channels import Channels
from crm_gateway.exchange import EXCHANGE_KEY, Exchange, read_body
from crm_gateway.files.places import Owner
from crm_gateway.openapi.other_routes import answer_of
from crm_gateway.presence.board import BEAT_SECONDS, LASTS_SECONDS, Activity, Beat, Record
from crm_gateway.presence.sharing import Presence
from crm_gateway.problems import Problem, ProblemError, from_rpc_error, malformed, unreadable, violation
from crm_gateway.routes.attachments import RECORD, in_path
from crm_gateway.routes.events import CurrentUsers
from crm_gateway.settings import Settings
from crm_gateway.streams.viewers import PATH
from crm_gateway.transcode.dispatch import check_content_type, metadata_of
from crm_gateway.transcode.operations import Operation
from crm_gateway.transcode.requests import parse_json

SECONDS = 5.0
MAX_BODY, MAX_CLIENT_ID = 1000, 64
BELOW = "/{record_id}/comments"
NO_STORE = {"cache-control": "no-store"}

router = APIRouter()

_PARAMETERS = [
    in_path("collection", "A collection whose records are discussed, for example accounts.", "accounts"),
    RECORD,
    {"$ref": "#/components/parameters/XRequestId"},
]
_PRESENT = {
    "type": "object",
    "title": "PresentUsers",
    "description": "Who is at a record now, besides the caller.",
    "required": ["present", "beat_seconds", "lasts_seconds"],
    "properties": {
        "present": {
            "type": "array",
            "maxItems": 100,
            "description": "Those first who edit it.",
            "items": {
                "type": "object",
                "required": ["user_id", "user_name", "activity"],
                "properties": {
                    "user_id": {"type": "string", "format": "uuid", "description": "The user."},
                    "user_name": {"type": "string", "description": "Their name.", "examples": ["王芳"]},
                    "activity": {
                        "type": "string",
                        "enum": ["VIEWING", "EDITING"],
                        "description": "What they do; EDITING where they do so in any of their windows.",
                    },
                },
            },
        },
        "beat_seconds": {"type": "integer", "description": "How often to say that one is still there."},
        "lasts_seconds": {"type": "integer", "description": "How long one is shown after the last time."},
    },
}
_BODY: Mapping[str, Any] = {
    "type": "object",
    "required": ["activity"],
    "additionalProperties": False,
    "properties": {
        "activity": {
            "type": "string",
            "enum": [*Activity],
            "description": "What the caller does; LEFT takes them away at once.",
        },
        "client_id": {
            "type": "string",
            "maxLength": MAX_CLIENT_ID,
            "description": "Tells the caller's windows apart, for example tab-1: each is there by itself.",
            "examples": ["tab-1"],
        },
    },
}


@dataclass(frozen=True, slots=True)
class Said:
    """The body of a beat."""

    activity: Activity
    client_id: str


@dataclass(frozen=True, slots=True)
class Place:
    """A record that a caller may read, and who that is."""

    record: Record
    user: users_pb2.CurrentUser


class Places:
    """The records of all collections that people discuss, by the names of these in paths."""

    def __init__(self, operations: Iterable[Operation], channels: Channels, users: CurrentUsers) -> None:
        self._owners = owners_of(operations)
        self._channels = channels
        self._users = users

    async def at(self, collection: str, record_id: str, exchange: Exchange) -> Place:
        """The record. ProblemError 404 for one that the caller may not read, as for one that is not there."""
        owner = self._owners.get(collection)
        if owner is None:
            raise ProblemError(Problem(404, "ROUTE_NOT_FOUND"))
        if not await self._may_read(owner, record_id, exchange):
            raise ProblemError(Problem(404, "NOT_FOUND"))
        return Place(Record(owner.collection, record_id), await self._users.told(exchange, SECONDS))

    async def _may_read(self, owner: Owner, record_id: str, exchange: Exchange) -> bool:
        request: Any = resources_pb2.BatchCheckRecordsRequest(collection=owner.collection, ids=[record_id])
        channel, data = self._channels[owner.service], request.SerializeToString()
        try:
            reply = await channel.call(PATH, data, metadata=metadata_of(exchange), seconds=SECONDS)
        except grpc.aio.AioRpcError as error:
            raise ProblemError(from_rpc_error(error, peer=owner.service)) from error
        return bool(resources_pb2.BatchCheckRecordsResponse.FromString(reply.data).readable)


def owners_of(operations: Iterable[Operation]) -> Mapping[str, Owner]:
    """The owners of the collections whose records are discussed, by the collection's name in paths."""
    found = {}
    for each in operations:
        if each.binding.verb == "GET" and each.binding.template.endswith(BELOW):
            collection = comments_pb2.ListCommentsRequest.FromString(each.rpc.preset).collection
            found[each.binding.template.split("/")[2]] = Owner(collection, each.rpc.owner)
    return found


@router.post(
    "/v1/{collection}/{record_id}:present",
    openapi_extra={
        "operationId": "SayPresent",
        "tags": ["Resource"],
        "summary": "Says that the caller looks at a record or edits it, and answers who else does.",
        "description": "To be said again every `beat_seconds`; it is over by itself `lasts_seconds` after the last "
        "time. It is a hint to people: nothing is locked, and nothing of it is kept.\n"
        "Reasons: NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT, RATE_LIMITED, UNAVAILABLE.",
        "x-permission": "that to read the record",
        "parameters": _PARAMETERS,
        "requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}},
        "responses": answer_of({"application/json": {"schema": _PRESENT}}),
    },
)
async def say_present(request: Request, collection: str, record_id: UUID) -> Response:
    """Take a beat; 200 with who else is there."""
    exchange = await _admitted(request)
    said = await _said(request, exchange)
    place = await _place(request, collection, record_id, exchange)
    user, presence = place.user, _presence(request)
    await presence.beat(
        Beat(user.tenant_id, place.record, user.user.id, user.user.display_name, said.client_id, said.activity)
    )
    return await _answer(presence, place)


@router.get(
    "/v1/{collection}/{record_id}:present",
    openapi_extra={
        "operationId": "ListPresent",
        "tags": ["Resource"],
        "summary": "Says who else looks at a record or edits it now.",
        "description": "Those who have said so within the last `lasts_seconds`; the caller says nothing by it.\n"
        "Reasons: NOT_FOUND, PERMISSION_DENIED, RATE_LIMITED, UNAVAILABLE.",
        "x-permission": "that to read the record",
        "parameters": _PARAMETERS,
        "responses": answer_of({"application/json": {"schema": _PRESENT}}),
    },
)
async def list_present(request: Request, collection: str, record_id: UUID) -> Response:
    """Who else is there."""
    place = await _place(request, collection, record_id, await _admitted(request))
    return await _answer(_presence(request), place)


async def _admitted(request: Request) -> Exchange:
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    admission: Admission = request.app.state.admission
    await admission.admit(exchange)
    for name in request.query_params:
        raise ProblemError(malformed(name, "unknown_field", "parameter"))
    return exchange


async def _place(request: Request, collection: str, record_id: UUID, exchange: Exchange) -> Place:
    places: Places = request.app.state.presence_places
    return await places.at(collection, str(record_id), exchange)


def _presence(request: Request) -> Presence:
    presence: Presence = request.app.state.presence
    return presence


async def _said(request: Request, exchange: Exchange) -> Said:
    settings: Settings = request.app.state.settings
    check_content_type(exchange.headers.get(b"content-type"))
    return said_in(parse_json(await read_body(exchange, MAX_BODY, settings.request_timeout)))


def said_in(content: Mapping[str, Any]) -> Said:
    """What a body says; ProblemError with all that is wrong with it."""
    activity, client_id = content.get("activity"), content.get("client_id", "")
    wrong = [violation(name, "unknown_field") for name in content if name not in _BODY["properties"]]
    if activity not in list(Activity):
        wrong.append(violation("activity", "string.in", choices=", ".join(Activity)))
    if not isinstance(client_id, str) or len(client_id) > MAX_CLIENT_ID:
        wrong.append(violation("client_id", "string.max_len", max_len=MAX_CLIENT_ID))
    if wrong:
        raise ProblemError(unreadable(wrong))
    return Said(Activity(str(activity)), str(client_id))


async def _answer(presence: Presence, place: Place) -> Response:
    present = await presence.others(place.user.tenant_id, place.record, place.user.user.id)
    told = {"present": present, "beat_seconds": BEAT_SECONDS, "lasts_seconds": int(LASTS_SECONDS)}
    return Response(msgspec.json.encode(told), headers=NO_STORE, media_type="application/json")
