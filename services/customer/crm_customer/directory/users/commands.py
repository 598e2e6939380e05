"""Every write on users. Each function is one transaction's work: row, history, event and projection together."""

from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm_kit.database.statements import statement
from crm_kit.database.trees import ids_from_here_down
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.directory.projection import project_user
from crm_kit.errors import denied
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from google.protobuf.message import Message
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from crm_customer.directory.policy_references.queries import get_part, get_policy_references
from crm_customer.directory.policy_references.rights import (
    check_roles_moved,
    check_says_who_leads,
    check_takes_no_part,
    may_write_policies,
)
from crm_customer.directory.roles.model import Role
from crm_customer.directory.roles.queries import NO_TEAM, check_administrator_stays, get_owning_teams, get_roles
from crm_customer.directory.roles.rights import Holders, check_reaches, check_shows, may_do_everything
from crm_customer.directory.roles.tables import former_teams
from crm_customer.directory.teams.tables import teams
from crm_customer.directory.tenants.commands import take_turn
from crm_customer.directory.users.model import User
from crm_customer.directory.users.resource import USERS
from crm_customer.directory.users.tables import user_identities, user_passwords


async def create_user(work: UnitOfWork, values: dict[str, Any]) -> User:
    """Create a user, who cannot sign in here before they have a password."""
    if work.scope is Scope.OWN:
        raise denied("only_oneself", "with your scope you reach yourself only, not somebody new")
    user = new_user(work, values)
    await take_turn_of_rights(work)
    await check_manages(work, user, is_new=True)
    await check_approvals(work, None, user)
    check_team_in_reach(work, user.team_id)
    return add_user(work, user)


def new_user(work: UnitOfWork, values: dict[str, Any]) -> User:
    """A user from the values of their fields."""
    return User(id=new_id(), create_time=work.now, update_time=work.now, **values).checked()


def add_user(work: UnitOfWork, user: User, *, password_hash: str = "") -> User:
    """Gather a new user whose roles are known to be right, and the hash of their password if they have one."""
    if password_hash:
        user = user.with_new_password(now=work.now)
    USERS.create(work, user)
    project(work, user)
    if password_hash:
        work.execute(put_password(), user_id=user.id, hash=password_hash)
    return user


async def update_user(work: UnitOfWork, before: User, values: dict[str, Any]) -> User:
    """Change some fields of a user; nothing is written when nothing changes."""
    after = before.update(values)
    if after.team_id != before.team_id:
        check_team_in_reach(work, after.team_id)
        work.execute(put_former_team(), user_id=before.id, team_id=before.team_id or NO_TEAM)
    return await save(work, before, after, events.UserUpdated)


async def update_own_user(work: UnitOfWork, before: User, values: dict[str, Any]) -> User:
    """Change what a user may change of themselves; nothing is written when nothing changes."""
    return await save(work, before, before.update_own(values), events.UserUpdated)


async def deactivate_user(work: UnitOfWork, before: User) -> User:
    """Take away all access of a user; what they signed in with does not come back with them."""
    if before.active:
        work.execute(end_sign_ins(), user_id=before.id)
        work.delete(user_identities, user_id=before.id)
    return await save(work, before, before.deactivate(), events.UserDeactivated)


async def activate_user(work: UnitOfWork, before: User) -> User:
    """Let a deactivated user in again."""
    return await save(work, before, before.activate(), events.UserActivated)


async def set_password(work: UnitOfWork, before: User, hash: str) -> User:
    """Set the password of a user, given as its hash; what they signed in with before ends."""
    work.execute(put_password(), user_id=before.id, hash=hash)
    return await save(work, before, before.with_new_password(now=work.now), events.UserPasswordSet)


async def save(work: UnitOfWork, before: User, after: User, event: type[Message]) -> User:
    """Gather what a changed user means, if the caller may manage who they were and who they become."""
    if after == before:
        return before
    # What people do to their own name or password gives them nothing.
    if before.id != work.actor.user_id or before.rights != after.rights:
        await take_turn_of_rights(work)
        roles = await check_manages(work, before, after, lends=after.lends(before))
        await check_approvals(work, before, after)
        if administers(before, roles) and not administers(after, roles):
            await take_turn(work)
            await check_administrator_stays(work, without_user=before.id)
    saved = USERS.save(work, before, after, event)
    project(work, saved)
    return saved


