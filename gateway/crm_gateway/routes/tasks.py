"""`GET /v1/tasks`: the caller's open tasks of all collections in one list, and `/v1/tasks:count` how many there are.

Each service keeps the tasks of its own records, so all of them are asked at once, with the caller's token and one
deadline. A service that does not answer is told in `missing`, and the rest is there all the same; nothing at all is a
503. A page goes on behind the last task of the one before, wherever that stands by then.
"""

import asyncio
import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import grpc
import orjson
from crm.resource.v1 import my_tasks_pb2, tasks_pb2
from fastapi import APIRouter, Request, Response

from crm_gateway.admission import Admission
from crm_gateway.channels import Call, Channels, Metadata, Reply
from crm_gateway.contract import Rpc
from crm_gateway.exchange import EXCHANGE_KEY, Exchange
from crm_gateway.large_answers import LargeAnswers
from crm_gateway.openapi.other_routes import answer_of, reference
from crm_gateway.pages import read_page
from crm_gateway.problems import Problem, ProblemError, from_rpc_error, malformed
from crm_gateway.protojson.encoder import Encoders, json_bytes
from crm_gateway.protojson.large import Text, json_text
from crm_gateway.transcode.dispatch import metadata_of, timeout_of
from crm_gateway.transcode.operations import Operation

DEADLINE_SECONDS = 2.0
DEFAULT_PAGE, MAX_PAGE = 50, 200
# Bytes of the messages, as many as those of one collection may have.
MAX_BYTES = 16 << 20
LISTED = "/crm.resource.v1.TaskService/ListTasks"
FIND, COUNT = (f"/crm.resource.v1.MyTaskService/{name}" for name in ("FindMyTasks", "CountMyTasks"))
FILTER, PAGE_SIZE, PAGE_TOKEN = "filter", "page_size", "page_token"
# Whether it is never overdue, from when on it is in nanoseconds, and its id.
Order = tuple[bool, int, str]

_encode = Encoders().of(tasks_pb2.Task.DESCRIPTOR)
router = APIRouter()


@dataclass(frozen=True, slots=True)
class Source:
    """A service that keeps tasks."""

    service: str
    find: Call
    count: Call

    async def ask(self, call: Call, request: Any, metadata: Metadata, seconds: float) -> "Reply | Problem":
        """What it answers; why not, when it does not."""
        try:
            if isinstance(request, my_tasks_pb2.FindMyTasksRequest):
                # Its page size may get smaller.
                own = my_tasks_pb2.FindMyTasksRequest()
                own.CopyFrom(request)
                return await read_page(call, own, metadata, seconds)
            return await call(request, metadata, seconds)
        except grpc.aio.AioRpcError as error:
            return from_rpc_error(error, peer=self.service)


def order_of(task: tasks_pb2.Task) -> Order:
    """As services list them: what is overdue first, then what never is; ids grow with time."""
    return not task.HasField("deadline_time"), task.deadline_time.ToNanoseconds(), task.id


def merged(replies: Sequence[Reply], size: int) -> tuple[list[tasks_pb2.Task], bool]:
    """The first tasks of all that was read, and whether there are more: none behind one that was not read."""
    found = sorted((task for reply in replies for task in reply.message.tasks), key=order_of)
    ends = {reply.message.tasks[-1].id for reply in replies if reply.message.has_more and reply.message.tasks}
    shown: list[tasks_pb2.Task] = []
    total = 0
    for task in found:
        total += task.ByteSize()
        if len(shown) == size or (shown and total > MAX_BYTES):
            return shown, True
        shown.append(task)
        if task.id in ends:
            return shown, True
    return shown, False


def token_behind(task: tasks_pb2.Task) -> str:
    """Says where the next page goes on."""
    deadline = [task.deadline_time.seconds, task.deadline_time.nanos] if task.HasField("deadline_time") else None
    return base64.urlsafe_b64encode(orjson.dumps([task.id, deadline])).decode().rstrip("=")


