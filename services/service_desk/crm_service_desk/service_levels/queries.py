"""Every SELECT on service levels. They serve everybody, so every scope sees them all."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.filtering.schema import FilterField, FilterSchema
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from sqlalchemy import Select, bindparam, select

from crm_service_desk.service_levels.model import (
    MilestoneKind,
    MilestoneTarget,
    PauseReason,
    ServiceLevel,
    ServiceLevelPolicy,
    Target,
    TargetEnd,
)
from crm_service_desk.service_levels.tables import service_levels

COLUMNS = [column for column in service_levels.c if column.name != "tenant_id"]


@statement
def all_service_levels() -> Select[Any]:
    return select(*COLUMNS).where(service_levels.c.tenant_id == bindparam("tenant_id"))


@statement
def service_level_by_id() -> Select[Any]:
    return select(*COLUMNS).where(
        service_levels.c.tenant_id == bindparam("tenant_id"), service_levels.c.id == bindparam("id")
    )


def _listed(_scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    return select(*COLUMNS).where(service_levels.c.tenant_id == bindparam("tenant_id"))


LISTING = Listing(
    name="service_levels",
    rows=_listed,
    fields=FilterSchema(
        {
            "id": FilterField(FieldType.UUID, service_levels.c.id),
            "display_name": FilterField(FieldType.TEXT, service_levels.c.display_name),
            "position": FilterField(FieldType.INTEGER, service_levels.c.position),
            "calendar_id": FilterField(FieldType.UUID, service_levels.c.calendar_id),
            "is_default": FilterField(FieldType.BOOL, service_levels.c.is_default),
            "create_time": FilterField(FieldType.INSTANT, service_levels.c.create_time),
            "update_time": FilterField(FieldType.INSTANT, service_levels.c.update_time),
        }
    ),
    orders={
        "id": OrderColumn(service_levels.c.id),
        "position": OrderColumn(service_levels.c.position),
        "create_time": OrderColumn(service_levels.c.create_time),
        "update_time": OrderColumn(service_levels.c.update_time),
        "display_name": OrderColumn(service_levels.c.display_name),
    },
    default_order="position",
)


async def find_service_level(reader: Reader, id: UUID) -> ServiceLevel | None:
    """The service level, if there is one."""
    row = await reader.one(service_level_by_id(), id=id)
    return None if row is None else service_level_from(row)


async def get_service_level(reader: Reader, id: UUID) -> ServiceLevel:
    """The service level; NotFound when there is none."""
    level = await find_service_level(reader, id)
    if level is None:
        raise NotFound("the service level does not exist", reason="SERVICE_LEVEL_NOT_FOUND")
    return level


async def get_service_levels(reader: Reader) -> list[ServiceLevel]:
    """All of the tenant."""
    return [service_level_from(row) for row in await reader.all(all_service_levels())]


def service_level_from(row: Record) -> ServiceLevel:
    """The entity that a row of `COLUMNS` holds."""
    return ServiceLevel(**dict(row) | {"targets": targets_from(row["targets"])})


def targets_from(stored: Iterable[Mapping[str, Any]]) -> tuple[MilestoneTarget, ...]:
    """Targets back from their JSON."""
    return tuple(
        MilestoneTarget(
            MilestoneKind(each["kind"]), target_from(each["target"]), tuple(map(PauseReason, each["pauses"]))
        )
        for each in stored
    )


def target_from(stored: Mapping[str, Any]) -> Target:
    """A target back from its JSON."""
    end = TargetEnd(stored["end"]) if stored["end"] else None
    return Target(stored["business_minutes"], stored["working_days"], end)


def policy_from(stored: Mapping[str, Any]) -> ServiceLevelPolicy:
    """A policy back from its JSON."""
    return ServiceLevelPolicy(targets_from(stored["targets"]), stored["warning_percent"])
