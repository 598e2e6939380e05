"""Who sees what is shared, and who may share."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Table, bindparam, exists, or_, select

from crm_kit.database.work import Reader
from crm_kit.directory.roles import existing_roles, require_roles
from crm_kit.errors import denied
from crm_kit.identity.access import Actor, Scope
from crm_kit.plumbing import access_users
from crm_kit.resource.declaration import Visible
from crm_kit.sharing.model import Visibility

SHARE = "reports.share"


def seen(table: Table) -> Visible:
    """One's own, and what is shared with everybody or with one of one's roles; whatever the scope of a permission."""
    has_role = exists(
        select(access_users.c.id)
        .where(
            access_users.c.tenant_id == table.c.tenant_id,
            access_users.c.id == bindparam("me"),
            access_users.c.role_ids.overlap(table.c.role_ids),
        )
        .correlate(table)
    )

    def visible(_scope: Scope) -> ColumnElement[bool]:
        return or_(
            table.c.owner_id == bindparam("me"),
            table.c.visibility == Visibility.TENANT,
            (table.c.visibility == Visibility.ROLES) & has_role,
        )

    return visible


async def check_sharing(
    reader: Reader, visibility: Visibility, role_ids: Sequence[UUID], old_ids: Collection[UUID], *, place: str
) -> None:
    """PermissionDenied for sharing without the permission, REFERENCE_NOT_FOUND for roles that are none.

    Roles that it was shared with before may stay.
    """
    if visibility is not Visibility.PRIVATE:
        require_may_share(reader.actor)
    if new_ids := set(role_ids) - set(old_ids):
        found = await existing_roles(reader, new_ids)
        require_roles(role_ids, found | set(old_ids), field=f"{place}.role_ids")


def require_may_change(actor: Actor, owner_id: UUID, visibility: Visibility) -> None:
    """PermissionDenied unless it is the caller's own, or they may share; of what is shared only then."""
    if visibility is not Visibility.PRIVATE or owner_id != actor.user_id:
        require_may_share(actor)


def require_may_share(actor: Actor) -> None:
    """PermissionDenied for who may not share."""
    if not actor.access.may(SHARE) or actor.access.scope(SHARE) is not Scope.ALL:
        detail = f"the permission {SHARE} is needed with the scope ALL to share, and to change what is shared"
        raise denied("permission", detail, permission=SHARE)