def put_place(request: my_tasks_pb2.FindMyTasksRequest, token: str) -> None:
    """Have a request go on where a token says. ProblemError for what is none."""
    try:
        id, deadline = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        request.after_id = str(UUID(id))
        if deadline is not None:
            request.after_deadline_time.seconds, request.after_deadline_time.nanos = deadline
            request.after_deadline_time.ToNanoseconds()
            request.after_deadline_time.ToDatetime()
    except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error):
        raise ProblemError(malformed(PAGE_TOKEN, "page_token")) from None


class MyTasks:
    """Asks all services for what somebody is to do."""

    def __init__(self, operations: Iterable[Operation], channels: Channels) -> None:
        rpcs = {each.rpc.owner: each.rpc for each in operations if each.rpc.path == LISTED}
        found, counted = my_tasks_pb2.FindMyTasksResponse.DESCRIPTOR, my_tasks_pb2.CountMyTasksResponse.DESCRIPTOR

        def call_of(rpc: Rpc, path: str, response: Any) -> Call:
            return channels.call_of(replace(rpc, path=path, response=response, preset=b""))

        self._sources = [
            Source(owner, call_of(rpc, FIND, found), call_of(rpc, COUNT, counted)) for owner, rpc in rpcs.items()
        ]

    async def find(self, request: Any, metadata: Metadata, seconds: float) -> "Answers":
        """The first tasks of each service."""
        return await self._ask([(each, each.find) for each in self._sources], request, metadata, seconds)

    async def count(self, metadata: Metadata, seconds: float) -> "Answers":
        """The counts of each service."""
        request = my_tasks_pb2.CountMyTasksRequest()
        return await self._ask([(each, each.count) for each in self._sources], request, metadata, seconds)

    async def _ask(
        self, calls: Sequence[tuple[Source, Call]], request: Any, metadata: Metadata, seconds: float
    ) -> "Answers":
        answers = await asyncio.gather(*(source.ask(call, request, metadata, seconds) for source, call in calls))
        replies = [each for each in answers if not isinstance(each, Problem)]
        missing = [
            (source.service, each)
            for (source, _), each in zip(calls, answers, strict=True)
            if isinstance(each, Problem)
        ]
        for _, problem in missing:
            # What is wrong with the request is wrong everywhere.
            if problem.status < 500 or not replies:
                raise ProblemError(problem)
        return Answers(replies, missing)


@dataclass(frozen=True, slots=True)
class Answers:
    """What services answered, and why others did not."""

    replies: Sequence[Reply]
    problems: Sequence[tuple[str, Problem]]

    @property
    def missing(self) -> list[dict[str, str]]:
        """The services that did not answer."""
        return [{"service": service, "reason": problem.reason} for service, problem in self.problems]


_MISSING = {
    "type": "array",
    "description": "Services that did not answer, whose tasks are not there.",
    "items": {
        "type": "object",
        "required": ["service", "reason"],
        "properties": {
            "service": {"type": "string", "description": "Which service, for example `sales`."},
            "reason": {"type": "string", "description": "Why, as problems have it, such as UNAVAILABLE."},
        },
    },
}
_PAGE = {
    "type": "object",
    "title": "MyTasks",
    "description": "What the caller is to do: what is due first, and at the end what never is.",
    "required": ["tasks", "next_page_token", "missing"],
    "properties": {
        "tasks": {"type": "array", "items": reference("Task"), "description": "Each says its collection."},
        "next_page_token": {"type": ["string", "null"], "description": "Asks for the next page; null on the last one."},
        "missing": _MISSING,
    },
}
_COUNTS = ("open_count", "overdue_count", "today_count")
_COUNTED = {
    "type": "object",
    "title": "MyTaskCounts",
    "description": "How many open tasks the caller has. Counting stops at 10,000 of each service.",
    "required": [*_COUNTS, "missing"],
    "properties": {
        "open_count": {"type": "integer", "description": "All of them."},
        "overdue_count": {"type": "integer", "description": "Those whose time has passed."},
        "today_count": {"type": "integer", "description": "Those that are due today, and not overdue."},
        "missing": _MISSING,
    },
}
_HEADERS = [{"$ref": "#/components/parameters/XRequestId"}, {"$ref": "#/components/parameters/XRequestTimeout"}]


def in_query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


