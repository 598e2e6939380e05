"""Pipelines, declared."""

from crm.sales.v1 import events_pb2 as events
from crm.sales.v1 import pipelines_pb2 as pb
from crm_kit.resource.writing import Resource

from crm_sales.pipelines.model import Pipeline
from crm_sales.pipelines.tables import pipelines

PIPELINES = Resource(
    "pipeline",
    entity=Pipeline,
    table=pipelines,
    message=pb.Pipeline,
    created=events.PipelineCreated,
    updated=events.PipelineUpdated,
    default_order="create_time",
)
