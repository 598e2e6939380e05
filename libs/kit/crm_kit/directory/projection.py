"""The directory as a service knows it, kept up to date by customer's events; older versions never win."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from crm.customer.v1 import approval_delegations_pb2 as delegations_pb2
from crm.customer.v1 import events_pb2, roles_pb2, teams_pb2, tenants_pb2, users_pb2

from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import Directory
from crm_kit.events.consumers import Consumers, Event
from crm_kit.events.payloads import events_carrying
from crm_kit.events.subscriptions import Projection
from crm_kit.identity.access import Scope
from crm_kit.plumbing import access_deputies, access_roles, access_teams, access_tenants, access_users
from crm_kit.projections import put_newest
from crm_kit.proposed import ANSWER_DAYS
from crm_kit.regions import DEFAULT_REGION
from crm_kit.wire import id_from
from crm_kit.zones import DEFAULT_ZONE


def project_tenant(
    work: UnitOfWork,
    *,
    id: UUID,
    slug: str,
    active: bool,
    sandbox: bool,
    clock_offset: timedelta,
    version: int,
    time_zone: str = DEFAULT_ZONE,
    default_region: str = DEFAULT_REGION,
    change_proposal_days: int = ANSWER_DAYS,
    unmasked_fields: Sequence[str] = (),
) -> None:
    """A tenant's state, clock, time zone and country, how soon it answers proposals, and what it masks."""
    row = {"id": id, "slug": slug, "active": active, "sandbox": sandbox, "clock_offset": clock_offset}
    chosen = {"time_zone": time_zone, "default_region": default_region, "change_proposal_days": change_proposal_days}
    put_newest(work, access_tenants, row | chosen | {"unmasked_fields": list(unmasked_fields), "version": version})


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


def project_team(
    work: UnitOfWork,
    *,
    id: UUID,
    display_name: str,
    parent_id: UUID | None,
    version: int,
    leader_id: UUID | None = None,
) -> None:
    """A team's name, its place in the tree and who leads it."""
    row = {"id": id, "display_name": display_name, "parent_id": parent_id, "leader_id": leader_id, "version": version}
    put_newest(work, access_teams, row)


def project_delegation(
    work: UnitOfWork,
    *,
    id: UUID,
    user_id: UUID,
    deputy_id: UUID,
    first_date: date,
    last_date: date,
    active: bool,
    version: int,
    collection: str | None = None,
) -> None:
    """Who decides on approvals in whose place, from the first day to the last."""
    row = {"id": id, "user_id": user_id, "deputy_id": deputy_id, "collection": collection, "active": active}
    put_newest(work, access_deputies, row | {"first_date": first_date, "last_date": last_date, "version": version})


def project_role(
    work: UnitOfWork,
    *,
    id: UUID,
    grants: dict[str, Scope],
    version: int,
    display_name: str = "",
    hidden_fields: Sequence[str] = (),
) -> None:
    """A role's name, what it grants, and the fields that it hides."""
    named = {permission: scope.name for permission, scope in grants.items()}
    row = {"id": id, "display_name": display_name, "grants": named, "hidden_fields": list(hidden_fields)}
    put_newest(work, access_roles, row | {"version": version})


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

    def forgetting(project: Callable[[UnitOfWork, Any, int], None], place: str) -> Projection:
        def changed(work: UnitOfWork, event: Event, payload: Any) -> None:
            project(work, getattr(payload, place), event.aggregate_version)
            work.after_commit.append(lambda: directory.forget(work.tenant_id))

        return changed

    take_tenant = forgetting(_take_tenant, "tenant")

    async def tenant_changed(work: UnitOfWork, event: Event, payload: Any) -> None:
        take_tenant(work, event, payload)
        if on_tenant is not None:
            await on_tenant(work)
        if wake is not None:
            work.after_commit.append(wake)

    for payload in events_carrying(events_pb2, tenants_pb2.Tenant):
        consumers.on(payload, tenant_changed)
    for resource, changed in (
        (users_pb2.User, forgetting(_take_user, "user")),
        (teams_pb2.Team, forgetting(_take_team, "team")),
        (roles_pb2.Role, forgetting(_take_role, "role")),
        (delegations_pb2.ApprovalDelegation, forgetting(_take_delegation, "approval_delegation")),
    ):
        for payload in events_carrying(events_pb2, resource):
            consumers.project(payload, changed)


def _take_tenant(work: UnitOfWork, tenant: tenants_pb2.Tenant, version: int) -> None:
    project_tenant(
        work,
        id=UUID(tenant.id),
        slug=tenant.slug,
        active=tenant.active,
        sandbox=tenant.sandbox,
        clock_offset=tenant.clock_offset.ToTimedelta(),
        time_zone=tenant.time_zone or DEFAULT_ZONE,
        default_region=tenant.default_region or DEFAULT_REGION,
        change_proposal_days=tenant.change_proposal_days or ANSWER_DAYS,
        unmasked_fields=tenant.unmasked_fields,
        version=version,
    )


def _take_user(work: UnitOfWork, user: users_pb2.User, version: int) -> None:
    project_user(
        work,
        id=UUID(user.id),
        login=user.login,
        display_name=user.display_name,
        active=user.active,
        team_id=id_from(user.team_id),
        role_ids=[UUID(role) for role in user.role_ids],
        version=version,
    )


def _take_team(work: UnitOfWork, team: teams_pb2.Team, version: int) -> None:
    project_team(
        work,
        id=UUID(team.id),
        display_name=team.display_name,
        parent_id=id_from(team.parent_id),
        leader_id=id_from(team.leader_id),
        version=version,
    )


def _take_role(work: UnitOfWork, role: roles_pb2.Role, version: int) -> None:
    grants = {grant.permission: scope_from(grant.scope) for grant in role.grants}
    project_role(
        work,
        id=UUID(role.id),
        display_name=role.display_name,
        grants=grants,
        hidden_fields=role.hidden_fields,
        version=version,
    )


def _take_delegation(work: UnitOfWork, delegation: delegations_pb2.ApprovalDelegation, version: int) -> None:
    project_delegation(
        work,
        id=UUID(delegation.id),
        user_id=UUID(delegation.owner_id),
        deputy_id=UUID(delegation.deputy_id),
        first_date=date.fromisoformat(delegation.first_date),
        last_date=date.fromisoformat(delegation.last_date),
        collection=delegation.collection or None,
        active=delegation.state == delegations_pb2.ApprovalDelegation.STATE_ACTIVE,
        version=version,
    )


def scope_from(value: "roles_pb2.Grant.Scope.ValueType") -> Scope:
    """The scope that the contract's value means."""
    return Scope[roles_pb2.Grant.Scope.Name(value).removeprefix("SCOPE_")]
