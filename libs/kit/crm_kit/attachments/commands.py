"""Every write on attachments and their uploads, but that of bytes to the store."""

import contextlib
import hashlib
from dataclasses import replace
from typing import Any
from uuid import UUID

from crm.resource.v1 import attachments_pb2 as pb
from crm.resource.v1 import events_pb2 as events
from sqlalchemy import bindparam, delete

from crm_kit.attachments import kinds
from crm_kit.attachments.contents import Contents, discard, keep
from crm_kit.attachments.model import (
    UPLOAD_LASTS,
    Attachment,
    Upload,
    check_size,
    checked_name,
    refused,
)
from crm_kit.attachments.place import Place
from crm_kit.attachments.queries import Part, get_upload, part_at, parts_of, uploads
from crm_kit.attachments.resource import ATTACHMENTS
from crm_kit.attachments.room import give_back_room, take_room
from crm_kit.database.connections import row_of
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, unit_of_work
from crm_kit.errors import Conflict, InvalidArgument
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id


async def create_upload(
    work: UnitOfWork, at: Place, request: pb.CreateAttachmentUploadRequest, *, max_bytes: int, max_tenant_bytes: int
) -> Upload:
    """Begin to attach a file, and hold its room. ResourceExhausted while the tenant has no room left."""
    await at.check_changes(work)
    await at.check_takes_files(work)
    name = checked_name(request.name)
    kinds.check_name(name)
    check_size(request.size_bytes, max_bytes)
    collection, record_id = at.record
    upload = Upload(
        id=new_id(),
        collection=collection,
        record_id=record_id,
        name=name,
        description=request.description.strip(),
        size_bytes=request.size_bytes,
        sha256=request.sha256 or None,
        creator_id=work.actor.user_id,
        expire_time=work.now + UPLOAD_LASTS,
        create_time=work.now,
        update_time=work.now,
    )
    take_room(work, upload.size_bytes, most=max_tenant_bytes)
    work.insert(uploads, row_of(upload))
    return upload


async def append_upload(
    work: UnitOfWork, at: Place, contents: Contents, id: UUID, offset: int, content: bytes
) -> Upload:
    """Add bytes at the end; bytes that are here already are not added again. The last make an attachment of it."""
    before = await get_upload(work, *at.record, id)
    if offset < before.received_bytes and await is_here(work, id, offset, content):
        return before
    after = before.append(offset, len(content), now=work.now)
    await at.check_changes(work)
    # Who holds a connection does not wait for the store.
    await work.release()
    try:
        if offset == 0:
            kinds.check_content(before.name, content[: kinds.HEAD_BYTES])
        part = await contents.store(work.actor, work.now, id, offset, content)
        made = await _attachment_of(work, contents, after, part) if after.complete else None
    except InvalidArgument:
        await _give_up(work, before)
        raise
    work.save(uploads, row_of(after), version=before.version)
    # Of two that go on at one place, the other one waits here, and finds what this one has done.
    await work.flush()
    keep(work, part)
    if made is not None:
        collection, record_id = await at.held_for_files(work)
        ATTACHMENTS.create(work, replace(made, collection=collection, record_id=record_id))
    return after


async def is_here(work: UnitOfWork, id: UUID, offset: int, content: bytes) -> bool:
    """Whether just these bytes came before."""
    part = await part_at(work, id, offset)
    return part is not None and (part.size_bytes, part.digest) == (len(content), hashlib.sha256(content).digest())


async def _attachment_of(work: UnitOfWork, contents: Contents, upload: Upload, last: Part) -> Attachment:
    """What becomes of an upload that is complete, by what the store gives back of it; InvalidArgument if nothing."""
    all_parts = [*await parts_of(work, upload.id, 0, last.first_byte), last]
    await work.release()
    digest, head = hashlib.sha256(), b""
    async for some in contents.all_of(work.tenant_id, all_parts):
        digest.update(some)
        head = head or some[: kinds.HEAD_BYTES]
    # Once more: the first part may have been short.
    kinds.check_content(upload.name, head)
    found = digest.hexdigest()
    if upload.sha256 not in (None, found):
        raise refused("checksum", f"the SHA-256 of what arrived is {found}", sha256=found)
    content_type = kinds.type_of(upload.name, head)
    return Attachment(
        id=upload.id,
        collection=upload.collection,
        record_id=upload.record_id,
        name=upload.name,
        description=upload.description,
        size_bytes=upload.size_bytes,
        content_type=content_type,
        sha256=found,
        has_preview=content_type in kinds.PREVIEWED,
        creator_id=upload.creator_id,
        create_time=work.now,
        update_time=work.now,
    )


async def _give_up(work: UnitOfWork, upload: Upload) -> None:
    """Forget an upload whose file is refused, in a unit of its own: the refusal undoes the one that it comes from."""
    # What others have made of it meanwhile is theirs: the file may be there by now, of the bytes that it should have.
    with contextlib.suppress(Conflict):
        async with unit_of_work(work.database, work.actor, scope=Scope.ALL, now=work.now) as own:
            delete_upload(own, upload)


def delete_upload(work: UnitOfWork, upload: Upload) -> None:
    """Forget an upload; of one that is not complete, its bytes and its room too.

    The unit fails as Conflict where it has come further since it was read, or is gone: bytes that have become a file
    stay, and room is given back once.
    """
    conflict = Conflict("the upload has come further, or has ended, at the same time; try again")
    work.execute(forget_upload(), unmet=lambda: conflict, id=upload.id, version=upload.version)
    if not upload.complete:
        discard(work, upload.id)
        give_back_room(work, upload.size_bytes)


@statement
def forget_upload() -> Any:
    return (
        delete(uploads)
        .where(
            uploads.c.tenant_id == bindparam("tenant_id"),
            uploads.c.id == bindparam("id"),
            uploads.c.version == bindparam("version"),
        )
        .returning(uploads.c.id)
    )


async def delete_attachment(work: UnitOfWork, at: Place, before: Attachment) -> Attachment:
    """Have its bytes go; that it was there stays to be seen. Nothing happens when it is deleted already."""
    may_change_record = before.creator_id == work.actor.user_id or await at.may_change(work)
    after = before.delete(work.actor.user_id, may_change_record=may_change_record, now=work.now)
    if after != before:
        discard(work, before.id)
        give_back_room(work, before.size_bytes)
    return ATTACHMENTS.save(work, before, after, events.AttachmentDeleted)
