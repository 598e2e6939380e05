"""PipelineService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.sales.v1 import pipelines_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_sales.pipelines import commands
from crm_sales.pipelines.queries import LISTING, get_pipeline, pipeline_from
from crm_sales.pipelines.wire import FIELDS, pipeline_to_pb


class PipelineServicer:
    contract = pb.DESCRIPTOR.services_by_name["PipelineService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreatePipeline(self, request: pb.CreatePipelineRequest, work: UnitOfWork) -> pb.Pipeline:
        return pipeline_to_pb(await commands.create_pipeline(work, **FIELDS.all_of(request.pipeline)))

    async def GetPipeline(self, request: pb.GetPipelineRequest, reader: Reader) -> pb.Pipeline:
        return pipeline_to_pb(await get_pipeline(reader, UUID(request.id)))

    async def ListPipelines(self, request: pb.ListPipelinesRequest, reader: Reader) -> pb.ListPipelinesResponse:
        page = await LISTING.page(reader, request, self._tokens)
        pipelines = [pipeline_to_pb(pipeline_from(row)) for row in page.rows]
        return pb.ListPipelinesResponse(
            pipelines=pipelines, next_page_token=page.next_token, prev_page_token=page.prev_token
        )

    async def UpdatePipeline(self, request: pb.UpdatePipelineRequest, work: UnitOfWork) -> pb.Pipeline:
        values = FIELDS.masked(request.pipeline, request.update_mask)
        id, etag = UUID(request.pipeline.id), request.pipeline.etag
        return pipeline_to_pb(await commands.update_pipeline(work, id, values, etag=etag))
