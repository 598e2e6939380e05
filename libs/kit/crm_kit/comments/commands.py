"""Every write on comments. Each function is one transaction's work."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm.resource.v1 import events_pb2 as events

from crm_kit.comments.discussion import Discussion
from crm_kit.comments.model import Comment
from crm_kit.comments.queries import get_comment, names_of_users
from crm_kit.comments.resource import COMMENTS
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import require_users
from crm_kit.errors import FieldViolation, InvalidArgument, NotFound, invalid_field
from crm_kit.ids import new_id
from crm_kit.notices import Kind, raise_notice

MENTIONS = "comment.mentioned_user_ids"


async def create_comment(work: UnitOfWork, on: Discussion, values: dict[str, Any]) -> Comment:
    """Say something about a record."""
    collection, record_id = on.record
    comment = Comment(
        id=new_id(),
        collection=collection,
        record_id=record_id,
        author_id=work.actor.user_id,
        create_time=work.now,
        update_time=work.now,
        **values,
    )
    if comment.parent_id is not None:
        (await replied_to(work, on, comment.parent_id)).check_replied_to()
    await check_mentions(work, on, comment.mentioned_user_ids)
    await tell_mentioned(work, on, comment.mentioned_user_ids)
    await tell_others(work, on, comment)
    return COMMENTS.create(work, comment)


async def update_comment(work: UnitOfWork, on: Discussion, before: Comment, values: dict[str, Any]) -> Comment:
    """Say it otherwise; nothing is written when nothing changes."""
    after = before.edit(work.actor.user_id, values, now=work.now)
    await check_mentions(work, on, after.mentioned_user_ids, old_ids=before.mentioned_user_ids)
    await tell_mentioned(work, on, [id for id in after.mentioned_user_ids if id not in before.mentioned_user_ids])
    return COMMENTS.save(work, before, after, events.CommentUpdated)


def delete_comment(work: UnitOfWork, on: Discussion, before: Comment) -> Comment:
    """Take back what was said; nothing is written when it is deleted already."""
    after = before.delete(work.actor.user_id, moderates=on.is_moderated_by(work.actor.access), now=work.now)
    return COMMENTS.save(work, before, after, events.CommentDeleted)


async def tell_mentioned(work: UnitOfWork, on: Discussion, user_ids: Collection[UUID]) -> None:
    """Have people know that they were mentioned; not what was said, which may be deleted before they look."""
    if user_ids:
        name = await on.name_of_record(work)
        raise_notice(work, Kind.NOTICE_KIND_MENTIONED, user_ids, record=on.record, name=name)


async def tell_others(work: UnitOfWork, on: Discussion, comment: Comment) -> None:
    """Have those know of it who take part in the discussion and may read the record; who is mentioned knows already."""
    known = {comment.author_id, *comment.mentioned_user_ids}
    others = [id for id in await on.taking_part(work) if id not in known]
    told = await on.readers(work, others) if others else set()
    if told:
        name = await on.name_of_record(work)
        raise_notice(work, Kind.NOTICE_KIND_COMMENTED, sorted(told), record=on.record, name=name)


async def replied_to(work: UnitOfWork, on: Discussion, id: UUID) -> Comment:
    """The comment that a reply names. InvalidArgument when it is none of the same record."""
    try:
        return await get_comment(work, *on.record, id)
    except NotFound:
        detail = "is no comment of this record"
        raise invalid_field("comment.parent_id", "reference", detail, reason="REFERENCE_NOT_FOUND") from None


async def check_mentions(
    work: UnitOfWork, on: Discussion, ids: Collection[UUID], *, old_ids: Collection[UUID] = ()
) -> None:
    """InvalidArgument unless all who are mentioned anew are active and may read the record; it names who may not."""
    await require_users(work, list(ids), old_ids=old_ids, field=f"{MENTIONS}[{{}}]")
    added = [id for id in ids if id not in old_ids]
    missing = set(added) - await on.readers(work, added) if added else set()
    if not missing:
        return
    names = await names_of_users(work, missing)
    violations = [
        FieldViolation(f"{MENTIONS}[{at}]", "mentionable", f"{names.get(id, id)} may not read this record")
        for at, id in enumerate(ids)
        if id in missing
    ]
    told = ", ".join(sorted(names.values()))
    raise InvalidArgument(
        f"{MENTIONS}: these may not read the record: {told}",
        reason="MENTION_NOT_ALLOWED",
        violations=violations,
        metadata={"names": told},
    )
