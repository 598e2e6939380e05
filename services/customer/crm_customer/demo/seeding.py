"""Fills an installation with the demo tenant. Repeating it adds what is missing and changes nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from crm_kit.custom_field_definitions.commands import create_custom_field
from crm_kit.custom_fields.definitions import definitions_of
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, retried, unit_of_work
from crm_kit.directory.access import access_from, access_of_user
from crm_kit.identity.access import Actor, Scope, service_actor
from crm_kit.ids import new_id
from crm_kit.service import Service
from crm_kit.sharing.model import Visibility
from sqlalchemy import Select, bindparam, select

from crm_customer.demo.custom_fields import ACCOUNT_FIELDS
from crm_customer.demo.dashboards import DISPLAY_NAME as DASHBOARD_NAME
from crm_customer.demo.dashboards import TILES
from crm_customer.demo.feeds import add_feed
from crm_customer.demo.people import ADMIN_LOGIN, ADMIN_NAME, DISPLAY_NAME, SLUG, TEAMS, USERS, DemoTeam, DemoUser
from crm_customer.demo.rules import add_rules
from crm_customer.demo.segments import SEGMENTS
from crm_customer.demo.views import VIEWS
from crm_customer.directory.opening import Opening, open_tenant
from crm_customer.directory.roles.queries import get_built_in_roles
from crm_customer.directory.teams.commands import create_team, update_team
from crm_customer.directory.teams.resource import TEAMS as TEAM_RECORDS
from crm_customer.directory.teams.tables import teams
from crm_customer.directory.tenants.commands import take_turn
from crm_customer.directory.users.commands import add_user, new_user
from crm_customer.directory.users.passwords import Passwords
from crm_customer.directory.users.queries import get_users_by_logins
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.quality_rules.commands import create_default_rules
from crm_customer.records.segments.commands import create_segment
from crm_customer.records.segments.tables import segments
from crm_customer.workspace.dashboards.model import Dashboard
from crm_customer.workspace.dashboards.resource import DASHBOARDS
from crm_customer.workspace.dashboards.tables import dashboards
from crm_customer.workspace.saved_views.commands import create_view
from crm_customer.workspace.saved_views.tables import saved_views


@dataclass(frozen=True, slots=True)
class Seeded:
    """What a seeding made: nothing of it, when all was there."""

    tenant_id: UUID
    tenant: bool
    teams: int
    users: int
    custom_fields: int
    views: int
    dashboards: int
    automation_rules: int
    feeds: int
    segments: int

    @property
    def is_more(self) -> bool:
        """Whether anything was missing of what the tenant has."""
        made = (self.teams, self.users, self.custom_fields, self.views, self.dashboards, self.automation_rules)
        return any((*made, self.feeds, self.segments))


async def seed_demo(service: Service, passwords: Passwords, password: str) -> Seeded:
    """Make what is missing of the demo tenant; new people get this password, the others keep theirs."""
    opening = Opening(SLUG, DISPLAY_NAME, ADMIN_LOGIN, ADMIN_NAME, password, sandbox=True)
    database, clock = service.database, service.clock
    tenant_id, is_new = await open_tenant(database, passwords, opening, begin=create_default_rules)
    hashes = {user.login: await passwords.hash(password, tenant_id) for user in USERS}

    async def attempt() -> tuple[int, int, int, int, int]:
        now = await clock.now(tenant_id)
        async with unit_of_work(database, service_actor(tenant_id), scope=Scope.ALL, now=now) as work:
            # Of two seedings at the same time the second finds what the first has made.
            await take_turn(work)
            new, ids = await add_teams(work)
            users = await add_users(work, ids, hashes)
            await work.flush()
            await add_leaders(work, new, ids)
            return len(new), users, await add_custom_fields(work), await add_views(work), await add_dashboard(work)

    made = await retried(attempt)
    return Seeded(tenant_id, is_new, *made, *await retried(lambda: seed_activated(service, tenant_id)))


async def seed_activated(service: Service, tenant_id: UUID) -> tuple[int, int, int]:
    """Have the administrator, who is there by now, set up rules, feeds and segments; how many of each were missing."""
    database, now = service.database, await service.clock.now(tenant_id)
    async with unit_of_work(database, service_actor(tenant_id), scope=Scope.ALL, now=now) as work:
        await take_turn(work)
        admin = (await get_users_by_logins(work, [ADMIN_LOGIN])).get(ADMIN_LOGIN)
        row = None if admin is None else await work.one(access_of_user(), user_id=admin.id)
        if admin is None or row is None or not row["active"]:
            return 0, 0, 0
        with work.acting_as(Actor(tenant_id, admin.id, access_from(row)), Scope.ALL):
            return await add_rules(work, service.watched), await add_feed(work), await add_segments(work)


async def add_teams(work: UnitOfWork) -> tuple[list[DemoTeam], dict[str, UUID]]:
    """Those that were missing, and the ids of all by name."""
    present = {row["display_name"]: row["id"] for row in await work.all(team_ids())}
    ids = dict(present)
    for team in TEAMS:
        if team.display_name not in ids:
            values = {"display_name": team.display_name, "parent_id": ids.get(team.parent)}
            ids[team.display_name] = (await create_team(work, values)).id
    return [team for team in TEAMS if team.display_name not in present], ids


async def add_users(work: UnitOfWork, team_ids: dict[str, UUID], hashes: dict[str, str]) -> int:
    """How many were missing."""
    roles = await get_built_in_roles(work)
    present = await get_users_by_logins(work, [user.login for user in USERS])
    missing: list[DemoUser] = [user for user in USERS if user.login not in present]
    for user in missing:
        values = {
            "display_name": user.display_name,
            "login": user.login,
            "team_id": team_ids[user.team],
            "role_ids": (roles[user.role].id,),
        }
        add_user(work, new_user(work, values), password_hash=hashes[user.login])
    return len(missing)


async def add_leaders(work: UnitOfWork, new: Iterable[DemoTeam], team_ids: dict[str, UUID]) -> None:
    """Have new teams led by their people, who are there by now."""
    led = [team for team in new if team.leader]
    users = await get_users_by_logins(work, [team.leader for team in led])
    for team in led:
        before = await TEAM_RECORDS.get(work, team_ids[team.display_name])
        await update_team(work, before, {"leader_id": users[team.leader].id})


async def add_custom_fields(work: UnitOfWork) -> int:
    """How many were missing."""
    present = (await definitions_of(work, ACCOUNTS.collection, fresh=True)).fields
    missing = [field for field in ACCOUNT_FIELDS if field["key"] not in present]
    for field in missing:
        await create_custom_field(work, ACCOUNTS.collection, dict(field))
    return len(missing)


async def add_dashboard(work: UnitOfWork) -> int:
    """How many were missing; it is the administrator's, and everybody looks at it."""
    if await work.one(dashboard_by_name(), display_name=DASHBOARD_NAME) is not None:
        return 0
    owner = (await get_users_by_logins(work, [ADMIN_LOGIN]))[ADMIN_LOGIN]
    dashboard = Dashboard(
        id=new_id(),
        display_name=DASHBOARD_NAME,
        owner_id=owner.id,
        create_time=work.now,
        update_time=work.now,
        tiles=TILES,
        visibility=Visibility.TENANT,
    )
    DASHBOARDS.create(work, dashboard)
    return 1


