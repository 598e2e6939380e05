"""Pipelines between protobuf and entity."""

from collections.abc import Iterable
from decimal import Decimal

from crm.sales.v1 import pipelines_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.wire import EnumNames, Fields, same, timestamp

from crm_sales.opportunities.model import ForecastCategory, Stage
from crm_sales.pipelines.model import PipelineRecord

CATEGORIES = EnumNames(pb.Stage.ForecastCategory, "FORECAST_CATEGORY_", ForecastCategory)


def stages_from(values: Iterable[pb.Stage]) -> tuple[Stage, ...]:
    return tuple(
        Stage(
            id=each.id,
            name=each.display_name,
            probability=Decimal(each.probability_percent),
            forecast_category=CATEGORIES.entity(each.forecast_category or pb.Stage.FORECAST_CATEGORY_PIPELINE),
            required_fields=tuple(each.required_fields),
            checklist=tuple(each.checklist),
            most_days=each.max_days or None,
        )
        for each in values
    )


FIELDS = Fields(display_name=same, stages=stages_from)


def pipeline_to_pb(record: PipelineRecord) -> pb.Pipeline:
    return pb.Pipeline(
        id=str(record.id),
        display_name=record.pipeline.name,
        stages=map(stage_to_pb, record.pipeline.stages),
        is_default=record.is_default,
        etag=etag_of(record.version),
        create_time=timestamp(record.create_time),
        update_time=timestamp(record.update_time),
    )


def stage_to_pb(stage: Stage) -> pb.Stage:
    return pb.Stage(
        id=stage.id,
        display_name=stage.name,
        probability_percent=int(stage.probability),
        forecast_category=CATEGORIES.wire(stage.forecast_category),
        required_fields=stage.required_fields,
        checklist=stage.checklist,
        max_days=stage.most_days or 0,
    )
