"""Every write on service levels. Each function is one transaction's work."""

from dataclasses import replace
from typing import Any

from crm.service_desk.v1 import events_pb2 as events
from crm_kit.database.work import UnitOfWork
from crm_kit.ids import new_id

from crm_service_desk.service_levels.conditions import check_condition
from crm_service_desk.service_levels.model import ServiceLevel, default_service_level, default_service_level_id
from crm_service_desk.service_levels.resource import SERVICE_LEVELS


def create_service_level(work: UnitOfWork, values: dict[str, Any]) -> ServiceLevel:
    """Create a service level from the values of its fields."""
    level = ServiceLevel(id=new_id(), create_time=work.now, update_time=work.now, **values)
    check(level)
    return SERVICE_LEVELS.create(work, level)


async def make_default_service_level(work: UnitOfWork) -> None:
    """Gather the tenant's default service level unless it has one."""
    if await SERVICE_LEVELS.find(work, default_service_level_id(work.tenant_id)) is None:
        SERVICE_LEVELS.create(work, default_service_level(work.tenant_id, now=work.now))


def update_service_level(work: UnitOfWork, before: ServiceLevel, values: dict[str, Any]) -> ServiceLevel:
    """Change some fields of a service level; nothing is written when nothing changes."""
    after = replace(before, **values)
    check(after)
    return SERVICE_LEVELS.save(work, before, after, events.ServiceLevelUpdated)


def check(level: ServiceLevel) -> None:
    """Raise InvalidArgument for one that cannot be used."""
    level.check()
    check_condition(level.condition)