@statement
def dashboard_by_name() -> Select[Any]:
    return select(dashboards.c.id).where(
        dashboards.c.tenant_id == bindparam("tenant_id"), dashboards.c.display_name == bindparam("display_name")
    )


async def add_views(work: UnitOfWork) -> int:
    """How many were missing; they are the administrator's."""
    present = {row["display_name"] for row in await work.all(names_of_views())}
    missing = [view for view in VIEWS if view["display_name"] not in present]
    admin = (await get_users_by_logins(work, [ADMIN_LOGIN]))[ADMIN_LOGIN]
    with work.acting_as(replace(work.actor, user_id=admin.id), Scope.ALL):
        for view in missing:
            await create_view(work, dict(view))
    return len(missing)


async def add_segments(work: UnitOfWork) -> int:
    """How many were missing; they are the administrator's."""
    present = {row["display_name"] for row in await work.all(names_of_segments())}
    missing = [segment for segment in SEGMENTS if segment["display_name"] not in present]
    for segment in missing:
        await create_segment(work, ACCOUNTS.listing, dict(segment))
    return len(missing)


@statement
def names_of_segments() -> Select[Any]:
    return select(segments.c.display_name).where(segments.c.tenant_id == bindparam("tenant_id"))


@statement
def names_of_views() -> Select[Any]:
    return select(saved_views.c.display_name).where(saved_views.c.tenant_id == bindparam("tenant_id"))


@statement
def team_ids() -> Select[Any]:
    return select(teams.c.display_name, teams.c.id).where(teams.c.tenant_id == bindparam("tenant_id"))
