"""Every SELECT on pipelines."""

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.filtering.schema import FilterField, FilterSchema
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from sqlalchemy import Select, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_sales.opportunities.model import ForecastCategory, Pipeline, Stage
from crm_sales.opportunities.tables import opportunities
from crm_sales.pipelines.model import PipelineRecord
from crm_sales.pipelines.tables import pipelines

COLUMNS = [column for column in pipelines.c if column.name != "tenant_id"]


def default_pipeline_id(tenant_id: UUID) -> UUID:
    """Whoever makes a tenant's default pipeline first gives it the same id."""
    return uuid5(tenant_id, "pipeline")


@statement
def pipelines_by_ids() -> Select[Any]:
    ids = bindparam("ids", type_=ARRAY(Uuid))
    return select(*COLUMNS).where(pipelines.c.tenant_id == bindparam("tenant_id"), pipelines.c.id == any_(ids))


@statement
def stages_in_use() -> Select[Any]:
    rows = opportunities
    ids = bindparam("ids", type_=ARRAY(Uuid))
    return (
        select(rows.c.stage_id)
        .where(rows.c.tenant_id == bindparam("tenant_id"), rows.c.stage_id == any_(ids))
        .distinct()
    )


def _listed(_scope: Scope, _fields: frozenset[str]) -> Select[Any]:
    return select(*COLUMNS).where(pipelines.c.tenant_id == bindparam("tenant_id"))


LISTING = Listing(
    name="pipelines",
    rows=_listed,
    fields=FilterSchema(
        {
            "id": FilterField(FieldType.UUID, pipelines.c.id),
            "display_name": FilterField(FieldType.TEXT, pipelines.c.display_name),
            "is_default": FilterField(FieldType.BOOL, pipelines.c.is_default),
            "create_time": FilterField(FieldType.INSTANT, pipelines.c.create_time),
        }
    ),
    orders={
        "id": OrderColumn(pipelines.c.id),
        "create_time": OrderColumn(pipelines.c.create_time),
        "display_name": OrderColumn(pipelines.c.display_name),
    },
    default_order="create_time",
)


async def get_pipeline(reader: Reader, id: UUID) -> PipelineRecord:
    """The pipeline; NotFound when there is none."""
    rows = await reader.all(pipelines_by_ids(), ids=[id])
    if not rows:
        raise NotFound("the pipeline does not exist", reason="PIPELINE_NOT_FOUND")
    return pipeline_from(rows[0])


async def get_pipelines(reader: Reader, ids: Collection[UUID]) -> dict[str, Pipeline]:
    """Those of the pipelines that exist, by id."""
    rows = await reader.all(pipelines_by_ids(), ids=list(ids)) if ids else []
    return {str(row["id"]): pipeline_from(row).pipeline for row in rows}


def pipeline_from(row: Record) -> PipelineRecord:
    """What a row of `COLUMNS` holds."""
    stages = tuple(stage_from(each) for each in row["stages"])
    return PipelineRecord(
        id=row["id"],
        pipeline=Pipeline(str(row["id"]), row["display_name"], stages),
        is_default=row["is_default"],
        create_time=row["create_time"],
        update_time=row["update_time"],
        version=row["version"],
    )


def stage_from(stored: Mapping[str, Any]) -> Stage:
    """A stage as JSON keeps it."""
    return Stage(
        id=stored["id"],
        name=stored["name"],
        probability=Decimal(stored["probability"]),
        forecast_category=ForecastCategory(stored["forecast_category"]),
        required_fields=tuple(stored["required_fields"]),
        checklist=tuple(stored["checklist"]),
        most_days=stored["most_days"],
    )
