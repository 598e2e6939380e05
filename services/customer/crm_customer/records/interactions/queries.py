"""Every SELECT on interactions that their declaration does not make."""

from typing import Any

from crm_kit.database.statements import statement
from crm_kit.plumbing import access_users
from sqlalchemy import Select, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid


@statement
def users_by_ids() -> Select[Any]:
    ids = bindparam("ids", type_=ARRAY(Uuid))
    return select(access_users.c.id).where(
        access_users.c.tenant_id == bindparam("tenant_id"), access_users.c.id == any_(ids)
    )
