"""`GET /v1/reports/{collection}/{id}:export`: the answer of a report as a file, with the rights of who asks."""

from collections.abc import Iterable
from datetime import date
from functools import partial
from typing import Any

import grpc
from crm_kit.reports import pdf
from crm_kit.reports.model import Chart
from crm_kit.reports.table import ReportTable
from crm_kit.reports.workbook import workbook_of
from crm_kit.wire import time_from
from fastapi import APIRouter, Request, Response

from crm_gateway.admission import Admission
from crm_gateway.channels import Call, Channels
from crm_gateway.exchange import EXCHANGE_KEY, Exchange
from crm_gateway.exports import csv_file
from crm_gateway.large_answers import LargeAnswers
from crm_gateway.openapi.other_routes import answer_of
from crm_gateway.problems import Problem, ProblemError, malformed
from crm_gateway.routes.export import FILES
from crm_gateway.tenant_zone import TenantZones
from crm_gateway.texts.catalogue import Language
from crm_gateway.transcode.dispatch import metadata_of, timeout_of
from crm_gateway.transcode.operations import Operation

DEADLINE_SECONDS = 10.0
RPC = "/crm.resource.v1.ReportService/RunReport"
PREFIX = "/v1/reports/"
FORMAT = "format"
XLSX, PDF = "xlsx", "pdf"
MEDIA_TYPES = {**{name: media for name, (_, media) in FILES.items()}, PDF: pdf.MEDIA_TYPE}

router = APIRouter()


class Running:
    """Runs the reports of one collection."""

    def __init__(self, operation: Operation, call: Call) -> None:
        self.operation = operation
        self.call = call

    @property
    def collection(self) -> str:
        """As paths have it."""
        return self.operation.binding.template.removeprefix(PREFIX).partition("/")[0]

    def request(self, id: str) -> Any:
        """What asks for the answer of a report."""
        request = self.operation.reader.new()
        request.id = id
        return request


def running_reports(operations: Iterable[Operation], channels: Channels) -> dict[str, Running]:
    """What runs the reports of each collection that has them, by its name in paths."""
    found = (Running(each, channels.call_of(each.rpc)) for each in operations if each.rpc.path == RPC)
    return {each.collection: each for each in found}


def content_of(format: str, report: Any, answer: Any, language: Language, *, day: date) -> bytes:
    """The whole file; it may take a while."""
    if format == PDF:
        return pdf.pdf_of(answer, language, name=report.display_name, day=day, chart=chart_of(report))
    if format == XLSX:
        return workbook_of(answer, language, chart=chart_of(report))
    table, lines = ReportTable(answer, language), csv_file.CsvFile()
    for row in (table.header(), *table.rows()):
        lines.write(row)
    return lines.take() + lines.end()


def chart_of(report: Any) -> Chart:
    """As it is shown; a table where a later version has charts that are not known here."""
    name = type(report).Chart.Name(report.chart) if report.chart in type(report).Chart.values() else ""
    return Chart.__members__.get(name.removeprefix("CHART_"), Chart.TABLE)


@router.get(
    "/v1/reports/{collection}/{id}:export",
    openapi_extra={
        "operationId": "ExportReport",
        "tags": ["Resource"],
        "summary": "Answers a report as CSV, XLSX or PDF.",
        "description": "It has a row for each group, one for the others and one for all, and columns under their "
        "labels in the language of `Accept-Language`. In CSV a cell that a spreadsheet would compute begins with an "
        "apostrophe; in XLSX figures are numbers.\n"
        "Reasons: COLLECTION_NOT_FOUND, REPORT_NOT_FOUND, INVALID_FILTER, INVALID_ARGUMENT, PERMISSION_DENIED, "
        "RATE_LIMITED.",
        "x-permission": "that to read the collection",
        "parameters": [
            {
                "name": "collection",
                "in": "path",
                "required": True,
                "description": "Any collection that has reports, for example opportunities.",
                "schema": {"type": "string", "maxLength": 100, "examples": ["opportunities"]},
            },
            {
                "name": "id",
                "in": "path",
                "required": True,
                "description": "The report's id.",
                "schema": {"type": "string", "format": "uuid"},
            },
            {
                "name": FORMAT,
                "in": "query",
                "description": "What kind of file; CSV when not given.",
                "schema": {"type": "string", "enum": list(MEDIA_TYPES), "default": "csv"},
            },
            {"$ref": "#/components/parameters/XRequestId"},
            {"$ref": "#/components/parameters/XRequestTimeout"},
        ],
        "responses": answer_of(
            {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA_TYPES.values()}
        ),
    },
)
async def export_report(collection: str, id: str, request: Request) -> Response:
    """The answer as a file."""
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    admission: Admission = request.app.state.admission
    await admission.admit(exchange)
    for name in request.query_params:
        if name != FORMAT:
            raise ProblemError(malformed(name, "unknown_field", "parameter"))
    format = request.query_params.get(FORMAT, "csv")
    if format not in MEDIA_TYPES:
        raise ProblemError(malformed(FORMAT, "enum", choices=", ".join(MEDIA_TYPES)))
    running: Running | None = request.app.state.running_reports.get(collection)
    if running is None:
        raise ProblemError(Problem(404, "COLLECTION_NOT_FOUND"))
    seconds = timeout_of(exchange.headers.get(b"x-request-timeout"), DEADLINE_SECONDS)
    try:
        reply = await running.call(running.request(id), metadata_of(exchange), seconds)
    except grpc.aio.AioRpcError as error:
        raise ProblemError(running.operation.problem_of(error)) from error
    large: LargeAnswers = request.app.state.large_answers
    report, answer = reply.message.report, reply.message.answer
    zone = await _zones(request).read(metadata_of(exchange), seconds)
    day = time_from(answer.as_of_time).astimezone(zone).date()
    make = partial(content_of, format, report, answer, exchange.language, day=day)
    # Pages of a few hundred rows take longer to draw than others may wait.
    content = await large.written_on_thread(exchange, reply.size, make)
    headers = {
        "vary": "Accept-Language",
        "content-disposition": f'attachment; filename="{collection}-report.{format}"',
        "cache-control": "no-store",
    }
    return Response(memoryview(content), media_type=MEDIA_TYPES[format], headers=headers)


def _zones(request: Request) -> TenantZones:
    zones: TenantZones = request.app.state.tenant_zones
    return zones
