"""Every write on roles. Each function is one transaction's work: row, projection, history and event together."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from crm_kit.database.connections import row_of
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.projection import project_role
from crm_kit.events.outbox import emit
from crm_kit.history import record_change
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id

from crm_customer.directory.roles.built_in import BUILT_IN
from crm_customer.directory.roles.model import Role
from crm_customer.directory.roles.queries import get_built_in_roles, get_role
from crm_customer.directory.roles.rights import check_holds
from crm_customer.directory.roles.tables import roles
from crm_customer.directory.roles.wire import role_changed
from crm_customer.directory.tenants.commands import take_turn
from crm_customer.directory.users.queries import check_administrator_stays


def create_role(work: UnitOfWork, *, display_name: str, grants: Mapping[str, str], built_in: bool = False) -> Role:
    """Create a role; PermissionDenied when it grants what the caller does not have."""
    check_holds(work.actor.access, grants)
    role = Role(
        id=new_id(),
        display_name=display_name,
        create_time=work.now,
        update_time=work.now,
        grants=dict(grants),
        built_in=built_in,
    )
    work.insert(roles, row_of(role))
    announce(work, None, role, "CREATED")
    return role


async def update_role(work: UnitOfWork, id: UUID, values: dict[str, Any], *, etag: str = "") -> Role:
    """Change some fields of a role; nothing is written when nothing changes."""
    before = await get_role(work, id)
    after = before.update(values, now=work.now, etag=etag)
    if after is before:
        return before
    check_holds(work.actor.access, before.grants)
    check_holds(work.actor.access, after.grants)
    if before.administers and not after.administers:
        await take_turn(work)
        await check_administrator_stays(work, without_role=id)
    return save(work, before, after, "UPDATED")


def create_built_in_roles(work: UnitOfWork) -> dict[str, Role]:
    """Create the roles that the platform brings, in a new tenant."""
    return {
        name: create_role(work, display_name=name, grants=grants, built_in=True) for name, grants in BUILT_IN.items()
    }


async def renew_built_in_roles(work: UnitOfWork) -> list[Role]:
    """Bring the built-in roles of a tenant to what this release says; those that changed."""
    present = await get_built_in_roles(work)
    changed = []
    for name, grants in BUILT_IN.items():
        before = present.get(name)
        if before is None:
            changed.append(create_role(work, display_name=name, grants=grants, built_in=True))
        elif (after := before.renew(grants, now=work.now)) is not before:
            changed.append(save(work, before, after, "RENEWED"))
    return changed


def save(work: UnitOfWork, before: Role, after: Role, action: str) -> Role:
    """Gather what a changed role means; it must still be what was read."""
    work.save(roles, row_of(after), version=before.version)
    announce(work, before, after, action)
    return after


def announce(work: UnitOfWork, before: Role | None, role: Role, action: str) -> None:
    """Gather history, projection and event of what became true of the role."""
    record_change(work, "role", action=action, before=before, after=role)
    grants = {permission: Scope[scope] for permission, scope in role.grants.items()}
    project_role(work, id=role.id, grants=grants, version=role.version)
    emit(work, role_changed(role), aggregate_type="role", id=role.id, version=role.version)
