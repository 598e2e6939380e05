"""Every SELECT on pipelines that their declaration does not make."""

from typing import Any
from uuid import UUID, uuid5

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import Unavailable
from sqlalchemy import FromClause, Select, Uuid, and_, bindparam, cast, func, select

from crm_sales.pipelines.model import Pipeline
from crm_sales.pipelines.resource import PIPELINES
from crm_sales.pipelines.tables import pipeline_stages, pipelines


def default_pipeline_id(tenant_id: UUID) -> UUID:
    """The id of a tenant's default pipeline: the same whoever makes it."""
    return uuid5(tenant_id, "pipeline")


@statement
def pipeline_of_version() -> Select[Any]:
    """The pipeline if it still has this version. It keeps it until the transaction ends: who changes it waits."""
    return (
        select(pipelines.c.id)
        .where(
            pipelines.c.tenant_id == bindparam("tenant_id"),
            pipelines.c.id == bindparam("id"),
            pipelines.c.version == bindparam("expected_version"),
        )
        .with_for_update(read=True)
    )


def stage_names() -> FromClause:
    """What the stages are called, by key: the names stand in their pipelines."""
    stage = func.jsonb_array_elements(pipelines.c.stages).table_valued("value", joins_implicitly=True)
    field = stage.c.value.op("->>")
    return (
        select(pipeline_stages.c.tenant_id, pipeline_stages.c.id, field("display_name").label("display_name"))
        .join(
            pipelines,
            and_(pipelines.c.tenant_id == pipeline_stages.c.tenant_id, pipelines.c.id == pipeline_stages.c.pipeline_id),
        )
        .where(cast(field("id"), Uuid) == pipeline_stages.c.id)
        .subquery("stages")
    )


async def pipeline_or_default(reader: Reader, id: UUID | None) -> Pipeline:
    """The pipeline that is named, else the tenant's default one. It comes with the tenant: Unavailable until then."""
    if id is not None:
        return await PIPELINES.get(reader, id)
    pipeline = await PIPELINES.find(reader, default_pipeline_id(reader.tenant_id))
    if pipeline is None:
        raise Unavailable("the tenant's default pipeline is not set up yet; try again", retry_after_seconds=1)
    return pipeline
