"""Who is asked, and what is asked for already."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    FromClause,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    between,
    bindparam,
    cast,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from crm_kit.approvals.declaration import Approvable
from crm_kit.approvals.model import Person
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, seeing_all
from crm_kit.etags import etag_of
from crm_kit.identity.access import EVERYTHING, Scope
from crm_kit.plumbing import access_deputies, access_roles, access_teams, access_tenants, access_users, approvals

MAX_TEAMS_ABOVE = 100


async def roles_of(reader: Reader, user_id: UUID) -> tuple[UUID, ...]:
    """The roles of a user; none of one who is not known here."""
    row = await reader.one(role_ids_of_user(), user_id=user_id)
    return tuple(row["role_ids"]) if row else ()


async def deputy_of(reader: Reader, user_id: UUID, *, collection: str, permission: str) -> tuple[Person, ...]:
    """Those whose deputy a user is today in a collection, in whose place they may decide."""
    values = {"user_id": user_id, "collection": collection, "reading": [permission, EVERYTHING]}
    return tuple(Person(row["id"], tuple(row["role_ids"])) for row in await reader.all(absent_people(), **values))


async def deputies_of(reader: Reader, people: Collection[Person], *, collection: str, permission: str) -> list[Person]:
    """The active users who are deputies of some of the people today, and may read the collection; each with those."""
    absent, found = {each.id: each for each in people}, dict[UUID, Person]()
    values = {"ids": list(absent), "collection": collection, "reading": [permission, EVERYTHING]}
    for row in await reader.all(deputies_today(), **values):
        known = found.setdefault(row["id"], Person(row["id"], tuple(row["role_ids"])))
        found[row["id"]] = replace(known, deputy_of=(*known.deputy_of, absent[row["absent_id"]]))
    return list(found.values())


async def people_asked(
    reader: Reader, ids: Collection[UUID], *, permission: str, submitter_id: UUID | None = None
) -> list[Person]:
    """The active users who are among the ids, or have one of the roles that are, and whose roles permit to read.

    The submitter is asked also without: who submits is not passed over by giving up the permission.
    """
    values = {"ids": list(ids), "reading": [permission, EVERYTHING], "submitter_id": submitter_id}
    rows = await reader.all(active_people(), **values)
    return [Person(row["id"], tuple(row["role_ids"])) for row in rows]


async def leaders_above(reader: Reader, user_id: UUID | None, *, permission: str) -> list[UUID]:
    """The leaders of a user's team and of all above it who are active and may read, from the nearest on."""
    if user_id is None:
        return []
    rows = await reader.all(leaders_of_teams(), user_id=user_id, reading=[permission, EVERYTHING])
    return [row["id"] for row in rows]


async def find_pending(reader: Reader, collection: str, record_id: UUID, verb: str) -> UUID | None:
    """The approval that is asked for of a record and verb and not decided."""
    row = await reader.one(pending_id(), collection=collection, record_id=record_id, verb=verb)
    return row["id"] if row else None


async def etag_now(reader: Reader, approvable: Approvable, record_id: UUID) -> str:
    """The record's etag, whoever may see it; that of version 0 where there is none yet."""
    with seeing_all(reader):
        record: Any = await approvable.resource.find(reader, record_id, scope=Scope.ALL)
    return etag_of(record.version if record else 0)


@statement
def role_ids_of_user() -> Select[Any]:
    users = access_users.c
    return select(users.role_ids).where(users.tenant_id == bindparam("tenant_id"), users.id == bindparam("user_id"))


@statement
def active_people() -> Select[Any]:
    users, ids = access_users.c, bindparam("ids", type_=ARRAY(Uuid))
    return select(users.id, users.role_ids).where(
        users.tenant_id == bindparam("tenant_id"),
        or_(users.id == any_(ids), users.role_ids.overlap(ids)),
        or_(
            is_able(bindparam("reading", type_=ARRAY(Text))),
            and_(users.active, users.id == bindparam("submitter_id", type_=Uuid)),
        ),
    )