async def admitted(request: Request, *known: str) -> tuple[MyTasks, Metadata, float]:
    """What a request is answered by, once it may be; ProblemError for a parameter that is not known."""
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    admission: Admission = request.app.state.admission
    await admission.admit(exchange)
    for name in request.query_params:
        if name not in known:
            raise ProblemError(malformed(name, "unknown_field", "parameter"))
    seconds = timeout_of(exchange.headers.get(b"x-request-timeout"), DEADLINE_SECONDS)
    return request.app.state.my_tasks, metadata_of(exchange), seconds


def asked_by(request: Request) -> my_tasks_pb2.FindMyTasksRequest:
    """What the parameters of a request ask for. ProblemError for those that ask for nothing possible."""
    given = request.query_params
    try:
        size = int(given.get(PAGE_SIZE) or DEFAULT_PAGE)
    except ValueError:
        raise ProblemError(malformed(PAGE_SIZE, "type", expected="integer", got="text")) from None
    if not 0 <= size <= MAX_PAGE:
        raise ProblemError(malformed(PAGE_SIZE, "number.gte_lte", gte=0, lte=MAX_PAGE))
    asked = my_tasks_pb2.FindMyTasksRequest(page_size=size or DEFAULT_PAGE, filter=given.get(FILTER, ""))
    if token := given.get(PAGE_TOKEN):
        put_place(asked, token)
    return asked


@router.get(
    "/v1/tasks",
    openapi_extra={
        "operationId": "ListMyTasks",
        "tags": ["Resource"],
        "summary": "Lists the caller's open tasks of all collections: what is due first, and at the end what never is.",
        "description": "A service that does not answer within two seconds is named in `missing`; the answer is 200 all "
        "the same.\nReasons: INVALID_FILTER, INVALID_ARGUMENT, INVALID_PAGE_TOKEN, UNAUTHENTICATED, UNAVAILABLE.",
        "x-permission": "authenticated",
        "parameters": [
            in_query(PAGE_SIZE, "At most so many; 50 when not given.", type="integer", minimum=0, maximum=MAX_PAGE),
            in_query(PAGE_TOKEN, "`next_page_token` of the page seen last.", type="string", maxLength=2000),
            in_query(
                FILTER,
                "As the lists of each collection take it, for example `overdue = true`.",
                type="string",
                maxLength=2000,
            ),
            *_HEADERS,
        ],
        "responses": answer_of({"application/json": {"schema": _PAGE}}),
    },
)
async def my_tasks(request: Request) -> Response:
    """What the caller is to do, as far as it can be had within the deadline."""
    source, metadata, seconds = await admitted(request, FILTER, PAGE_SIZE, PAGE_TOKEN)
    asked = asked_by(request)
    answers = await source.find(asked, metadata, seconds)

    def text() -> Text:
        shown, has_more = merged(answers.replies, asked.page_size)
        token = token_behind(shown[-1]) if has_more else None
        answer = {"tasks": [_encode(each) for each in shown], "next_page_token": token, "missing": answers.missing}
        return json_text(answer, size)

    size = sum(reply.size for reply in answers.replies)
    large: LargeAnswers = request.app.state.large_answers
    written = await large.written(request.scope[EXCHANGE_KEY], size, text)
    return Response(memoryview(written), media_type="application/json", headers={"cache-control": "no-store"})


@router.get(
    "/v1/tasks:count",
    openapi_extra={
        "operationId": "CountMyTasks",
        "tags": ["Resource"],
        "summary": "Counts the caller's open tasks of all collections, and which of them are overdue or due today.",
        "description": "A service that does not answer within two seconds is named in `missing`; the answer is 200 all "
        "the same.\nReasons: UNAUTHENTICATED, UNAVAILABLE.",
        "x-permission": "authenticated",
        "parameters": _HEADERS,
        "responses": answer_of({"application/json": {"schema": _COUNTED}}),
    },
)
async def count_my_tasks(request: Request) -> Response:
    """How much the caller is to do."""
    source, metadata, seconds = await admitted(request)
    answers = await source.count(metadata, seconds)
    counts = {name: sum(getattr(reply.message, name) for reply in answers.replies) for name in _COUNTS}
    headers = {"cache-control": "no-store"}
    body = json_bytes(counts | {"missing": answers.missing})
    return Response(body, media_type="application/json", headers=headers)