async def take_turn_of_rights(work: UnitOfWork) -> None:
    """Let what the caller gives be compared with what they have while neither changes.

    Who may do everything gives nothing that they do not have, whatever else changes.
    """
    if not may_do_everything(work.actor.access):
        await take_turn(work)


async def check_manages(reader: Reader, *states: User, lends: bool = False, is_new: bool = False) -> dict[UUID, Role]:
    """The roles of a user in these states; PermissionDenied when one reaches more than the caller, who would borrow it.

    What the user owns in teams that they have left counts only when a change `lends` it. Records that are the caller's
    own, or that somebody new does not have yet, are nothing to borrow.
    """
    roles = await get_roles(reader, {id for user in states for id in user.role_ids}, field="user.role_ids")
    for role in roles.values():
        check_shows(reader.actor.access, role)
    if may_do_everything(reader.actor.access):
        return roles
    for user in states:
        below = await ids_from_here_down(reader, teams, [user.team_id] if user.team_id else [])
        owning: frozenset[UUID | None] = frozenset()
        if not is_new and user.id != reader.actor.user_id:
            owning = await get_owning_teams(reader, user.id, user.team_id) if lends else frozenset({user.team_id})
        holders = Holders(below, owning)
        for id in user.role_ids:
            check_reaches(reader.actor, roles[id].grants, holders)
    return roles


async def check_approvals(reader: Reader, before: User | None, after: User) -> None:
    """PermissionDenied when a part in approvals changes hands that is not the caller's to give."""
    old_roles, is_own = set(before.role_ids if before else ()), after.id == reader.actor.user_id
    if is_own and not set(after.role_ids) <= old_roles:
        raise denied("own_roles", "nobody gives themselves a role; somebody else who manages users may")
    if may_write_policies(reader.actor.access):
        return
    references = await get_policy_references(reader)
    check_roles_moved(old_roles ^ set(after.role_ids), references)
    if before is not None and after.team_id != before.team_id:
        check_says_who_leads(reader.actor.access, references)
    if before is not None and not is_own and after.is_let_in(before):
        check_takes_no_part(await get_part(reader, after.id), references)


def check_team_in_reach(work: UnitOfWork, team_id: UUID | None) -> None:
    """Raise PermissionDenied when the caller, who may not manage all users, puts one outside their own teams."""
    if work.scope is not Scope.ALL and team_id not in work.actor.access.team_ids:
        raise denied("own_teams", "with your scope users belong to your team or one below it")


def administers(user: User, roles: dict[UUID, Role]) -> bool:
    """Whether the user may do everything in the tenant."""
    return user.active and any(roles[id].administers for id in user.role_ids)


def project(work: UnitOfWork, user: User) -> None:
    """Gather what this service goes by."""
    project_user(
        work,
        id=user.id,
        login=user.login,
        display_name=user.display_name,
        active=user.active,
        team_id=user.team_id,
        role_ids=user.role_ids,
        version=user.version,
    )


@statement
def put_former_team() -> Any:
    row = insert(former_teams).values({name: bindparam(name) for name in ("tenant_id", "user_id", "team_id")})
    return row.on_conflict_do_nothing()


@statement
def put_password() -> Any:
    """A new hash; refresh tokens of the old one end."""
    names = ("tenant_id", "user_id", "hash")
    fresh = insert(user_passwords).values({name: bindparam(name) for name in names} | {"version": 1})
    return fresh.on_conflict_do_update(
        index_elements=[user_passwords.c.tenant_id, user_passwords.c.user_id],
        set_={"hash": fresh.excluded.hash, "version": user_passwords.c.version + 1},
    )


@statement
def end_sign_ins() -> Any:
    """A password stays as it is; refresh tokens end, whatever they were signed in with."""
    fresh = insert(user_passwords).values(
        {"tenant_id": bindparam("tenant_id"), "user_id": bindparam("user_id"), "version": 1}
    )
    return fresh.on_conflict_do_update(
        index_elements=[user_passwords.c.tenant_id, user_passwords.c.user_id],
        set_={"version": user_passwords.c.version + 1},
    )
