"""Every SELECT on pipelines."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound, Unavailable
from crm_kit.filtering.schema import FilterField, FilterSchema
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from sqlalchemy import Select, bindparam, select

from crm_sales.pipelines.model import ForecastCategory, Pipeline, Stage
from crm_sales.pipelines.tables import pipelines

COLUMNS = [column for column in pipelines.c if column.name != "tenant_id"]


def default_pipeline_id(tenant_id: UUID) -> UUID:
    """The id of a tenant's default pipeline: the same whoever makes it."""
    return uuid5(tenant_id, "pipeline")


@statement
def pipeline_by_id() -> Select[Any]:
    return select(*COLUMNS).where(pipelines.c.tenant_id == bindparam("tenant_id"), pipelines.c.id == bindparam("id"))


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


async def find_pipeline(reader: Reader, id: UUID) -> Pipeline | None:
    """The pipeline, if there is one."""
    row = await reader.one(pipeline_by_id(), id=id)
    return None if row is None else pipeline_from(row)


async def get_pipeline(reader: Reader, id: UUID) -> Pipeline:
    """The pipeline; NotFound when there is none."""
    pipeline = await find_pipeline(reader, id)
    if pipeline is None:
        raise NotFound("the pipeline does not exist", reason="PIPELINE_NOT_FOUND")
    return pipeline


async def pipeline_or_default(reader: Reader, id: UUID | None) -> Pipeline:
    """The pipeline that is named, else the tenant's default one. It comes with the tenant: Unavailable until then."""
    if id is not None:
        return await get_pipeline(reader, id)
    pipeline = await find_pipeline(reader, default_pipeline_id(reader.tenant_id))
    if pipeline is None:
        raise Unavailable("the tenant's default pipeline is not set up yet; try again", retry_after_seconds=1)
    return pipeline


def pipeline_from(row: Record) -> Pipeline:
    """The entity that a row of `COLUMNS` holds."""
    values = dict(row)
    return Pipeline(**values | {"stages": tuple(stage_from(each) for each in values["stages"])})


def stage_from(stored: Mapping[str, Any]) -> Stage:
    """A stage as JSON keeps it."""
    values = {
        "id": UUID(stored["id"]),
        "forecast_category": ForecastCategory(stored["forecast_category"]),
        "required_fields": tuple(stored["required_fields"]),
        "checklist": tuple(stored["checklist"]),
    }
    return Stage(**{**stored, **values})
