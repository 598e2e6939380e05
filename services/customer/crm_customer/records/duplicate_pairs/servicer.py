"""DuplicatePairService: from message to command or query and back, nothing else."""

from crm.customer.v1 import duplicate_pairs_pb2 as pb
from crm.resource.v1 import jobs_pb2
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.jobs.resource import JOBS
from crm_kit.paging import PageTokens

from crm_customer.records.duplicate_pairs import commands
from crm_customer.records.duplicate_pairs.resource import DUPLICATE_PAIRS


class DuplicatePairServicer:
    contract = pb.DESCRIPTOR.services_by_name["DuplicatePairService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def ScanDuplicates(self, _request: pb.ScanDuplicatesRequest, work: UnitOfWork) -> jobs_pb2.Job:
        return JOBS.message(work, await commands.begin_scan(work))

    async def GetDuplicatePair(self, request: pb.GetDuplicatePairRequest, reader: Reader) -> pb.DuplicatePair:
        return await DUPLICATE_PAIRS.read(reader, request.id)

    async def ListDuplicatePairs(
        self, request: pb.ListDuplicatePairsRequest, reader: Reader
    ) -> pb.ListDuplicatePairsResponse:
        return await DUPLICATE_PAIRS.list(reader, request, pb.ListDuplicatePairsResponse, self._tokens)

    async def DismissDuplicatePair(self, request: pb.DismissDuplicatePairRequest, work: UnitOfWork) -> pb.DuplicatePair:
        before = await DUPLICATE_PAIRS.target(work, request)
        return await DUPLICATE_PAIRS.answer(work, commands.dismiss_pair(work, before, request.reason))
