"""Every SELECT on service levels that their declaration does not make."""

from typing import Any

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope
from sqlalchemy import Select

from crm_service_desk.service_levels.model import ServiceLevel
from crm_service_desk.service_levels.resource import SERVICE_LEVELS


@statement
def all_service_levels() -> Select[Any]:
    return SERVICE_LEVELS.rows(Scope.ALL)


async def get_service_levels(reader: Reader) -> list[ServiceLevel]:
    """All of the tenant."""
    return [SERVICE_LEVELS.entity_from(row) for row in await reader.all(all_service_levels())]
