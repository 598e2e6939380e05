"""Who somebody is that has deputies."""

from typing import Any

from crm_kit.database.statements import statement
from crm_kit.plumbing import access_users
from sqlalchemy import Select, bindparam, select


@statement
def name_of_user() -> Select[Any]:
    users = access_users.c
    return select(users.display_name).where(users.tenant_id == bindparam("tenant_id"), users.id == bindparam("user_id"))
