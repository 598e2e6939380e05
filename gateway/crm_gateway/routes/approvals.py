"""`GET /v1/approvals`: what waits for the caller's decision, of all collections in one list.

Each service keeps the approvals of its own records, so all of them are asked at once, with the caller's token and one
deadline. What the caller may not read does not wait for them. A collection whose service does not answer is told in
`missing`, and the rest is there all the same; nothing at all is a 503. What is too large for one answer is told in
`more`: the list ends before the first that would be left out.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import grpc
from crm.resource.v1 import approvals_pb2
from fastapi import APIRouter, Request, Response

from crm_gateway.admission import Admission
from crm_gateway.channels import Call, Channels, Metadata
from crm_gateway.exchange import EXCHANGE_KEY, Exchange
from crm_gateway.large_answers import LargeAnswers
from crm_gateway.openapi.other_routes import answer_of, reference
from crm_gateway.pages import read_page
from crm_gateway.problems import Problem, ProblemError, from_rpc_error, malformed
from crm_gateway.protojson.encoder import Encoders
from crm_gateway.protojson.large import Text, json_text
from crm_gateway.transcode.dispatch import metadata_of, timeout_of
from crm_gateway.transcode.operations import Operation

DEADLINE_SECONDS = 2.0
# As many as a page of one collection has at most.
MAX_APPROVALS = 200
# Bytes of the messages, as many as those of one collection may have.
MAX_BYTES = 16 << 20
RPC = "/crm.resource.v1.ApprovalService/ListWaitingApprovals"
PREFIX = "/v1/approvals/"
FILTER = "filter"

# Whether it has no time, its time in nanoseconds, and its id.
Order = tuple[bool, int, str]

_encode = Encoders().of(approvals_pb2.Approval.DESCRIPTOR)
router = APIRouter()


@dataclass(frozen=True, slots=True)
class Source:
    """The approvals of one collection that wait for the caller."""

    call: Call
    operation: Operation

    @property
    def collection(self) -> str:
        """As paths have it."""
        return self.operation.binding.template.removeprefix(PREFIX).partition(":")[0]

    async def read(self, filter: str, metadata: Metadata, seconds: float) -> "Page | Problem":
        """The first that the filter leaves; why not, when they cannot be had."""
        request = self.operation.reader.new()
        request.page_size, request.filter = MAX_APPROVALS, filter
        try:
            reply = await read_page(self.call, request, metadata, seconds)
        except grpc.aio.AioRpcError as error:
            problem = from_rpc_error(error, peer=self.operation.rpc.owner)
            return Page(self) if problem.reason == "PERMISSION_DENIED" else problem
        return Page(self, reply.message.approvals, reply.size, has_more=bool(reply.message.next_page_token))


@dataclass(frozen=True, slots=True)
class Waiting:
    """One approval, and its place in the list."""

    order: Order
    approval: approvals_pb2.Approval
    source: Source


def order_of(approval: approvals_pb2.Approval) -> Order:
    """As services list them: what is due first, then what has no time; ids grow with time."""
    is_timed = approval.HasField("due_time")
    return not is_timed, approval.due_time.ToNanoseconds(), approval.id


@dataclass(frozen=True, slots=True)
class Page:
    """What waits in one collection, of so many bytes."""

    source: Source
    approvals: Sequence[approvals_pb2.Approval] = ()
    size: int = 0
    has_more: bool = False

    def waiting(self) -> list[Waiting]:
        """Each with its place."""
        return [Waiting(order_of(each), each, self.source) for each in self.approvals]


@dataclass(frozen=True, slots=True)
class Found:
    """What waits in all collections, as it was read, and why those that are missing are."""

    pages: Sequence[Page]
    missing: Sequence[tuple[Source, Problem]]

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        return sum(page.size for page in self.pages)

    def text(self) -> Text:
        """The whole answer; it may take a while."""
        waiting = sorted((each for page in self.pages for each in page.waiting()), key=lambda each: each.order)
        number = shown(waiting, [page.approvals[-1].id for page in self.pages if page.has_more and page.approvals])
        left_out = [
            *(page.source for page in self.pages if page.has_more),
            *(each.source for each in waiting[number:]),
        ]
        answer = {
            "approvals": [_encode(each.approval) for each in waiting[:number]],
            "more": sorted({source.collection for source in left_out}),
            "missing": [
                {"collection": source.collection, "service": source.operation.rpc.owner, "reason": problem.reason}
                for source, problem in self.missing
            ],
        }
        return json_text(answer, self.size)


def shown(waiting: Sequence[Waiting], ends: Collection[str]) -> int:
    """How many of them an answer has: as many as fit, and none behind one that was not read.

    `ends` are the ids of those after which their collections have more.
    """
    size = 0
    for at, each in enumerate(waiting):
        size += each.approval.ByteSize()
        if at == MAX_APPROVALS or (at and size > MAX_BYTES):
            return at
        if each.approval.id in ends:
            return at + 1
    return len(waiting)


class WaitingApprovals:
    """Asks all services for what waits for somebody."""

    def __init__(self, operations: Iterable[Operation], channels: Channels) -> None:
        self._sources = [Source(channels.call_of(each.rpc), each) for each in operations if each.rpc.path == RPC]

    async def read(self, filter: str, metadata: Metadata, seconds: float) -> Found:
        """What there is; ProblemError for a wrong filter, when the caller is not known, or no service answers."""
        answers = await asyncio.gather(*(each.read(filter, metadata, seconds) for each in self._sources))
        pages = [each for each in answers if isinstance(each, Page)]
        problems = [
            (source, each) for source, each in zip(self._sources, answers, strict=True) if not isinstance(each, Page)
        ]
        for _, problem in problems:
            # What is wrong with the request is wrong everywhere.
            if problem.status < 500 or not pages:
                raise ProblemError(problem)
        return Found(pages, problems)


_ANSWER = {
    "type": "object",
    "title": "WaitingApprovals",
    "description": "What waits for the caller's decision: what is due first, then the oldest.",
    "required": ["approvals", "more", "missing"],
    "properties": {
        "approvals": {
            "type": "array",
            "items": reference("Approval"),
            "description": f"At most {MAX_APPROVALS}; each says its collection.",
        },
        "more": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Collections of which more wait, for example `orders`; their own lists have the rest.",
            "examples": [["orders"]],
        },
        "missing": {
            "type": "array",
            "description": "Collections whose approvals could not be had, and why.",
            "items": {
                "type": "object",
                "required": ["collection", "service", "reason"],
                "properties": {
                    "collection": {"type": "string", "description": "Which collection, as paths have it."},
                    "service": {"type": "string", "description": "The service that owns it."},
                    "reason": {"type": "string", "description": "Why, as problems have it, such as UNAVAILABLE."},
                },
            },
        },
    },
}


@router.get(
    "/v1/approvals",
    openapi_extra={
        "operationId": "ListAllWaitingApprovals",
        "tags": ["Resource"],
        "summary": "Lists what waits for the caller, in all collections, what is due first, then the oldest.",
        "description": "A collection whose service does not answer within two seconds is named in `missing`; the "
        "answer is 200 all the same.\nReasons: INVALID_FILTER, UNAUTHENTICATED, UNAVAILABLE.",
        "x-permission": "authenticated",
        "parameters": [
            {
                "name": FILTER,
                "in": "query",
                "description": "As the lists of each collection take it, for example `overdue = true`.",
                "schema": {"type": "string", "maxLength": 2000},
            },
            {"$ref": "#/components/parameters/XRequestId"},
            {"$ref": "#/components/parameters/XRequestTimeout"},
        ],
        "responses": answer_of({"application/json": {"schema": _ANSWER}}),
    },
)
async def waiting_approvals(request: Request) -> Response:
    """What waits for the caller, as far as it can be had within the deadline."""
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    admission: Admission = request.app.state.admission
    await admission.admit(exchange)
    for name in request.query_params:
        if name != FILTER:
            raise ProblemError(malformed(name, "unknown_field", "parameter"))
    source: WaitingApprovals = request.app.state.waiting_approvals
    seconds = timeout_of(exchange.headers.get(b"x-request-timeout"), DEADLINE_SECONDS)
    found = await source.read(request.query_params.get(FILTER, ""), metadata_of(exchange), seconds)
    large: LargeAnswers = request.app.state.large_answers
    text = await large.written(exchange, found.size, found.text)
    return Response(memoryview(text), media_type="application/json", headers={"cache-control": "no-store"})
