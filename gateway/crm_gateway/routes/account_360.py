"""`GET /v1/accounts/{id}/360`: all about one account in one call, although four services own it.

All parts are asked for at once, with the caller's token and one deadline. The account decides: when the caller may
not know it, that is the answer. Every other part that is down, slow or not permitted is null and told in `missing`.
When the customer service itself is down, the account is such a part too, as long as the token can be verified here:
each service shows of an account only what the caller may see, so nothing leaks by it. Nothing at all is a 503.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import grpc
from crm.customer.v1 import accounts_pb2, contacts_pb2, timeline_pb2
from crm.sales.v1 import opportunities_pb2, orders_pb2
from crm.scoring.v1 import credit_pb2, scores_pb2
from crm.service_desk.v1 import cases_pb2
from fastapi import APIRouter, Request, Response

from crm_gateway.admission import Admission
from crm_gateway.channels import Call, Channels, Metadata, Reply
from crm_gateway.exchange import EXCHANGE_KEY, Exchange
from crm_gateway.large_answers import LargeAnswers
from crm_gateway.openapi.other_routes import answer_of, reference
from crm_gateway.pages import read_page
from crm_gateway.problems import Problem, ProblemError, from_rpc_error, malformed, violation
from crm_gateway.protojson.large import Text, json_text
from crm_gateway.texts.catalogue import Language
from crm_gateway.transcode.dispatch import metadata_of, timeout_of
from crm_gateway.transcode.operations import Operation

DEADLINE_SECONDS = 2.0
TIMELINE_ENTRIES = 10
ORDERS = 10
OTHERS = 50
OPEN_CASE_STATES = "NEW, OPEN, WAITING_CUSTOMER, WAITING_THIRD_PARTY, RESOLVED, REOPENED"

# Says nothing of the account itself: the service failed, not the caller.
_FAILURES = frozenset({500, 503, 504})

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the answer: the RPC that gives it, and the field of its response; empty: the whole response."""

    name: str
    description: str
    rpc: str
    request: Callable[[str], Any]
    field: str = ""

    @property
    def service(self) -> str:
        """The process that serves it, `customer` for `crm.customer.v1...`."""
        return self.rpc.split(".")[1]


ACCOUNT = Part(
    "account",
    "The account.",
    "crm.customer.v1.AccountService.GetAccount",
    lambda account: accounts_pb2.GetAccountRequest(id=account),
)
PARTS = (
    ACCOUNT,
    Part(
        "contacts",
        "The people we know there, at most 50.",
        "crm.customer.v1.ContactService.ListContacts",
        lambda account: contacts_pb2.ListContactsRequest(account_id=account, page_size=OTHERS),
        "contacts",
    ),
    Part(
        "timeline",
        "The last ten things that happened.",
        "crm.customer.v1.TimelineService.ListTimeline",
        lambda account: timeline_pb2.ListTimelineRequest(account_id=account, page_size=TIMELINE_ENTRIES),
        "entries",
    ),
    Part(
        "open_opportunities",
        "Deals that may still be won, at most 50.",
        "crm.sales.v1.OpportunityService.ListOpportunities",
        lambda account: opportunities_pb2.ListOpportunitiesRequest(
            filter=f'account_id = "{account}" AND state = OPEN', page_size=OTHERS
        ),
        "opportunities",
    ),
    Part(
        "recent_orders",
        "The last ten orders.",
        "crm.sales.v1.OrderService.ListOrders",
        lambda account: orders_pb2.ListOrdersRequest(filter=f'account_id = "{account}"', page_size=ORDERS),
        "orders",
    ),
    Part(
        "open_cases",
        "Cases that are not closed, at most 50, with their milestones.",
        "crm.service_desk.v1.CaseService.ListCases",
        lambda account: cases_pb2.ListCasesRequest(
            filter=f'account_id = "{account}" AND state IN ({OPEN_CASE_STATES})', page_size=OTHERS
        ),
        "cases",
    ),
    Part(
        "scores",
        "What the account is worth.",
        "crm.scoring.v1.ScoreService.GetAccountScores",
        lambda account: scores_pb2.GetAccountScoresRequest(account_id=account),
    ),
    Part(
        "credit",
        "How much it may owe and does.",
        "crm.scoring.v1.CreditService.GetCreditLimit",
        lambda account: credit_pb2.GetCreditLimitRequest(account_id=account),
    ),
)
_SCHEMAS: Mapping[str, str] = {
    "account": "Account",
    "contacts": "Contact",
    "timeline": "TimelineEntry",
    "open_opportunities": "Opportunity",
    "recent_orders": "Order",
    "open_cases": "Case",
    "scores": "AccountScores",
    "credit": "CreditLimit",
}
_NAMES = [part.name for part in PARTS]


@dataclass(frozen=True, slots=True)
class Source:
    """A part ready to be asked for."""

    part: Part
    call: Call
    operation: Operation

    async def read(self, account: str, metadata: Metadata, seconds: float) -> Reply:
        """The part; ProblemError when it cannot be had."""
        request = self.part.request(account)
        try:
            if self.part.field:
                return await read_page(self.call, request, metadata, seconds)
            return await self.call(request, metadata, seconds)
        except grpc.aio.AioRpcError as error:
            raise ProblemError(from_rpc_error(error, peer=self.operation.rpc.owner)) from error

    def values(self, message: Any, language: Language) -> Any:
        """The part as JSON values."""
        values = self.operation.values(message, language)
        return values[self.part.field] if self.part.field else values

    def has_more(self, message: Any) -> bool:
        """Whether the part has only the first of them."""
        return bool(self.part.field and message.next_page_token)


