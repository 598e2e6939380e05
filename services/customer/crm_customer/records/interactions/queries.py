"""Every SELECT on interactions that their declaration does not make."""

from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.plumbing import access_users
from sqlalchemy import Select, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_customer.records.interactions.tables import interactions


@statement
def users_by_ids() -> Select[Any]:
    ids = bindparam("ids", type_=ARRAY(Uuid))
    return select(access_users.c.id).where(
        access_users.c.tenant_id == bindparam("tenant_id"), access_users.c.id == any_(ids)
    )


@statement
def call_version() -> Select[Any]:
    table = interactions.c
    return select(func.coalesce(table.call_version, 0)).where(
        table.tenant_id == bindparam("tenant_id"), table.id == bindparam("id")
    )


async def heard_version(reader: Reader, id: UUID) -> int:
    """The newest version of its call that was heard of; 0 where there was none."""
    row = await reader.one(call_version(), id=id)
    return int(row[0]) if row else 0
