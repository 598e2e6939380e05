"""What is known of saved views besides the views themselves."""

from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Select, bindparam, func, select

from crm_customer.workspace.saved_views.tables import saved_views


async def count_views_of(reader: Reader, owner_id: UUID) -> int:
    """How many views somebody has, archived ones included."""
    row = await reader.one(views_of(), owner_id=owner_id)
    assert row is not None
    count: int = row[0]
    return count


@statement
def views_of() -> Select[Any]:
    view = saved_views.c
    return select(func.count()).where(view.tenant_id == bindparam("tenant_id"), view.owner_id == bindparam("owner_id"))
