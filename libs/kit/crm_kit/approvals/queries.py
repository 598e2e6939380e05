"""Who is asked, and what is asked for already."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Uuid, any_, bindparam, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from crm_kit.approvals.declaration import Approvable
from crm_kit.approvals.model import Person
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.etags import etag_of
from crm_kit.identity.access import Scope
from crm_kit.plumbing import access_users, approvals


async def roles_of(reader: Reader, user_id: UUID) -> tuple[UUID, ...]:
    """The roles of a user; none of one who is not known here."""
    row = await reader.one(role_ids_of_user(), user_id=user_id)
    return tuple(row["role_ids"]) if row else ()


async def people_asked(reader: Reader, ids: Collection[UUID]) -> list[Person]:
    """The active users who are among the ids, or have one of the roles that are."""
    return [Person(row["id"], tuple(row["role_ids"])) for row in await reader.all(active_people(), ids=list(ids))]


async def find_pending(reader: Reader, collection: str, record_id: UUID, verb: str) -> UUID | None:
    """The approval that is asked for of a record and verb and not decided."""
    row = await reader.one(pending_id(), collection=collection, record_id=record_id, verb=verb)
    return row["id"] if row else None


async def etag_now(reader: Reader, approvable: Approvable, record_id: UUID) -> str:
    """The record's etag, whoever may see it; that of version 0 where there is none yet."""
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
        users.tenant_id == bindparam("tenant_id"), users.active, or_(users.id == any_(ids), users.role_ids.overlap(ids))
    )


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
