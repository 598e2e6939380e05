"""Every write on pipelines."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from crm_kit.database.connections import row_of
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import FailedPrecondition
from crm_kit.etags import check_etag
from crm_kit.history import record_change
from crm_kit.ids import new_id
from sqlalchemy import Table, bindparam
from sqlalchemy.dialects.postgresql import insert

from crm_sales.opportunities.model import ForecastCategory, Pipeline, Stage
from crm_sales.pipelines.model import PipelineRecord
from crm_sales.pipelines.queries import default_pipeline_id, get_pipeline, stages_in_use
from crm_sales.pipelines.tables import pipeline_stages, pipelines

# What a tenant starts with: name, probability in percent, forecast category.
STARTING_STAGES = (
    ("Qualification", 10, ForecastCategory.PIPELINE),
    ("Needs analysis", 30, ForecastCategory.PIPELINE),
    ("Proposal", 50, ForecastCategory.BEST_CASE),
    ("Negotiation", 80, ForecastCategory.COMMIT),
)


def provide_pipeline(work: UnitOfWork) -> None:
    """Make the tenant's default pipeline unless it is there."""
    id = default_pipeline_id(work.tenant_id)
    stages = tuple(
        Stage(str(uuid5(id, name)), name, Decimal(probability), category)
        for name, probability, category in STARTING_STAGES
    )
    record = PipelineRecord(id, Pipeline(str(id), "Sales", stages), True, work.now, work.now)
    work.execute(put_new(pipelines), **stored(record))
    for stage in stages:
        work.execute(put_new(pipeline_stages), id=stage.id, pipeline_id=id)


async def create_pipeline(work: UnitOfWork, *, display_name: str, stages: tuple[Stage, ...]) -> PipelineRecord:
    """Create a pipeline; its stages are all new."""
    id = new_id()
    fresh = tuple(replace(stage, id=str(new_id())) for stage in stages)
    record = PipelineRecord(id, Pipeline(str(id), display_name, fresh), False, work.now, work.now)
    work.insert(pipelines, stored(record))
    for stage in fresh:
        work.insert(pipeline_stages, {"id": stage.id, "pipeline_id": id})
    record_change(work, "pipeline", action="CREATED", before=None, after=record)
    return record


async def update_pipeline(work: UnitOfWork, id: UUID, values: dict[str, Any], *, etag: str = "") -> PipelineRecord:
    """Change name or stages. A stage that an opportunity is in stays: STAGE_IN_USE."""
    before = await get_pipeline(work, id)
    check_etag(etag, before.version)
    old = {stage.id for stage in before.pipeline.stages}
    name = values.get("display_name", before.pipeline.name)
    stages = with_ids(before.pipeline, values["stages"]) if "stages" in values else before.pipeline.stages
    pipeline = Pipeline(str(id), name, stages)
    if pipeline == before.pipeline:
        return before
    now = {stage.id for stage in stages}
    await remove_stages(work, old - now)
    for added in now - old:
        work.insert(pipeline_stages, {"id": added, "pipeline_id": id})
    version, update_time = before.version + 1, max(work.now, before.update_time)
    after = replace(before, pipeline=pipeline, version=version, update_time=update_time)
    work.save(pipelines, stored(after), version=before.version)
    record_change(work, "pipeline", action="UPDATED", before=before, after=after)
    return after


def with_ids(pipeline: Pipeline, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """New stages get an id; one with an id has to be of this pipeline: STAGE_NOT_IN_PIPELINE."""
    for stage in stages:
        if stage.id:
            pipeline.position(stage.id)
    return tuple(stage if stage.id else replace(stage, id=str(new_id())) for stage in stages)


async def remove_stages(work: UnitOfWork, ids: set[str]) -> None:
    """Take stages away that nothing is in. Who comes to one at the same time is refused by its reference."""
    if not ids:
        return
    used = await work.all(stages_in_use(), ids=sorted(ids))
    if used:
        raise FailedPrecondition(
            f"opportunities are in stage {used[0]['stage_id']}; it cannot be removed", reason="STAGE_IN_USE"
        )
    for id in sorted(ids):
        work.delete(pipeline_stages, id=id)


def stored(record: PipelineRecord) -> dict[str, Any]:
    """The pipeline's row."""
    row = row_of(record)
    pipeline: Pipeline = row.pop("pipeline")
    return row | {"display_name": pipeline.name, "stages": pipeline.stages}


@statement
def put_new(table: Table) -> Any:
    return insert(table).values({column.name: bindparam(column.name) for column in table.c}).on_conflict_do_nothing()
