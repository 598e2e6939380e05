"""Every write on service levels. Each function is one transaction's work."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from crm_kit.database.connections import row_of
from crm_kit.database.work import UnitOfWork
from crm_kit.etags import check_etag
from crm_kit.events.outbox import emit
from crm_kit.history import changed_fields, record_change
from crm_kit.ids import new_id

from crm_service_desk.service_levels.conditions import check_condition
from crm_service_desk.service_levels.model import ServiceLevel, default_service_level, default_service_level_id
from crm_service_desk.service_levels.queries import find_service_level, get_service_level
from crm_service_desk.service_levels.tables import service_levels
from crm_service_desk.service_levels.wire import service_level_created, service_level_updated


def create_service_level(work: UnitOfWork, values: dict[str, Any]) -> ServiceLevel:
    """Create a service level from the values of its fields."""
    level = ServiceLevel(id=new_id(), create_time=work.now, update_time=work.now, **values)
    check(level)
    return insert_service_level(work, level)


async def make_default_service_level(work: UnitOfWork) -> None:
    """Gather the tenant's default service level unless it has one."""
    if await find_service_level(work, default_service_level_id(work.tenant_id)) is None:
        insert_service_level(work, default_service_level(work.tenant_id, now=work.now))


async def update_service_level(work: UnitOfWork, id: UUID, values: dict[str, Any], *, etag: str = "") -> ServiceLevel:
    """Change some fields of a service level; nothing is written when nothing changes."""
    before = await get_service_level(work, id)
    check_etag(etag, before.version)
    after = replace(before, **values)
    if after == before:
        return before
    check(after)
    return save(work, before, after)


def check(level: ServiceLevel) -> None:
    """Raise InvalidArgument for one that cannot be used."""
    level.check()
    check_condition(level.condition)


def insert_service_level(work: UnitOfWork, level: ServiceLevel) -> ServiceLevel:
    """Gather row, history and event of a new service level."""
    work.insert(service_levels, row_of(level))
    record_change(work, "service_level", action="CREATED", before=None, after=level)
    emit(work, service_level_created(level), aggregate_type="service_level", id=level.id, version=level.version)
    return level


def save(work: UnitOfWork, before: ServiceLevel, changed: ServiceLevel) -> ServiceLevel:
    """Gather row, history and event of a changed service level; it must still be what was read."""
    after = replace(changed, version=before.version + 1, update_time=work.now)
    work.save(service_levels, row_of(after), version=before.version)
    record_change(work, "service_level", action="UPDATED", before=before, after=after)
    event = service_level_updated(after, changed_fields(before, after))
    emit(work, event, aggregate_type="service_level", id=after.id, version=after.version)
    return after
