"""By what somebody is reached."""

from typing import Any

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.plumbing import access_users
from sqlalchemy import Select, bindparam, select


async def own_login(reader: Reader) -> str:
    """The caller's login."""
    row = await reader.one(login_of_caller())
    return row["login"] if row else ""


@statement
def login_of_caller() -> Select[Any]:
    users = access_users.c
    return select(users.login).where(users.tenant_id == bindparam("tenant_id"), users.id == bindparam("me"))