@statement
def absent_people() -> Select[Any]:
    users, deputies = access_users.c, access_deputies.c
    return (
        select(users.id, users.role_ids)
        .where(
            users.tenant_id == bindparam("tenant_id"),
            users.id.in_(
                select(deputies.user_id).where(
                    is_deputy_today(bindparam("user_id")),
                    or_(deputies.collection.is_(None), deputies.collection == bindparam("collection")),
                )
            ),
            is_able(bindparam("reading", type_=ARRAY(Text))),
        )
        .order_by(users.id)
    )


@statement
def deputies_today() -> Select[Any]:
    users, deputies = access_users.c, access_deputies.c
    return (
        select(users.id, users.role_ids, deputies.user_id.label("absent_id"))
        .where(
            users.tenant_id == bindparam("tenant_id"),
            is_deputy_today(users.id),
            deputies.user_id == any_(bindparam("ids", type_=ARRAY(Uuid))),
            or_(deputies.collection.is_(None), deputies.collection == bindparam("collection")),
            is_able(bindparam("reading", type_=ARRAY(Text))),
        )
        .distinct()
        .order_by(users.id, deputies.user_id)
    )


def is_deputy_today(user_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a user is the deputy, on the day that it is where the tenant is."""
    deputies, tenants = access_deputies.c, access_tenants.c
    now = bindparam("now", type_=DateTime(timezone=True))
    today = (
        select(cast(func.timezone(tenants.time_zone, now), Date))
        .where(tenants.tenant_id == bindparam("tenant_id"))
        .scalar_subquery()
    )
    return and_(
        deputies.tenant_id == bindparam("tenant_id"),
        deputies.deputy_id == user_id,
        deputies.active,
        between(today, deputies.first_date, deputies.last_date),
    )


def is_able(reading: ColumnElement[Any], of: FromClause = access_users) -> ColumnElement[bool]:
    """Whether a user is active and has a role with one of these permissions."""
    users, roles = of.c, access_roles.c
    permitting = select(roles.id).where(
        roles.tenant_id == users.tenant_id, roles.id == any_(users.role_ids), roles.grants.has_any(reading)
    )
    return and_(users.active, permitting.exists())


@statement
def leaders_of_teams() -> Select[Any]:
    """One team is above another, so that it ends, at the latest where a tree would be deeper than any is."""
    users, teams, leaders = access_users, access_teams, access_users.alias("leaders")
    columns = (teams.c.parent_id, teams.c.leader_id)
    at = (teams.c.tenant_id == users.c.tenant_id) & (teams.c.id == users.c.team_id)
    own = (
        select(*columns, literal(0).label("distance"))
        .join_from(users, teams, at)
        .where(users.c.tenant_id == bindparam("tenant_id"), users.c.id == bindparam("user_id"))
        .cte("teams_above", recursive=True)
    )
    above = own.union_all(
        select(*columns, own.c.distance + 1).where(
            teams.c.tenant_id == bindparam("tenant_id"), teams.c.id == own.c.parent_id, own.c.distance < MAX_TEAMS_ABOVE
        )
    )
    leads = (leaders.c.tenant_id == bindparam("tenant_id")) & (leaders.c.id == above.c.leader_id)
    able = is_able(bindparam("reading", type_=ARRAY(Text)), leaders)
    return select(leaders.c.id).join_from(above, leaders, leads).where(able).order_by(above.c.distance)


@statement
def pending_id() -> Select[Any]:
    return select(approvals.c.id).where(
        approvals.c.tenant_id == bindparam("tenant_id"),
        approvals.c.collection == bindparam("collection"),
        approvals.c.record_id == bindparam("record_id"),
        approvals.c.verb == bindparam("verb"),
        # Spelled as the index has it.
        approvals.c.state == "PENDING",
    )


@statement
def pending_of_record() -> Select[Any]:
    return select(approvals.c.id).where(
        approvals.c.tenant_id == bindparam("tenant_id"),
        approvals.c.collection == bindparam("collection"),
        approvals.c.record_id == bindparam("record_id"),
        # Spelled as the index has it.
        approvals.c.state == "PENDING",
    )
