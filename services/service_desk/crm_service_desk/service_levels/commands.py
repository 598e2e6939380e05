"""Every write on service levels. Each function is one transaction's work."""

from typing import Any
from uuid import UUID

from crm_kit.database.connections import row_of
from crm_kit.database.work import UnitOfWork
from crm_kit.history import record_change
from crm_kit.ids import new_id

from crm_service_desk.calendars.commands import insert_missing
from crm_service_desk.service_levels.queries import get_service_level
from crm_service_desk.service_levels.service_level import ServiceLevel, default_service_level
from crm_service_desk.service_levels.tables import service_levels


async def create_service_level(work: UnitOfWork, *, display_name: str, values: dict[str, Any]) -> ServiceLevel:
    """Create a service level."""
    level = ServiceLevel(
        id=new_id(),
        display_name=display_name,
        create_time=work.now,
        update_time=work.now,
        **values,
    )
    level.check()
    work.insert(service_levels, row_of(level))
    record_change(work, "service_level", action="CREATED", before=None, after=level)
    return level


async def update_service_level(work: UnitOfWork, id: UUID, values: dict[str, Any], *, etag: str = "") -> ServiceLevel:
    """Change some fields of a service level; nothing is written when nothing changes."""
    before = await get_service_level(work, id)
    after = before.update(values, now=work.now, etag=etag)
    if after is before:
        return before
    work.save(service_levels, row_of(after), version=before.version)
    record_change(work, "service_level", action="UPDATED", before=before, after=after)
    return after


def put_default_service_level(work: UnitOfWork) -> None:
    """Gather the tenant's default service level; one that is there already stays as it is."""
    row = row_of(default_service_level(work.tenant_id, now=work.now))
    work.execute(insert_missing(service_levels, tuple(row)), **row)
