"""What the declaration of dashboards does not select."""

from typing import Any

from crm_kit.database.statements import statement
from sqlalchemy import Select, bindparam, func, select

from crm_customer.workspace.dashboards.tables import dashboards


@statement
def count_own() -> Select[Any]:
    return select(func.count().label("own")).where(
        dashboards.c.tenant_id == bindparam("tenant_id"), dashboards.c.owner_id == bindparam("me")
    )
