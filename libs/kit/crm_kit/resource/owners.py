"""Giving a record to another owner, which changes who may do what with it.

Whoever has a record may pass it on, as far as the scope of what they do goes (`owner_team`). Anybody else needs all for
it that others come to have by that: with `accounts.write` for all accounts and `opportunities.read` for one's own only,
nobody makes an account their own to see the deals at it, nor a colleague's.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import Select, Uuid, any_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from crm_kit.database.connections import Database
from crm_kit.database.statements import statement
from crm_kit.database.trees import ids_from_here_up
from crm_kit.database.work import Reader, UnitOfWork, counting
from crm_kit.directory.access import access_from, access_of_user, owned_by, widest
from crm_kit.errors import denied
from crm_kit.identity.access import EVERYTHING, Actor, Scope
from crm_kit.identity.membership import NONE, READING
from crm_kit.labels import noun_label
from crm_kit.notice_texts import OUTCOME, TOGETHER
from crm_kit.notices import Kind, raise_notice, what
from crm_kit.plumbing import access_roles, access_teams, access_users
from crm_kit.resource.reach import Reach, everywhere
from crm_kit.resource.reading import ReadableResource

AnyResource = ReadableResource[Any, Any]
JOBS = "jobs"
_TOGETHER = "given together"
# Whose a record is, as collections call it.
OWNERS = ("owner_id", "assignee_id")
# What a record is called by, the first of these that it has.
TITLES = ("display_name", "title", "number")


@dataclass(frozen=True, slots=True)
class Given:
    """That a record was somebody's, and is somebody else's or nobody's now."""

    collection: str
    record_id: UUID
    old_owner_id: UUID
    new_owner_id: UUID | None


GoesAlong = Callable[[UnitOfWork, Given], Awaitable[None]]
_GOING_ALONG: WeakKeyDictionary[Database, GoesAlong] = WeakKeyDictionary()


async def given_to(
    reader: Reader, resource: AnyResource, before: Any, values: Mapping[str, Any], *, following: Collection[str] = ()
) -> dict[str, UUID | None]:
    """What an update says of a record's owner: a new one with their team, or nothing.

    Who keeps a record is not asked for again: they may have left, and the record stays in the team they got it in.
    A record that nobody is named for stays with its owner. InvalidArgument as `owned_by`, PermissionDenied as
    `check_gives`.
    """
    if "owner_id" not in values:
        return {}
    if values["owner_id"] in (None, before.owner_id):
        return {"owner_id": before.owner_id}
    owner = await owned_by(
        reader, values["owner_id"], permission=resource.permission, field=f"{resource.place}.owner_id"
    )
    team_id = owner["owner_team_id"]
    await check_gives(reader, resource, before, owner_id=owner["owner_id"], owner_team_id=team_id, following=following)
    return owner


def tell_assigned(work: UnitOfWork, resource: AnyResource, before: Any | None, after: Any) -> None:
    """Gather a notice for somebody to whom a record was given by others; of many that a job gives, one for all."""
    owner_id = getattr(after, resource.assigned or "")
    if owner_id in (None, getattr(before, resource.assigned or "", None)):
        return
    descriptor = resource.message_type.DESCRIPTOR
    values = what(noun_label(descriptor.name, descriptor.GetOptions()))
    if work.job_id is not None:
        values |= {"collection": resource.collection, OUTCOME: TOGETHER}
        _tell_together(work, work.job_id, owner_id, values)
        return
    name = next((getattr(after, name) or "" for name in TITLES if name in resource.own_hints), "")
    kind, record = Kind.NOTICE_KIND_RECORD_ASSIGNED, (resource.collection, after.id)
    if owner_id == work.actor.user_id or not is_closed_to_some(resource):
        raise_notice(work, kind, [owner_id], record=record, name=name, values=values)
        return

    async def tell(unit: UnitOfWork) -> None:
        # What is at a restricted account is not named to an owner to whom that is closed.
        await unit.flush()
        shown = name if await reads(unit, resource, after.id, owner_id) else ""
        raise_notice(unit, kind, [owner_id], record=record, name=shown, values=values)

    work.before_commit.append(tell)


def is_closed_to_some(resource: AnyResource) -> bool:
    """Whether some of its records may be closed even to their owner, since they are at restricted accounts."""
    return isinstance(resource.visible, Reach) and resource.visible.open is not everywhere


async def reads(work: UnitOfWork, resource: AnyResource, record_id: UUID, user_id: UUID) -> bool:
    """Whether a user is active and may read a record, by the directory as it is now."""
    row = await work.one(access_of_user(), user_id=user_id)
    if row is None or not row["active"]:
        return False
    actor = Actor(work.tenant_id, user_id, access_from(row))
    if not actor.access.may(resource.permission):
        return False
    with work.acting_as(actor, actor.access.scope(resource.permission)), counting(work, READING):
        return record_id in await resource.readable(work, [record_id])


def given_together(work: UnitOfWork) -> list[tuple[UUID, str]]:
    """Whom a job gives records in this unit, and of which collection: once for each record that is gathered.

    Whoever takes back what was gathered of a record takes what it has added off this list, too.
    """
    given: list[tuple[UUID, str]] = work.known.setdefault(_TOGETHER, [])
    return given


