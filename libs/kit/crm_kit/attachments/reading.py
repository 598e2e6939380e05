"""Bytes of an attachment, or of a preview of it, which is made when it is first asked for."""

from typing import Any
from uuid import UUID

from crm.resource.v1 import attachments_pb2 as pb
from sqlalchemy import Select, bindparam, select

from crm_kit.attachments.contents import Contents, keep
from crm_kit.attachments.first_pages import MEDIA_TYPE as PDF
from crm_kit.attachments.first_pages import first_page_of
from crm_kit.attachments.model import Attachment, State
from crm_kit.attachments.previews import MAX_BYTES, MEDIA_TYPE, no_preview, preview_of, turn
from crm_kit.attachments.queries import Part, parts_of, size_of_preview
from crm_kit.attachments.resource import ATTACHMENTS
from crm_kit.database.statements import statement
from crm_kit.database.work import ReadSession, unit_of_work
from crm_kit.identity.access import Scope

MAX_LENGTH = 1 << 20
# Over a line that broke again and again a file may have come in parts of a few bytes: so many are read at once.
MAX_PARTS = 32
attachments = ATTACHMENTS.table


async def content_of(reader: ReadSession, contents: Contents, found: Attachment, request: Any) -> pb.AttachmentContent:
    """The bytes that a request asks for, fewer where they are in many parts.

    FailedPrecondition where it asks for a preview and there is none.
    """
    pixels = request.preview_pixels
    size_bytes = await size_with_preview(reader, contents, found, pixels) if pixels else found.size_bytes
    end = min(request.offset + (request.length or MAX_LENGTH), size_bytes)
    content = b""
    if request.offset < end:
        within = await parts_of(reader, found.id, request.offset, end, preview_pixels=pixels, most=MAX_PARTS)
        end = min(end, within[-1].end) if within else request.offset
        content = await contents.read(reader.tenant_id, within, request.offset, end)
    return pb.AttachmentContent(
        name=found.name,
        content_type=MEDIA_TYPE if pixels else found.content_type,
        size_bytes=size_bytes,
        sha256=found.sha256,
        offset=request.offset,
        content=content,
    )


async def size_with_preview(reader: ReadSession, contents: Contents, found: Attachment, pixels: int) -> int:
    """How many bytes the preview has, made if it has to be."""
    if not found.has_preview:
        raise no_preview(f"there are previews of images and PDFs, and this is {found.content_type}")
    size = await size_of_preview(reader, found.id, pixels)
    if size is not None:
        return size
    if found.size_bytes > MAX_BYTES:
        raise no_preview(f"it has more than {MAX_BYTES} bytes")
    async with turn:
        # Somebody else may have had it made while it was waited for.
        size = await size_of_preview(reader, found.id, pixels)
        return await _made(reader, contents, found, pixels) if size is None else size


async def _made(reader: ReadSession, contents: Contents, found: Attachment, pixels: int) -> int:
    """Make the preview, and say how many bytes it has."""
    of_file = await parts_of(reader, found.id, 0, found.size_bytes)
    whole = b"".join([some async for some in contents.all_of(reader.tenant_id, of_file)])
    picture = await (first_page_of if found.content_type == PDF else preview_of)(whole, pixels)
    part = await contents.store(reader.actor, reader.now, found.id, 0, picture, preview_pixels=pixels)
    return await _kept(reader, found.id, part, pixels)


async def _kept(reader: ReadSession, id: UUID, part: Part, pixels: int) -> int:
    """Keep a preview, unless the attachment was deleted meanwhile, or another one was kept: then how large that is."""
    async with unit_of_work(reader.database, reader.actor, scope=Scope.ALL, now=reader.now) as work:
        await work.flush()
        is_there = await work.one(held_attachment(), id=id, available=State.AVAILABLE)
        other = await size_of_preview(work, id, pixels)
        if is_there and other is None:
            keep(work, part)
    return part.size_bytes if other is None else other


@statement
def held_attachment() -> Select[Any]:
    """The attachment, which stays as it is until the unit ends."""
    return (
        select(attachments.c.id)
        .where(
            attachments.c.tenant_id == bindparam("tenant_id"),
            attachments.c.id == bindparam("id"),
            attachments.c.state == bindparam("available"),
        )
        .with_for_update()
    )
