"""`GET /v1/dashboards/{id}:run`: a dashboard with the answers of all its reports, in one call.

Each report is answered where its records are, with the caller's token: whoever looks sees figures of what they may
read. A report that cannot be had, since its service does not answer, it is not shared with the caller, or there is no
room for its answer, is told in `missing`, and the rest is there all the same.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from crm.customer.v1 import dashboards_pb2
from fastapi import APIRouter, Request, Response

from crm_gateway.admission import Admission
from crm_gateway.channels import Call, Channels, Metadata, Reply
from crm_gateway.exchange import EXCHANGE_KEY, Exchange
from crm_gateway.large_answers import LargeAnswers
from crm_gateway.openapi.other_routes import answer_of, reference
from crm_gateway.problems import Problem, ProblemError, from_rpc_error, malformed
from crm_gateway.protojson.large import Text, json_text
from crm_gateway.routes.reports import Running
from crm_gateway.texts.catalogue import Language
from crm_gateway.transcode.dispatch import metadata_of, timeout_of
from crm_gateway.transcode.operations import Operation

DEADLINE_SECONDS = 10.0
# So many reports of a dashboard are answered at a time: a service adds up a few for each tenant.
AT_ONCE = 6
# Bytes of the messages of all answers.
MAX_BYTES = 16 << 20
GET = "crm.customer.v1.DashboardService.GetDashboard"

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Missing:
    """Why the report of a tile is not there, and whose it would be."""

    service: str
    reason: str


Answered = Reply | Missing


@dataclass(frozen=True, slots=True)
class Found:
    """A dashboard and the answers of its tiles, in their order."""

    dashboard: Reply
    answers: Sequence[tuple[Running | None, Answered]]

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        return self.dashboard.size + sum(each.size for _, each in self.answers if isinstance(each, Reply))

    def text(self, get: Operation, language: Language) -> Text:
        """The whole answer; it may take a while."""
        tiles: list[Any] = []
        missing = []
        size = self.dashboard.size
        for at, (running, answer) in enumerate(self.answers):
            if isinstance(answer, Reply) and size + answer.size > MAX_BYTES and running is not None:
                answer = Missing(running.operation.rpc.owner, "RESPONSE_TOO_LARGE")
            if isinstance(answer, Missing):
                tiles.append(None)
                missing.append({"tile": at, "service": answer.service, "reason": answer.reason})
            elif running is not None:
                size += answer.size
                tiles.append(running.operation.values(answer.message, language))
        shown = get.values(self.dashboard.message, language)
        return json_text({"dashboard": shown, "answers": tiles, "missing": missing}, size)


class Dashboards:
    """Puts dashboards together."""

    def __init__(self, operations: Iterable[Operation], channels: Channels, running: Mapping[str, Running]) -> None:
        self.get = next(each for each in operations if each.rpc.full_name == GET)
        self._call: Call = channels.call_of(self.get.rpc)
        self._running = running

    async def run(self, id: str, metadata: Metadata, seconds: float) -> Found:
        """The dashboard with what its reports are answered; ProblemError when it cannot be had itself."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        try:
            dashboard = await self._call(dashboards_pb2.GetDashboardRequest(id=id), metadata, seconds)
        except grpc.aio.AioRpcError as error:
            raise ProblemError(self.get.problem_of(error)) from error
        places = asyncio.Semaphore(AT_ONCE)

        async def answered(collection: str, report_id: str) -> Answered:
            running = self._running.get(collection.replace("_", "-"))
            if running is None:
                return Missing("", "COLLECTION_NOT_FOUND")
            async with places:
                return await self._answer(running, report_id, metadata, max(0.0, end - loop.time()))

        # A report that stands there twice is answered once.
        wanted = list(dict.fromkeys((tile.collection, tile.report_id) for tile in dashboard.message.tiles))
        found = dict(zip(wanted, await asyncio.gather(*(answered(*each) for each in wanted)), strict=True))
        answers = [
            (self._running.get(tile.collection.replace("_", "-")), found[tile.collection, tile.report_id])
            for tile in dashboard.message.tiles
        ]
        return Found(dashboard, answers)

    async def _answer(self, running: Running, report_id: str, metadata: Metadata, seconds: float) -> Answered:
        try:
            return await running.call(running.request(report_id), metadata, seconds)
        except grpc.aio.AioRpcError as error:
            owner = running.operation.rpc.owner
            problem: Problem = from_rpc_error(error, peer=owner)
            return Missing(owner, problem.reason)


_ANSWER = {
    "type": "object",
    "title": "RunDashboard",
    "description": "A dashboard and the answers of its reports.",
    "required": ["dashboard", "answers", "missing"],
    "properties": {
        "dashboard": reference("Dashboard") | {"description": "The dashboard with its tiles."},
        "answers": {
            "type": "array",
            "items": {"anyOf": [reference("RunReportResponse"), {"type": "null"}]},
            "description": "In the order of the tiles; null where `missing` says why.",
        },
        "missing": {
            "type": "array",
            "description": "Tiles whose reports could not be answered, and why.",
            "items": {
                "type": "object",
                "required": ["tile", "service", "reason"],
                "properties": {
                    "tile": {"type": "integer", "description": "Which tile, from 0 on."},
                    "service": {"type": "string", "description": "The service that owns it."},
                    "reason": {
                        "type": "string",
                        "description": "Why, as problems have it, such as UNAVAILABLE, PERMISSION_DENIED or "
                        "REPORT_NOT_FOUND; RESPONSE_TOO_LARGE where there is no room for it.",
                    },
                },
            },
        },
    },
}


@router.get(
    "/v1/dashboards/{id}:run",
    openapi_extra={
        "operationId": "RunDashboard",
        "tags": ["Dashboard"],
        "summary": "Reads a dashboard with the answers of all its reports, from several services at once.",
        "description": "Each report is answered with the caller's rights. One that cannot be had within ten seconds is "
        "named in `missing`; the answer is 200 all the same.\n"
        "Reasons: DASHBOARD_NOT_FOUND, PERMISSION_DENIED, UNAVAILABLE.",
        "x-permission": "dashboards.read",
        "parameters": [
            {
                "name": "id",
                "in": "path",
                "required": True,
                "description": "The dashboard's id.",
                "schema": {"type": "string", "format": "uuid"},
            },
            {"$ref": "#/components/parameters/XRequestId"},
            {"$ref": "#/components/parameters/XRequestTimeout"},
        ],
        "responses": answer_of({"application/json": {"schema": _ANSWER}}),
    },
)
async def run_dashboard(id: str, request: Request) -> Response:
    """The dashboard, as far as its reports can be had within the deadline."""
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    admission: Admission = request.app.state.admission
    await admission.admit(exchange)
    for name in request.query_params:
        raise ProblemError(malformed(name, "unknown_field", "parameter"))
    source: Dashboards = request.app.state.dashboards
    seconds = timeout_of(exchange.headers.get(b"x-request-timeout"), DEADLINE_SECONDS)
    found = await source.run(id, metadata_of(exchange), seconds)
    large: LargeAnswers = request.app.state.large_answers
    text = await large.written(exchange, found.size, partial(found.text, source.get, exchange.language))
    exchange.answer_headers += exchange.language_headers
    return Response(memoryview(text), media_type="application/json", headers={"cache-control": "no-store"})
