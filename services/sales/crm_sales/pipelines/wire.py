"""Pipelines between protobuf and entity."""

from collections.abc import Iterable

from crm.sales.v1 import events_pb2
from crm.sales.v1 import pipelines_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.wire import EnumNames, Fields, id_from, id_text, same, timestamp

from crm_sales.pipelines.model import ForecastCategory, Pipeline, Stage

CATEGORIES = EnumNames(pb.Stage.ForecastCategory, "FORECAST_CATEGORY_", ForecastCategory)


def stages_from(values: Iterable[pb.Stage]) -> tuple[Stage, ...]:
    return tuple(
        Stage(
            display_name=each.display_name,
            id=id_from(each.id),
            probability_percent=each.probability_percent,
            forecast_category=CATEGORIES.entity(each.forecast_category or pb.Stage.FORECAST_CATEGORY_PIPELINE),
            required_fields=tuple(each.required_fields),
            checklist=tuple(each.checklist),
            max_days=each.max_days if each.HasField("max_days") else None,
        )
        for each in values
    )


FIELDS = Fields(display_name=same, stages=stages_from)


def pipeline_to_pb(pipeline: Pipeline) -> pb.Pipeline:
    return pb.Pipeline(
        id=str(pipeline.id),
        display_name=pipeline.display_name,
        stages=map(stage_to_pb, pipeline.stages),
        is_default=pipeline.is_default,
        etag=etag_of(pipeline.version),
        create_time=timestamp(pipeline.create_time),
        update_time=timestamp(pipeline.update_time),
    )


def stage_to_pb(stage: Stage) -> pb.Stage:
    return pb.Stage(
        id=id_text(stage.id),
        display_name=stage.display_name,
        probability_percent=stage.probability_percent,
        forecast_category=CATEGORIES.wire(stage.forecast_category),
        required_fields=stage.required_fields,
        checklist=stage.checklist,
        max_days=stage.max_days,
    )


def pipeline_created(pipeline: Pipeline) -> events_pb2.PipelineCreated:
    return events_pb2.PipelineCreated(pipeline=pipeline_to_pb(pipeline))


def pipeline_updated(pipeline: Pipeline, *, changed_fields: Iterable[str]) -> events_pb2.PipelineUpdated:
    return events_pb2.PipelineUpdated(pipeline=pipeline_to_pb(pipeline), changed_fields=changed_fields)
