"""The directory as a service knows it, kept up to date by customer's events; older versions never win."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

from crm.customer.v1 import events_pb2, roles_pb2

from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import Directory
from crm_kit.events.consumers import Consumers, Event
from crm_kit.identity.access import Scope
from crm_kit.plumbing import access_roles, access_teams, access_tenants, access_users
from crm_kit.projections import put_newest


def project_tenant(
    work: UnitOfWork, *, id: UUID, slug: str, active: bool, sandbox: bool, clock_offset: timedelta, version: int
) -> None:
    """A tenant's state and clock."""
    row = {"id": id, "slug": slug, "active": active, "sandbox": sandbox, "clock_offset": clock_offset}
    put_newest(work, access_tenants, row | {"version": version})


def project_user(
    work: UnitOfWork,
    *,
    id: UUID,
    login: str,
    display_name: str,
    active: bool,
    team_id: UUID | None,
    role_ids: Sequence[UUID],
    version: int,
) -> None:
    """A user's state, team and roles."""
    row = {"id": id, "login": login, "display_name": display_name, "active": active, "team_id": team_id}
    put_newest(work, access_users, row | {"role_ids": list(role_ids), "version": version})


def project_team(work: UnitOfWork, *, id: UUID, parent_id: UUID | None, version: int) -> None:
    """A team's place in the tree."""
    put_newest(work, access_teams, {"id": id, "parent_id": parent_id, "version": version})


def project_role(work: UnitOfWork, *, id: UUID, grants: dict[str, Scope], version: int) -> None:
    """A role's grants."""
    named = {permission: scope.name for permission, scope in grants.items()}
    put_newest(work, access_roles, {"id": id, "grants": named, "version": version})


def follow_directory(
    consumers: Consumers,
    directory: Directory,
    *,
    wake: Callable[[], None] | None = None,
    on_tenant: Callable[[UnitOfWork], Awaitable[None]] | None = None,
) -> None:
    """Subscribe a service to the directory; `wake` is called when a tenant, and so maybe its clock, has changed.

    `on_tenant` is called in the unit of work that makes a tenant, or its change, known here: what it gathers is
    there before anybody can sign in to the tenant.
    """

    async def tenant_changed(work: UnitOfWork, event: Event, changed: events_pb2.TenantChanged) -> None:
        tenant = changed.tenant
        project_tenant(
            work,
            id=UUID(tenant.id),
            slug=tenant.slug,
            active=tenant.active,
            sandbox=tenant.sandbox,
            clock_offset=tenant.clock_offset.ToTimedelta(),
            version=event.aggregate_version,
        )
        if on_tenant is not None:
            await on_tenant(work)
        work.after_commit.append(lambda: directory.forget(work.tenant_id))
        if wake is not None:
            work.after_commit.append(wake)

    def user_changed(work: UnitOfWork, event: Event, changed: events_pb2.UserChanged) -> None:
        user = changed.user
        project_user(
            work,
            id=UUID(user.id),
            login=user.login,
            display_name=user.display_name,
            active=user.active,
            team_id=UUID(user.team_id) if user.team_id else None,
            role_ids=[UUID(role) for role in user.role_ids],
            version=event.aggregate_version,
        )
        work.after_commit.append(lambda: directory.forget(work.tenant_id))

    def team_changed(work: UnitOfWork, event: Event, changed: events_pb2.TeamChanged) -> None:
        team = changed.team
        parent = UUID(team.parent_id) if team.parent_id else None
        project_team(work, id=UUID(team.id), parent_id=parent, version=event.aggregate_version)
        work.after_commit.append(lambda: directory.forget(work.tenant_id))

    def role_changed(work: UnitOfWork, event: Event, changed: events_pb2.RoleChanged) -> None:
        grants = {grant.permission: scope_from(grant.scope) for grant in changed.role.grants}
        project_role(work, id=UUID(changed.role.id), grants=grants, version=event.aggregate_version)
        work.after_commit.append(lambda: directory.forget(work.tenant_id))

    consumers.on(events_pb2.TenantChanged, tenant_changed)
    consumers.project(events_pb2.UserChanged, user_changed)
    consumers.project(events_pb2.TeamChanged, team_changed)
    consumers.project(events_pb2.RoleChanged, role_changed)


def scope_from(value: "roles_pb2.Grant.Scope.ValueType") -> Scope:
    """The scope that the contract's value means."""
    return Scope[roles_pb2.Grant.Scope.Name(value).removeprefix("SCOPE_")]
