"""Exports for tests: begun, carried out and read through the contract."""

from dataclasses import dataclass
from typing import Any, cast

from crm.customer.v1 import accounts_pb2
from crm.resource.v1 import exports_pb2 as pb
from crm.resource.v1 import jobs_pb2
from crm.resource.v1.exports_pb2_grpc import ExportServiceStub
from google.protobuf.message import Message

from tests.service.running import Running, User


@dataclass(frozen=True)
class Exports:
    """The exports of a collection of a service."""

    service: Running
    collection: str = "accounts"
    message: type[Message] = accounts_pb2.Account

    async def begin(self, by: User, filter: str = "", *, key: str = "", **asked: Any) -> jobs_pb2.Job:
        return cast("jobs_pb2.Job", await self._call("ExportRecords", by, key=key, filter=filter, **asked))

    async def page(self, by: User, job: jobs_pb2.Job, page_token: str = "") -> pb.ReadExportedRecordsResponse:
        answer = await self._call("ReadExportedRecords", by, id=job.id, page_token=page_token)
        return cast("pb.ReadExportedRecordsResponse", answer)

    async def records(self, by: User, job: jobs_pb2.Job) -> list[Any]:
        """All that is in the file, part by part."""
        found: list[Any] = []
        token = ""
        while True:
            page = await self.page(by, job, token)
            found += [self.message.FromString(each.SerializeToString()) for each in page.records]
            if not (token := page.next_page_token):
                return found

    async def delete(self, by: User, job: jobs_pb2.Job) -> None:
        await self._call("DeleteRecordExport", by, id=job.id)

    async def link(self, by: User, job: jobs_pb2.Job) -> pb.ExportLink:
        return cast("pb.ExportLink", await self._call("GetRecordExportLink", by, id=job.id))

    async def _call(self, rpc: str, by: User, *, key: str = "", **fields: Any) -> Any:
        stub: Any = ExportServiceStub(self.service.channel)
        request = getattr(pb, f"{rpc}Request")(collection=self.collection, **fields)
        return await getattr(stub, rpc)(request, metadata=by.with_key(key) if key else by.metadata)
