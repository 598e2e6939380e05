"""Every write on users. Each function is one transaction's work: row, projection, history and event together."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm_kit.database.connections import row_of
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.projection import project_user
from crm_kit.errors import PermissionDenied
from crm_kit.events.outbox import emit
from crm_kit.history import record_change
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import insert

from crm_customer.directory.roles.model import Role
from crm_customer.directory.roles.queries import get_roles
from crm_customer.directory.roles.rights import check_holds
from crm_customer.directory.tenants.commands import take_turn
from crm_customer.directory.tokens.tables import refresh_tokens
from crm_customer.directory.users.model import User
from crm_customer.directory.users.queries import check_administrator_stays, get_user
from crm_customer.directory.users.tables import user_passwords, users
from crm_customer.directory.users.wire import user_changed


async def create_user(
    work: UnitOfWork, *, display_name: str, login: str, team_id: UUID | None = None, role_ids: tuple[UUID, ...] = ()
) -> User:
    """Create a user, who cannot sign in here before they have a password."""
    if work.scope is Scope.OWN:
        raise PermissionDenied("with your scope you reach yourself only, not somebody new")
    await manageable_roles(work, role_ids)
    check_team_in_reach(work, team_id)
    return add_user(work, display_name=display_name, login=login, team_id=team_id, role_ids=role_ids)


def add_user(
    work: UnitOfWork, *, display_name: str, login: str, team_id: UUID | None, role_ids: tuple[UUID, ...]
) -> User:
    """Gather a new user whose roles are known to be right."""
    user = User(
        id=new_id(),
        display_name=display_name,
        login=login,
        create_time=work.now,
        update_time=work.now,
        team_id=team_id,
        role_ids=role_ids,
    )
    work.insert(users, row_of(user))
    announce(work, None, user, "CREATED")
    return user


async def update_user(work: UnitOfWork, id: UUID, values: dict[str, Any], *, etag: str = "") -> User:
    """Change some fields of a user; nothing is written when nothing changes."""
    before = await get_user(work, id)
    after = before.update(values, now=work.now, etag=etag)
    if after is before:
        return before
    if after.team_id != before.team_id:
        check_team_in_reach(work, after.team_id)
    return await save(work, before, after, "UPDATED")


async def update_own_user(work: UnitOfWork, values: dict[str, Any], *, etag: str = "") -> User:
    """Change what a user may change of themselves; nothing is written when nothing changes."""
    before = await get_user(work, work.actor.user_id)
    after = before.update_own(values, now=work.now, etag=etag)
    return before if after is before else await save(work, before, after, "UPDATED")


async def deactivate_user(work: UnitOfWork, id: UUID, *, etag: str = "") -> User:
    """Take away all access of a user; what they signed in with does not come back with them."""
    before = await get_user(work, id)
    after = before.deactivate(now=work.now, etag=etag)
    if after is before:
        return before
    work.execute(outdate_password(), user_id=id)
    work.delete(refresh_tokens, user_id=id)
    return await save(work, before, after, "DEACTIVATED")


async def activate_user(work: UnitOfWork, id: UUID, *, etag: str = "") -> User:
    """Let a deactivated user in again."""
    before = await get_user(work, id)
    after = before.activate(now=work.now, etag=etag)
    return before if after is before else await save(work, before, after, "ACTIVATED")


async def set_password(work: UnitOfWork, id: UUID, hash: str) -> User:
    """Set the password of a user, given as its hash, and end their refresh tokens."""
    before = await get_user(work, id)
    put_password(work, id, hash)
    work.delete(refresh_tokens, user_id=id)
    return await save(work, before, before.with_new_password(now=work.now), "PASSWORD_SET")


def put_password(work: UnitOfWork, user_id: UUID, hash: str) -> None:
    """Gather the hash of a user's password."""
    work.execute(upsert_password(), user_id=user_id, hash=hash, update_time=work.now)


async def save(work: UnitOfWork, before: User, after: User, action: str) -> User:
    """Gather what a changed user means, if the caller may manage who they were and who they become."""
    roles = await manageable_roles(work, {*before.role_ids, *after.role_ids})
    if administers(before, roles) and not administers(after, roles):
        await take_turn(work)
        await check_administrator_stays(work, without_user=before.id)
    work.save(users, row_of(after), version=before.version)
    announce(work, before, after, action)
    return after


async def manageable_roles(work: UnitOfWork, role_ids: Collection[UUID]) -> dict[UUID, Role]:
    """The roles; PermissionDenied when one grants more than the caller has, for they would borrow it."""
    found = await get_roles(work, role_ids, field="user.role_ids")
    for role in found.values():
        check_holds(work.actor.access, role.grants)
    return found


def check_team_in_reach(work: UnitOfWork, team_id: UUID | None) -> None:
    """Raise PermissionDenied when the caller, who may not manage all users, puts one outside their own teams."""
    if work.scope is not Scope.ALL and team_id not in work.actor.access.team_ids:
        raise PermissionDenied("with your scope users belong to your team or one below it")


def administers(user: User, roles: dict[UUID, Role]) -> bool:
    """Whether the user may do everything in the tenant."""
    return user.active and any(roles[id].administers for id in user.role_ids)


def announce(work: UnitOfWork, before: User | None, user: User, action: str) -> None:
    """Gather history, projection and event of what became true of the user."""
    record_change(work, "user", action=action, before=before, after=user)
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
    emit(work, user_changed(user), aggregate_type="user", id=user.id, version=user.version)


@statement
def upsert_password() -> Any:
    names = ("tenant_id", "user_id", "hash", "update_time")
    fresh = insert(user_passwords).values({name: bindparam(name) for name in names} | {"version": 1})
    return fresh.on_conflict_do_update(
        index_elements=[user_passwords.c.tenant_id, user_passwords.c.user_id],
        set_={
            "hash": fresh.excluded.hash,
            "update_time": fresh.excluded.update_time,
            "version": user_passwords.c.version + 1,
        },
    )


@statement
def outdate_password() -> Any:
    """The password stays, what was signed in with it ends."""
    return (
        update(user_passwords)
        .where(user_passwords.c.tenant_id == bindparam("tenant_id"), user_passwords.c.user_id == bindparam("user_id"))
        .values(version=user_passwords.c.version + 1)
    )
