"""Who has to do with a record, and what they are called."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Select, Uuid, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from crm_kit.comments.model import Comment
from crm_kit.comments.resource import COMMENTS
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.identity.access import Scope
from crm_kit.plumbing import access_users, comments
from crm_kit.resource.reading import ReadableResource

AnyResource = ReadableResource[Any, Any]
# Who answers for a record, where it says so.
ANSWERING = ("owner_id", "assignee_id")
MAX_LOOKED_AT = 500


async def get_comment(reader: Reader, collection: str, record_id: UUID, id: UUID, *, etag: str = "") -> Comment:
    """The comment; NotFound when it is none of this record, EtagMismatch for another version."""
    comment = await COMMENTS.find(reader, id)
    if comment is None or (comment.collection, comment.record_id) != (collection, record_id):
        raise NotFound("the comment does not exist", reason=COMMENTS.not_found)
    await COMMENTS.check_etag(reader, id, etag, comment.version)
    return comment


async def people_of(reader: Reader, resource: AnyResource, record_id: UUID) -> list[UUID]:
    """Who answers for a record; nobody, where it does not say so."""
    if not answering_columns(resource):
        return []
    row = await reader.one(answering_for(resource), id=record_id)
    return [id for id in row.values() if id is not None] if row else []


async def earlier_authors(reader: Reader, collection: str, record_id: UUID, *, most: int) -> list[UUID]:
    """Who has commented a record lately, the last ones first."""
    rows = await reader.all(last_authors(), collection=collection, record_id=record_id, most=most)
    return [row["author_id"] for row in rows]


async def names_of_users(reader: Reader, ids: Collection[UUID]) -> dict[UUID, str]:
    """What users are called."""
    rows = await reader.all(user_names(), ids=list(ids))
    return {row["id"]: row["display_name"] for row in rows}


def answering_columns(resource: AnyResource) -> list[Any]:
    return [resource.table.c[name] for name in ANSWERING if name in resource.table.c]


@statement
def answering_for(resource: AnyResource) -> Select[Any]:
    return (
        resource.rows(Scope.ALL)
        .with_only_columns(*answering_columns(resource), maintain_column_froms=True)
        .where(resource.table.c.id == bindparam("id"))
    )


@statement
def last_authors() -> Select[Any]:
    """Among the last comments, which the index has in order: a program may have written any number."""
    columns = comments.c
    lately = (
        select(columns.author_id, columns.create_time)
        .where(
            columns.tenant_id == bindparam("tenant_id"),
            columns.collection == bindparam("collection"),
            columns.record_id == bindparam("record_id", type_=Uuid),
        )
        .order_by(columns.id.desc())
        .limit(MAX_LOOKED_AT)
        .subquery("lately")
    )
    return (
        select(lately.c.author_id)
        .group_by(lately.c.author_id)
        .order_by(func.max(lately.c.create_time).desc(), lately.c.author_id)
        .limit(bindparam("most", type_=Integer))
    )


@statement
def user_names() -> Select[Any]:
    users, ids = access_users.c, bindparam("ids", type_=ARRAY(Uuid))
    return select(users.id, users.display_name).where(users.tenant_id == bindparam("tenant_id"), users.id == any_(ids))
