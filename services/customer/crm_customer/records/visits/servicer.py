"""VisitService: from message to command or query and back, nothing else."""

from typing import Any
from uuid import UUID

from crm.customer.v1 import visits_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_customer.records.visits import commands
from crm_customer.records.visits.resource import VISITS
from crm_customer.records.visits.wire import told_of


class VisitServicer:
    contract = pb.DESCRIPTOR.services_by_name["VisitService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreateVisit(self, request: pb.CreateVisitRequest, work: UnitOfWork) -> pb.Visit:
        values = VISITS.values_of(request.visit)
        return await VISITS.answer(work, await commands.create_visit(work, values))

    async def GetVisit(self, request: pb.GetVisitRequest, reader: Reader) -> pb.Visit:
        return await VISITS.read(reader, request.id)

    async def ListVisits(self, request: pb.ListVisitsRequest, reader: Reader) -> pb.ListVisitsResponse:
        return await VISITS.list(reader, request, pb.ListVisitsResponse, self._tokens)

    async def UpdateVisit(self, request: pb.UpdateVisitRequest, work: UnitOfWork) -> pb.Visit:
        before, values = await VISITS.to_update(work, request)
        return await VISITS.answer(work, await commands.update_visit(work, before, values))

    async def CompleteVisit(self, request: pb.CompleteVisitRequest, work: UnitOfWork) -> pb.Visit:
        before: Any = await VISITS.target(work, request)
        interaction_id = UUID(request.interaction_id) if request.interaction_id else None
        completed = await commands.complete_visit(work, before, interaction_id, told_of(request))
        return await VISITS.answer(work, completed)

    async def MissVisit(self, request: pb.MissVisitRequest, work: UnitOfWork) -> pb.Visit:
        before = await VISITS.target(work, request)
        return await VISITS.answer(work, commands.miss_visit(work, before, request.reason or None))

    async def CancelVisit(self, request: pb.CancelVisitRequest, work: UnitOfWork) -> pb.Visit:
        before = await VISITS.target(work, request)
        return await VISITS.answer(work, commands.cancel_visit(work, before, request.reason or None))
