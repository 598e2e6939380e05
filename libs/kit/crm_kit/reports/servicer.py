"""ReportService: from message to command or query and back, for the collections of one service."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from crm.options.v1 import options_pb2
from crm.resource.v1 import reports_pb2 as pb

from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import NotFound
from crm_kit.listing import PageOf
from crm_kit.paging import PageTokens
from crm_kit.reports import commands
from crm_kit.reports.answers import answer_to_pb
from crm_kit.reports.model import Question, Report, Subscription
from crm_kit.reports.ready import ReadyReport, ReadyReports
from crm_kit.reports.resource import OF_COLLECTION, REPORTS
from crm_kit.reports.running import answer
from crm_kit.resource.names import Names
from crm_kit.resource.questions import AnyResource


class ReportServicer:
    # The pipeline gives each reader the scope of the collection's own permission.
    contract = pb.DESCRIPTOR.services_by_name["ReportService"]

    def __init__(
        self, resources: Mapping[str, AnyResource], ready: ReadyReports, names: Names, tokens: PageTokens
    ) -> None:
        self._resources = resources
        self._ready = ready
        self._names = names
        self._tokens = tokens

    async def CreateReport(self, request: pb.CreateReportRequest, work: UnitOfWork) -> pb.Report:
        values = REPORTS.values_of(request.report)
        return REPORTS.message(work, await commands.create_report(work, self._asked(request), values))

    async def GetReport(self, request: pb.GetReportRequest, reader: Reader) -> pb.Report:
        ready = self._ready_of(request)
        if found := ready.get(UUID(request.id)):
            return found.message()
        return REPORTS.message(reader, await commands.get_report(reader, request.collection, request.id, ready))

    async def ListReports(self, request: pb.ListReportsRequest, reader: Reader) -> pb.ListReportsResponse:
        ready = self._ready_of(request)
        asked = PageOf(request.page_size, request.page_token, request.filter)
        response, of = pb.ListReportsResponse, {"collection": request.collection}
        page = await REPORTS.list(reader, asked, response, self._tokens, listing=OF_COLLECTION, binds=of)
        if not request.page_token and not request.filter:
            page.built_in_reports.extend(each.message() for each in ready.values())
        return page

    async def UpdateReport(self, request: pb.UpdateReportRequest, work: UnitOfWork) -> pb.Report:
        resource, ready = self._asked(request), self._ready_of(request)
        await commands.get_own_kind(work, request.collection, request.report.id, ready)
        before, values = await REPORTS.to_update(work, request)
        return REPORTS.message(work, await commands.update_report(work, resource, before, values))

    async def CopyReport(self, request: pb.CopyReportRequest, work: UnitOfWork) -> pb.Report:
        resource = self._asked(request)
        copied = await commands.get_report(work, request.collection, request.id, self._ready_of(request))
        name = request.display_name or copied.display_name
        values = {"display_name": name, "question": copied.question, "chart": copied.chart}
        return REPORTS.message(work, await commands.create_report(work, resource, values))

    async def SubscribeToReport(self, request: pb.SubscribeToReportRequest, work: UnitOfWork) -> pb.Report:
        ready = self._ready_of(request)
        before = await commands.get_own_kind(work, request.collection, request.id, ready)
        wanted = subscription_from(request)
        return REPORTS.message(work, commands.subscribe(work, before, wanted))

    async def UnsubscribeFromReport(self, request: pb.UnsubscribeFromReportRequest, work: UnitOfWork) -> pb.Report:
        ready = self._ready_of(request)
        before = await commands.get_own_kind(work, request.collection, request.id, ready)
        return REPORTS.message(work, commands.unsubscribe(work, before))

    async def ArchiveReport(self, request: pb.ArchiveReportRequest, work: UnitOfWork) -> pb.Report:
        return REPORTS.message(work, commands.archive_report(work, await self._to_change(request, work)))

    async def RestoreReport(self, request: pb.RestoreReportRequest, work: UnitOfWork) -> pb.Report:
        return REPORTS.message(work, commands.restore_report(work, await self._to_change(request, work)))

    async def RunReport(self, request: pb.RunReportRequest, reader: Reader) -> pb.RunReportResponse:
        ready = self._ready_of(request)
        report = await commands.get_report(reader, request.collection, request.id, ready)
        found = ready.get(report.id)
        shown = found.message() if found else REPORTS.message(reader, report)
        answered = await self._answered(reader, self._asked(request), report.question)
        return pb.RunReportResponse(report=shown, answer=answered)

    async def RunUnsavedReport(
        self, request: pb.RunUnsavedReportRequest, reader: Reader
    ) -> pb.RunUnsavedReportResponse:
        question = question_from(request.question)
        return pb.RunUnsavedReportResponse(answer=await self._answered(reader, self._asked(request), question))

    async def ListReportChanges(
        self, request: pb.ListReportChangesRequest, reader: Reader
    ) -> pb.ListReportChangesResponse:
        await commands.get_own_kind(reader, request.collection, request.id, self._ready_of(request))
        return await REPORTS.list_changes(reader, request, pb.ListReportChangesResponse, self._tokens)

    async def _answered(self, reader: Reader, resource: AnyResource, question: Question) -> pb.ReportAnswer:
        found = await answer(resource, reader, question)
        names = []
        for at, by in enumerate(found.now.shown.question.group_by):
            ids = {value for row in found.rows if (value := row.key[at]) is not None}
            names.append(await self._names.by_id(reader, by.refers_to, ids))
        response = await answer_to_pb(found, names)
        response.as_of_time.FromDatetime(reader.now)
        return response

    async def _to_change(self, request: Any, work: UnitOfWork) -> Report:
        ready = self._ready_of(request)
        return await commands.get_own_kind(work, request.collection, request.id, ready, etag=request.etag)

    def _ready_of(self, request: Any) -> Mapping[UUID, ReadyReport]:
        return self._ready.get(request.collection, {})

    def permission_of(self, request: Any) -> str:
        """What a request needs: to read the collection that it names."""
        return self._asked(request).permission

    def _asked(self, request: Any) -> AnyResource:
        """The resource of the collection that a request names; NotFound when it has no reports here."""
        resource = self._resources.get(request.collection)
        if resource is None:
            detail = f"there are no reports of {request.collection!r} here"
            raise NotFound(detail, reason="COLLECTION_NOT_FOUND")
        return resource


def question_from(sent: pb.Report.Question) -> Question:
    """A question that no report keeps, as one would."""
    report = pb.Report(display_name="-", question=sent)
    question: Question = REPORTS.values_of(report)["question"]
    return question


def subscription_from(sent: pb.SubscribeToReportRequest) -> Subscription:
    """A subscription of nobody yet, as a report keeps one."""
    wanted = pb.Report.Subscription(schedule=sent.schedule, language=sent.language, format=sent.format)
    found: tuple[Subscription, ...] = REPORTS.values_of(pb.Report(display_name="-", subscriptions=[wanted]))[
        "subscriptions"
    ]
    return found[0]


def reported(resources: Iterable[AnyResource]) -> dict[str, AnyResource]:
    """The collections that people can make reports about, by name."""
    return {each.collection: each for each in resources if _has_reports(each)}


def _has_reports(resource: AnyResource) -> bool:
    marked: bool = resource.message_type.DESCRIPTOR.GetOptions().Extensions[options_pb2.resource].reports
    return marked
