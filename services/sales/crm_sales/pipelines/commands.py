"""Every write on pipelines."""

from dataclasses import replace
from typing import Any
from uuid import uuid5

from crm.sales.v1 import events_pb2 as events
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import Conflict, FailedPrecondition, InvalidArgument
from crm_kit.ids import new_id

from crm_sales.pipelines.model import ForecastCategory, Pipeline, Stage
from crm_sales.pipelines.queries import default_pipeline_id, pipeline_of_version
from crm_sales.pipelines.resource import PIPELINES
from crm_sales.pipelines.tables import pipeline_stages

# What a tenant starts with: name, probability in percent, forecast category.
DEFAULT_STAGES = (
    ("Qualification", 10, ForecastCategory.PIPELINE),
    ("Needs analysis", 30, ForecastCategory.PIPELINE),
    ("Proposal", 50, ForecastCategory.BEST_CASE),
    ("Negotiation", 80, ForecastCategory.COMMIT),
)


async def provide_default_pipeline(work: UnitOfWork) -> None:
    """Make the tenant's default pipeline unless it is there."""
    id = default_pipeline_id(work.tenant_id)
    if await PIPELINES.find(work, id) is None:
        stages = tuple(
            Stage(name, uuid5(id, name), probability, category) for name, probability, category in DEFAULT_STAGES
        )
        add_pipeline(work, Pipeline(id, "Sales", stages, work.now, work.now, is_default=True))


def create_pipeline(work: UnitOfWork, *, display_name: str, stages: tuple[Stage, ...]) -> Pipeline:
    """Create a pipeline; its stages are all new."""
    fresh = tuple(replace(stage, id=new_id()) for stage in stages)
    return add_pipeline(work, Pipeline(new_id(), display_name, fresh, work.now, work.now))


def add_pipeline(work: UnitOfWork, pipeline: Pipeline) -> Pipeline:
    """Gather a new pipeline with the keys of its stages."""
    PIPELINES.create(work, pipeline)
    for stage in pipeline.stages:
        work.insert(pipeline_stages, {"id": stage.id, "pipeline_id": pipeline.id})
    return pipeline


async def update_pipeline(work: UnitOfWork, before: Pipeline, values: dict[str, Any]) -> Pipeline:
    """Change name or stages. A stage with opportunities in it cannot be removed: STAGE_IN_USE."""
    if "stages" in values:
        values["stages"] = with_ids(before, values["stages"])
    after = replace(before, **values)
    kept = {stage.id for stage in after.stages}
    for stage in before.stages:
        if stage.id not in kept:
            await remove_stage(work, stage)
    for added in kept - {stage.id for stage in before.stages}:
        work.insert(pipeline_stages, {"id": added, "pipeline_id": before.id})
    return PIPELINES.save(work, before, after, events.PipelineUpdated)


def with_ids(pipeline: Pipeline, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """New stages get an id; one with an id has to be of this pipeline: STAGE_NOT_IN_PIPELINE."""
    for stage in stages:
        if stage.id is not None:
            pipeline.position(stage.id)
    return tuple(replace(stage, id=stage.id or new_id()) for stage in stages)


async def remove_stage(work: UnitOfWork, stage: Stage) -> None:
    """Remove a stage. What refers to it refuses; who comes to it at the same time is refused by the same key."""
    work.delete(pipeline_stages, id=stage.id)
    try:
        await work.flush()
    except InvalidArgument as error:
        raise FailedPrecondition(
            f"there are opportunities in stage {stage.display_name!r}, or they came to rest in it: it stays",
            reason="STAGE_IN_USE",
            metadata={"stage": stage.display_name},
        ) from error


def require_unchanged(work: UnitOfWork, pipeline: Pipeline) -> None:
    """Gather that the pipeline is still the one that was read when the unit commits; else it fails as Conflict."""
    work.execute(
        pipeline_of_version(),
        unmet=lambda: Conflict("the pipeline was changed at the same time; try again"),
        id=pipeline.id,
        expected_version=pipeline.version,
    )
