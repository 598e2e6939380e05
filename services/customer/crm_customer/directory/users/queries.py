"""Every SELECT on users that their declaration does not make."""

from typing import Any

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Select, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from crm_customer.directory.users.model import User
from crm_customer.directory.users.resource import USERS
from crm_customer.directory.users.tables import users


@statement
def users_by_logins() -> Select[Any]:
    logins = bindparam("logins", type_=ARRAY(users.c.login.type))
    return select(*USERS.columns).where(users.c.tenant_id == bindparam("tenant_id"), users.c.login == any_(logins))


async def get_users_by_logins(reader: Reader, logins: list[str]) -> dict[str, User]:
    """Those of the users that exist, by login."""
    return {row["login"]: USERS.entity_from(row) for row in await reader.all(users_by_logins(), logins=logins)}
