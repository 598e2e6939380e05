"""PipelineService: from message to command or query and back, nothing else."""

from crm.sales.v1 import pipelines_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_sales.pipelines import commands
from crm_sales.pipelines.resource import PIPELINES


class PipelineServicer:
    contract = pb.DESCRIPTOR.services_by_name["PipelineService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreatePipeline(self, request: pb.CreatePipelineRequest, work: UnitOfWork) -> pb.Pipeline:
        return PIPELINES.message(work, commands.create_pipeline(work, **PIPELINES.values_of(request.pipeline)))

    async def GetPipeline(self, request: pb.GetPipelineRequest, reader: Reader) -> pb.Pipeline:
        return await PIPELINES.read(reader, request.id)

    async def ListPipelines(self, request: pb.ListPipelinesRequest, reader: Reader) -> pb.ListPipelinesResponse:
        return await PIPELINES.list(reader, request, pb.ListPipelinesResponse, self._tokens)

    async def UpdatePipeline(self, request: pb.UpdatePipelineRequest, work: UnitOfWork) -> pb.Pipeline:
        before, values = await PIPELINES.to_update(work, request)
        return PIPELINES.message(work, await commands.update_pipeline(work, before, values))
