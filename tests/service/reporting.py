"""Reports for tests, written, read and run through the contract."""

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from crm.resource.v1 import reports_pb2 as pb
from crm.resource.v1.reports_pb2_grpc import ReportServiceStub
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.running import User

Report: TypeAlias = pb.Report
Answer: TypeAlias = pb.ReportAnswer
Question: TypeAlias = pb.Report.Question
Period: TypeAlias = pb.Report.Period


@dataclass(frozen=True)
class Reports:
    """The reports of a collection, over one channel of a service."""

    channel: Any
    collection: str

    async def create(self, by: User, **fields: Any) -> Report:
        """A report of how many records there are, unless told otherwise."""
        report = Report(**{"display_name": "一张报表", "question": Question(), **fields})
        return cast("Report", await self._call("CreateReport", by, report=report))

    async def get(self, by: User, report: Report) -> Report:
        return cast("Report", await self._call("GetReport", by, id=report.id))

    async def listed(self, by: User, **fields: Any) -> pb.ListReportsResponse:
        return cast("pb.ListReportsResponse", await self._call("ListReports", by, **fields))

    async def update(self, by: User, report: Report, *paths: str) -> Report:
        mask = FieldMask(paths=paths)
        return cast("Report", await self._call("UpdateReport", by, report=report, update_mask=mask))

    async def does(self, verb: str, by: User, report: Report, **fields: Any) -> Report:
        """Copy, archive or restore one."""
        return cast("Report", await self._call(f"{verb}Report", by, id=report.id, **fields))

    async def run(self, by: User, report: Report) -> Answer:
        return cast("Answer", (await self._call("RunReport", by, id=report.id)).answer)

    async def ask(self, by: User, **question: Any) -> Answer:
        """The answer to a question that nobody keeps."""
        return cast("Answer", (await self._call("RunUnsavedReport", by, question=Question(**question))).answer)

    async def changes(self, by: User, report: Report) -> pb.ListReportChangesResponse:
        return cast("pb.ListReportChangesResponse", await self._call("ListReportChanges", by, id=report.id))

    async def _call(self, rpc: str, by: User, **fields: Any) -> Any:
        request = getattr(pb, f"{rpc}Request")(collection=self.collection, **fields)
        return await getattr(ReportServiceStub(self.channel), rpc)(request, metadata=by.metadata)
