"""Every write on roles. Each function is one transaction's work: row, history, event and projection together."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.projection import project_role
from crm_kit.field_rights import can_be_hidden, hideable_fields
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.permissions import known_permissions

from crm_customer.directory.roles.built_in import BUILT_IN
from crm_customer.directory.roles.model import Grant, Role, check_hideable, granted
from crm_customer.directory.roles.queries import check_administrator_stays, get_built_in_roles, get_holders
from crm_customer.directory.roles.resource import ROLES
from crm_customer.directory.roles.rights import check_holds, check_reaches, check_shows, may_do_everything
from crm_customer.directory.tenants.commands import take_turn


def create_role(work: UnitOfWork, values: dict[str, Any]) -> Role:
    """Create a role from the values of its fields; PermissionDenied when it grants what the caller does not have."""
    check_hideable(values.get("hidden_fields", ()), may=can_be_hidden, known=hideable_fields())
    role = Role(id=new_id(), create_time=work.now, update_time=work.now, **values).checked()
    role.check_permissions(known_permissions())
    check_holds(work.actor.access, role.grants)
    check_shows(work.actor.access, role)
    ROLES.create(work, role)
    project(work, role)
    return role


async def update_role(work: UnitOfWork, before: Role, values: dict[str, Any]) -> Role:
    """Change some fields of a role; nothing is written when nothing changes."""
    # One that could be hidden in an earlier release may stay.
    may_hide = {*before.hidden_fields}
    hidden = values.get("hidden_fields", ())
    check_hideable(hidden, may=lambda path: path in may_hide or can_be_hidden(path), known=hideable_fields())
    after = before.update(values)
    if after == before:
        return before
    # One that an earlier release knew may stay.
    after.check_permissions(known_permissions() | {each.permission for each in before.grants})
    check_holds(work.actor.access, (*before.grants, *after.grants))
    for each in (before, after):
        check_shows(work.actor.access, each)
    await check_holders(work, after.id, after.gained(before))
    if before.administers and not after.administers:
        await take_turn(work)
        await check_administrator_stays(work, without_role=before.id)
    saved = ROLES.save(work, before, after, events.RoleUpdated)
    project(work, saved)
    return saved


async def check_holders(work: UnitOfWork, role_id: UUID, gained: Collection[Grant]) -> None:
    """Raise PermissionDenied when those who have the role would come to reach what the caller does not."""
    if not gained or may_do_everything(work.actor.access):
        return
    await take_turn(work)
    holders = await get_holders(work, role_id)
    if holders is not None:
        check_reaches(work.actor, gained, holders)


def create_built_in_roles(work: UnitOfWork) -> dict[str, Role]:
    """Create the roles that the platform brings, in a new tenant."""
    return {name: create_built_in_role(work, name) for name in BUILT_IN}


def create_built_in_role(work: UnitOfWork, name: str) -> Role:
    """Create one of the roles that the platform brings."""
    return create_role(work, {"display_name": name, "grants": granted(BUILT_IN[name]), "built_in": True})


async def renew_built_in_roles(work: UnitOfWork) -> list[Role]:
    """Bring the built-in roles of a tenant to what this release says; those that changed."""
    present = await get_built_in_roles(work)
    changed = []
    for name, scopes in BUILT_IN.items():
        before = present.get(name)
        after = create_built_in_role(work, name) if before is None else renew_role(work, before, granted(scopes))
        if after != before:
            changed.append(after)
    return changed


def renew_role(work: UnitOfWork, before: Role, grants: tuple[Grant, ...]) -> Role:
    """Bring a built-in role to what a release says; nothing is written when it says nothing new."""
    saved = ROLES.save(work, before, before.renew(grants), events.RoleRenewed)
    if saved != before:
        project(work, saved)
    return saved


def project(work: UnitOfWork, role: Role) -> None:
    """Gather what this service goes by."""
    grants = {each.permission: Scope[each.scope] for each in role.grants}
    project_role(
        work,
        id=role.id,
        display_name=role.display_name,
        grants=grants,
        hidden_fields=role.hidden_fields,
        version=role.version,
    )