def _tell_together(work: UnitOfWork, job_id: UUID, owner_id: UUID, values: Mapping[str, str]) -> None:
    """Gather one notice for all that somebody is given in a unit of work, as it commits: it may write hundreds.

    What later units give is added to what is unread.
    """
    given, each = given_together(work), (owner_id, values["collection"])
    given.append(each)
    if (_TOGETHER, each) in work.known:
        return
    work.known[_TOGETHER, each] = True

    async def tell(unit: UnitOfWork) -> None:
        if count := given.count(each):
            record = JOBS, job_id
            raise_notice(unit, Kind.NOTICE_KIND_RECORD_ASSIGNED, [owner_id], record=record, values=values, count=count)

    work.before_commit.append(tell)


def call_when_given(database: Database, what_goes_along: GoesAlong) -> None:
    """Have this called in each unit of work of the database in which a record comes to belong to somebody else."""
    _GOING_ALONG[database] = what_goes_along


def given_on(work: UnitOfWork, resource: AnyResource, before: Any, after: Any) -> None:
    """Have what goes along with a record do so, before the unit of work commits."""
    what_goes_along = _GOING_ALONG.get(work.database)
    if what_goes_along is None:
        return
    name = next((each for each in OWNERS if each in resource.own_hints), "")
    old_id, new_id = (getattr(each, name, None) for each in (before, after))
    if old_id is not None and old_id != new_id:
        given = Given(resource.collection, after.id, old_id, new_id)
        work.before_commit.append(lambda unit: what_goes_along(unit, given))


async def check_gives(
    reader: Reader,
    resource: AnyResource,
    before: Any,
    *,
    owner_id: UUID | None,
    owner_team_id: UUID | None,
    following: Collection[str] = (),
    reading: bool = False,
) -> None:
    """PermissionDenied when others come to have more for a record by a new owner than the caller has for it.

    What the caller has only as a member of an account's team is not theirs to hand on. `following` are the resources,
    as permissions call them, that are seen with the record; with `reading` others come to read and to change nothing.
    """
    access = reader.actor.access
    if before.owner_id in (reader.actor.user_id, owner_id) or access.grants.get(EVERYTHING) is Scope.ALL:
        return
    concerned = {resource_of(resource.permission), EVERYTHING, *following}
    gained = await gained_permissions(reader, owner_id, owner_team_id, former_team_id=before.owner_team_id)
    for permission in sorted(each for each in gained if resource_of(each) in concerned):
        if reading and not permission.endswith((".read", EVERYTHING)):
            continue
        with counting(reader, NONE):
            is_theirs = await may(reader, resource, before.id, permission)
        if not is_theirs:
            noun = resource.noun.replace("_", " ")
            detail = f"who gets this {noun} would have {permission} for it, which you have not"
            raise denied("gives_more", detail, permission=permission)


async def check_brings(reader: Reader, resource: AnyResource, id: UUID) -> None:
    """PermissionDenied for who brings to another account what they reach as a member of an account's team alone.

    There it would stay theirs, or a friend's, when the membership has ended.
    """
    with counting(reader, NONE):
        is_theirs = await resource.find(reader, id) is not None
    if not is_theirs:
        noun = resource.noun.replace("_", " ")
        raise denied("member_brings", f"as a member of its account's team you bring this {noun} to no other account")


async def may(reader: Reader, resource: AnyResource, id: UUID, permission: str) -> bool:
    """Whether the caller has a permission in a scope that reaches a record."""
    access = reader.actor.access
    if not access.may(permission):
        return False
    scope = access.scope(permission)
    if scope is Scope.ALL and access.reads_restricted:
        return True
    return id in await resource.get_many(reader, [id], scope=scope)


async def gained_permissions(
    reader: Reader, owner_id: UUID | None, team_id: UUID | None, *, former_team_id: UUID | None
) -> set[str]:
    """What people come to be permitted for a record that gets another owner and team: the owner, and those above."""
    above_before = await ids_from_here_up(reader, access_teams, former_team_id)
    above = await ids_from_here_up(reader, access_teams, team_id) - above_before
    # TEAM is what is one's own, too.
    of_owner = {Scope.OWN} if team_id in above_before else {Scope.OWN, Scope.TEAM}
    gained = set()
    for row in await reader.all(grants_of(), owner_id=owner_id, team_ids_above=list(above)):
        grants, scopes = widest(row["grants"] or ()), of_owner if row["is_owner"] else {Scope.TEAM}
        of_everything = grants.get(EVERYTHING, Scope.OWN)
        gained |= {name for name, scope in grants.items() if max(scope, of_everything) in scopes}
    return gained


def resource_of(permission: str) -> str:
    """What a permission is for: of `orders.release` orders, of `*` everything."""
    return permission.partition(".")[0]


@statement
def grants_of() -> Select[Any]:
    """The grants that active users have together, of a user and of those in some teams."""
    users, roles = access_users.c, access_roles.c
    grants = select(func.jsonb_agg(roles.grants)).where(
        roles.tenant_id == users.tenant_id, roles.id == any_(users.role_ids)
    )
    is_owner = users.id == bindparam("owner_id", type_=Uuid)
    is_above = users.team_id == any_(bindparam("team_ids_above", type_=ARRAY(Uuid)))
    return (
        select(is_owner.label("is_owner"), grants.scalar_subquery().label("grants"))
        .distinct()
        .where(users.tenant_id == bindparam("tenant_id"), users.active, or_(is_owner, is_above))
    )