@dataclass(frozen=True, slots=True)
class Found:
    """The parts that are there, as they were read, and why the others are not."""

    replies: Mapping[Source, Reply]
    problems: Mapping[Part, Problem]

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(each.size for each in self.replies.values())

    def text(self, language: Language) -> Text:
        """The whole answer; it may take a while."""
        values = {source.part: source.values(reply.message, language) for source, reply in self.replies.items()}
        more = {source.part for source, reply in self.replies.items() if source.has_more(reply.message)}
        answer = {
            **{part.name: values.get(part) for part in PARTS},
            "more": [part.name for part in PARTS if part in more],
            "missing": [
                {"part": part.name, "service": part.service, "reason": problem.reason}
                for part, problem in self.problems.items()
            ],
        }
        return json_text(answer, self.size)


class Account360:
    """Asks all services for what they know of one account."""

    def __init__(self, operations: Iterable[Operation], channels: Channels) -> None:
        by_rpc = {each.rpc.full_name: each for each in operations}
        parts = [(part, by_rpc[part.rpc]) for part in PARTS]
        self._sources = [Source(part, channels.call_of(operation.rpc), operation) for part, operation in parts]

    async def read(self, account: str, metadata: Metadata, seconds: float) -> Found:
        """The parts; ProblemError when the account refuses, or when no part is there."""
        reading = {
            source.part: asyncio.ensure_future(source.read(account, metadata, seconds)) for source in self._sources
        }
        try:
            await asyncio.wait([reading[ACCOUNT]])
            if (refusal := _problem(reading[ACCOUNT])) is not None and refusal.status not in _FAILURES:
                raise ProblemError(refusal)
            await asyncio.wait(reading.values())
        finally:
            for each in reading.values():
                each.cancel()
        problems = {part: problem for part, each in reading.items() if (problem := _problem(each)) is not None}
        if len(problems) == len(reading):
            raise ProblemError(problems[ACCOUNT])
        replies = {each: reading[each.part].result() for each in self._sources if each.part not in problems}
        return Found(replies, problems)


def _problem(reading: "asyncio.Future[Reply]") -> Problem | None:
    """Why a part that was read is not there; a defect of ours is raised."""
    error = reading.exception()
    if error is None:
        return None
    if isinstance(error, ProblemError):
        return error.problem
    raise error


def _list_or_one(part: Part) -> dict[str, Any]:
    item = reference(_SCHEMAS[part.name])
    schema = {"type": ["array", "null"], "items": item} if part.field else {"anyOf": [item, {"type": "null"}]}
    return schema | {"description": part.description}


_ANSWER = {
    "type": "object",
    "title": "Account360",
    "description": "All about one account. A part is null when `missing` names it.",
    "required": [*_NAMES, "more", "missing"],
    "properties": {
        **{part.name: _list_or_one(part) for part in PARTS},
        "more": {
            "type": "array",
            "items": {"type": "string", "enum": [part.name for part in PARTS if part.field]},
            "description": "Lists of which only the first entries are here; their own routes have the rest.",
        },
        "missing": {
            "type": "array",
            "description": "Parts that could not be had, and why.",
            "items": {
                "type": "object",
                "required": ["part", "service", "reason"],
                "properties": {
                    "part": {"type": "string", "enum": _NAMES, "description": "Which part."},
                    "service": {"type": "string", "description": "The service that owns it."},
                    "reason": {"type": "string", "description": "Why, as problems have it, such as UNAVAILABLE."},
                },
            },
        },
    },
}


@router.get(
    "/v1/accounts/{id}/360",
    openapi_extra={
        "operationId": "GetAccount360",
        "tags": ["Account"],
        "summary": "Reads all about one account in one call: contacts, timeline, deals, orders, cases, scores and "
        "credit, from four services at once.",
        "description": "A part that its service does not give within two seconds, or that the "
        "caller may not see, is null and named in `missing`; the answer is 200 all the same. The account decides "
        "whether there is one: unknown to the caller, it is ACCOUNT_NOT_FOUND. `missing` names the account too when "
        "the customer service does not answer.\nReasons: ACCOUNT_NOT_FOUND, PERMISSION_DENIED, UNAVAILABLE.",
        "x-permission": "accounts.read",
        "parameters": [
            {
                "name": "id",
                "in": "path",
                "required": True,
                "description": "The account's id.",
                "schema": {"type": "string", "format": "uuid"},
            },
            {"$ref": "#/components/parameters/XRequestId"},
            {"$ref": "#/components/parameters/XRequestTimeout"},
        ],
        "responses": answer_of({"application/json": {"schema": _ANSWER}}),
    },
)
async def account_360(id: str, request: Request) -> Response:
    """All about one account, as far as it can be had within the deadline."""
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    admission: Admission = request.app.state.admission
    await admission.admit(exchange)
    for name in request.query_params:
        raise ProblemError(malformed(name, "unknown_field", "parameter"))
    source: Account360 = request.app.state.account_360
    seconds = timeout_of(exchange.headers.get(b"x-request-timeout"), DEADLINE_SECONDS)
    found = await source.read(_account_id(id), metadata_of(exchange), seconds)
    large: LargeAnswers = request.app.state.large_answers
    text = await large.written(exchange, found.size, partial(found.text, exchange.language))
    exchange.answer_headers += exchange.language_headers
    return Response(memoryview(text), media_type="application/json", headers={"cache-control": "no-store"})


def _account_id(text: str) -> str:
    """An id as it stands in filters: the hyphenated form and nothing else."""
    try:
        if str(UUID(text)) == text.lower():
            return text.lower()
    except ValueError:
        pass
    raise ProblemError(Problem(422, "INVALID_ARGUMENT", errors=[violation("id", "string.uuid")]))
