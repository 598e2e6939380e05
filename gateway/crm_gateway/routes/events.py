"""`GET /v1/events`: what happens, as it happens, as server-sent events (https://html.spec.whatwg.org/#server-sent-events).

A stream lasts as long as its token. It begins behind the last event that its reader was told, or from now on.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from urllib.parse import parse_qs

import grpc
from crm.customer.v1 import users_pb2
from fastapi import APIRouter, Request, Response

from crm_gateway.admission import Admission
from crm_gateway.channels import Channels
from crm_gateway.exchange import EXCHANGE_KEY, Exchange, Receive, Scope, Send
from crm_gateway.openapi.other_routes import answer_of
from crm_gateway.problems import ProblemError, malformed
from crm_gateway.streams.choice import COLLECTIONS, MAX_VALUES, RECORD, TYPES, Choice, choice_of
from crm_gateway.streams.endings import Identity
from crm_gateway.streams.streams import Streams
from crm_gateway.transcode.dispatch import metadata_of
from crm_gateway.transcode.operations import Operation

RPC = "/crm.customer.v1.UserService/GetCurrentUser"
LAST_EVENT_ID = "last_event_id"
PARAMETERS = frozenset({TYPES, COLLECTIONS, RECORD, LAST_EVENT_ID})
HEADERS = {
    "cache-control": "no-store",
    # nginx would keep events until it has a page of them.
    "x-accel-buffering": "no",
    # Whoever comes back shall be able to reach another gateway.
    "connection": "close",
}

_PARAMETERS = [
    {
        "name": TYPES,
        "in": "query",
        "description": "Only events of these types, separated by commas; the metadata of a collection names its own, "
        "and `presence` stands for who is at a record.",
        "schema": {"type": "string", "pattern": r"^[a-z0-9_.]+(,[a-z0-9_.]+)*$"},
        "example": "opportunity.moved,opportunity.won",
    },
    {
        "name": COLLECTIONS,
        "in": "query",
        "description": "Only events of records of these collections, separated by commas.",
        "schema": {"type": "string", "pattern": r"^[a-z0-9_-]+(,[a-z0-9_-]+)*$"},
        "example": "accounts,orders",
    },
    {
        "name": RECORD,
        "in": "query",
        "description": f"Only events of these records, each as `collection/id`; at most {MAX_VALUES}.",
        "schema": {"type": "array", "items": {"type": "string"}, "maxItems": MAX_VALUES},
        "example": ["accounts/0195a1b0-0000-7000-8000-000000000001"],
    },
    {
        "name": LAST_EVENT_ID,
        "in": "query",
        "description": "The `id` of the last event that was read, for who cannot send the header `Last-Event-ID`, "
        "which wins: what came after it is told first.",
        "schema": {"type": "string", "maxLength": 100},
    },
    {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The `id` of the last event that was read; what came after it is told first.",
        "schema": {"type": "string", "maxLength": 100},
    },
    {"$ref": "#/components/parameters/XRequestId"},
]
_EXAMPLE = (
    'id: 1a2f-9c0d1e2f\nevent: opportunity.moved\ndata: {"id":"0195a1b0-0000-7000-8000-000000000002",'
    '"type":"opportunity.moved","collection":"opportunities","record_id":"0195a1b0-0000-7000-8000-000000000001",'
    '"version":3,"changed_fields":["stage_id"],"actor_id":"0195a1b0-0000-7000-8000-000000000003",'
    '"request_id":"7c0b8a9e-5f7e-4a57-9d3a-6f1f4a0e9f55","time":"2027-03-19T08:30:00Z"}\n\n'
)
_EVENT = {
    "type": "string",
    "description": "Lines of `text/event-stream`. The data of an event is a JSON object: `id`, `type`, `collection`, "
    "`record_id`, `version`, `changed_fields`, `actor_id`, `request_id` and `time`; of a comment on the record also "
    "`comment_id`, of a task `task_id`, of a file at it `attachment_id`, of a proposed change `change_proposal_id`, "
    "of an approval `approval_id`, and `version` is that one's. What a collection has as a whole has no `record_id`: "
    "of a job there are `job_id`, `kind`, `verb`, `state` and its counters, of a custom field `custom_field_id`, "
    "`key` and `state`.",
    "examples": [_EXAMPLE],
}
OPERATION = {
    "operationId": "StreamEvents",
    "tags": ["Resource"],
    "summary": "Tells what happens to what the caller may read, as it happens, as server-sent events.",
    "description": "Events say what was changed, not to what: who wants to know reads the record. `ready` says that "
    "all that was missed has been told, and that what follows happens now; `reset`, that events may be missing before "
    "it, so that records have to be read anew; `heartbeat`, that nothing else happened; `expired`, that the token, the "
    "session or the user has ended, and the stream with it. `presence` tells those who have said that they are at a "
    "record (`SayPresent`) who else is there now: `collection`, `record_id` and `present`; it has no `id` of its own, "
    "and is not told again. The answer ends with the token; come back with the `id` of the last event.\n"
    "Reasons: INVALID_ARGUMENT, UNAUTHENTICATED, RATE_LIMITED, UNAVAILABLE.",
    "x-permission": "authenticated",
    "parameters": _PARAMETERS,
    "responses": answer_of({"text/event-stream": {"schema": _EVENT}}),
}

router = APIRouter()


class CurrentUsers:
    """Who callers are, by the ids that events have: tokens of other issuers have names instead."""

    def __init__(self, operations: Iterable[Operation], channels: Channels) -> None:
        self._operation = next(each for each in operations if each.rpc.path == RPC)
        self._call = channels.call_of(self._operation.rpc)

    async def read(self, exchange: Exchange, seconds: float) -> Identity:
        """The caller; ProblemError when nobody knows them, or can say."""
        told = await self.told(exchange, seconds)
        return Identity(told.tenant_id, told.user.id, exchange.session_id)

    async def told(self, exchange: Exchange, seconds: float) -> users_pb2.CurrentUser:
        """The caller, with all that is told of them; ProblemError as of `read`."""
        try:
            reply = await self._call(self._operation.reader.new(), metadata_of(exchange), seconds)
        except grpc.aio.AioRpcError as error:
            raise ProblemError(self._operation.problem_of(error)) from error
        told: users_pb2.CurrentUser = reply.message
        return told


class EventStream(Response):
    """An answer that goes on until the stream ends."""

    def __init__(self, streams: Streams, identity: Identity, choice: Choice, last_id: str | None) -> None:
        super().__init__(headers=HEADERS, media_type="text/event-stream")
        # It comes piece by piece, and nobody knows how many.
        del self.headers["content-length"]
        self._streams = streams
        self._identity = identity
        self._choice = choice
        self._last_id = last_id

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        exchange: Exchange = scope[EXCHANGE_KEY]
        exchange.goes_on = partial(self._tell, exchange)

    async def _tell(self, exchange: Exchange, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if exchange.verb != "HEAD":
            await self._streams.tell(exchange, self._identity, self._choice, self._last_id, send)
        await send({"type": "http.response.body", "body": b""})


@router.get("/v1/events", openapi_extra=OPERATION)
async def event_stream(request: Request) -> Response:
    """What the caller may see of what happens, from where they were or from now on."""
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    admission: Admission = request.app.state.admission
    await admission.admit(exchange)
    parameters = parse_qs(exchange.query.decode("latin-1"), keep_blank_values=True)
    for name in parameters.keys() - PARAMETERS:
        raise ProblemError(malformed(name, "unknown_field", "parameter"))
    choice = choice_of(parameters, request.app.state.event_types.all)
    users: CurrentUsers = request.app.state.current_users
    identity = await users.read(exchange, request.app.state.settings.request_timeout)
    streams: Streams = request.app.state.streams
    # It is no request under way from here on; streams have places of their own.
    exchange.give_back()
    streams.take_place(exchange, identity)
    return EventStream(streams, identity, choice, last_id_of(exchange, parameters))


def last_id_of(exchange: Exchange, parameters: Mapping[str, Sequence[str]]) -> str | None:
    """How far the reader was. A browser that comes back sends the header beside the parameter of its first request."""
    header = exchange.headers.get(b"last-event-id", b"").decode("latin-1")
    return header or next(iter(parameters.get(LAST_EVENT_ID, ())), "") or None
