"""Every SELECT of what explains access."""

from typing import Any

from sqlalchemy import Select, any_, bindparam, select, true

from crm_kit.database.statements import statement
from crm_kit.plumbing import access_roles, access_users


@statement
def user_with_roles() -> Select[Any]:
    """A user's team and whether they are active, with each of their roles: one row without a role for who has none."""
    users, roles = access_users.c, access_roles.c
    held = select(roles.id, roles.grants).where(roles.tenant_id == users.tenant_id, roles.id == any_(users.role_ids))
    of_user = held.lateral("held")
    return (
        select(users.active, users.team_id, of_user.c.id.label("role_id"), of_user.c.grants)
        .select_from(access_users)
        .join(of_user, true(), isouter=True)
        .where(users.tenant_id == bindparam("tenant_id"), users.id == bindparam("user_id"))
    )
