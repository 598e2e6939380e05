"""What is known of attachments, uploads, and where their bytes are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Select, Uuid, bindparam, select

from crm_kit.attachments.model import Attachment, State, Upload
from crm_kit.attachments.resource import ATTACHMENTS
from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.plumbing import attachments

uploads, parts, room = attachments.uploads, attachments.parts, attachments.room
WHOLE = 0
"""Instead of the size of a preview: the file itself."""


@dataclass(frozen=True, slots=True)
class Part:
    """An object in the store, and which bytes of its file it has."""

    key: UUID
    first_byte: int
    size_bytes: int
    digest: bytes

    @property
    def end(self) -> int:
        return self.first_byte + self.size_bytes


async def get_attachment(reader: Reader, collection: str, record_id: UUID, id: UUID) -> Attachment:
    """The attachment; NotFound when it is none of this record or was deleted."""
    found = await find_attachment(reader, collection, record_id, id)
    if found.state is State.DELETED:
        raise _absent()
    return found


async def find_attachment(reader: Reader, collection: str, record_id: UUID, id: UUID, *, etag: str = "") -> Attachment:
    """As `get_attachment`, also one that was deleted; EtagMismatch for another version."""
    found = await ATTACHMENTS.find(reader, id)
    if found is None or (found.collection, found.record_id) != (collection, record_id):
        raise _absent()
    await ATTACHMENTS.check_etag(reader, id, etag, found.version)
    return found


def _absent() -> NotFound:
    return NotFound("the attachment does not exist", reason=ATTACHMENTS.not_found)


async def get_upload(reader: Reader, collection: str, record_id: UUID, id: UUID) -> Upload:
    """The caller's own upload to this record; NotFound when there is none, or it is over."""
    row = await reader.one(upload_by_id(), id=id)
    found = Upload(**dict(row)) if row else None
    is_own = found and (found.collection, found.record_id, found.creator_id) == (
        collection,
        record_id,
        reader.actor.user_id,
    )
    if found is None or not is_own or reader.now >= found.expire_time:
        raise NotFound("the upload does not exist, or is over", reason="ATTACHMENT_UPLOAD_NOT_FOUND")
    return found


async def parts_of(
    reader: Reader, file_id: UUID, first: int, end: int, *, preview_pixels: int = WHOLE, most: int | None = None
) -> Sequence[Part]:
    """The parts of a file, or of a preview, that have the bytes from `first` to before `end`, in their order.

    The first `most` of them, all where that is None.
    """
    binds = {"file_id": file_id, "preview_pixels": preview_pixels, "first": first, "end": end, "most": most}
    return [part_from(row) for row in await reader.all(parts_within(), **binds)]


async def part_at(reader: Reader, file_id: UUID, first_byte: int) -> Part | None:
    """The part of a file that begins there."""
    found = await parts_of(reader, file_id, first_byte, first_byte + 1)
    return found[0] if found and found[0].first_byte == first_byte else None


async def size_of_preview(reader: Reader, file_id: UUID, preview_pixels: int) -> int | None:
    """How many bytes a preview has; None where it was not made yet."""
    found = await parts_of(reader, file_id, 0, 1, preview_pixels=preview_pixels)
    return found[0].size_bytes if found else None


def part_from(row: Record) -> Part:
    return Part(row["key"], row["first_byte"], row["size_bytes"], row["digest"])


@statement
def upload_by_id() -> Select[Any]:
    columns = [column for column in uploads.c if column.name != "tenant_id"]
    return select(*columns).where(uploads.c.tenant_id == bindparam("tenant_id"), uploads.c.id == bindparam("id"))


@statement
def parts_within() -> Select[Any]:
    return (
        select(parts.c.key, parts.c.first_byte, parts.c.size_bytes, parts.c.digest)
        .where(
            parts.c.tenant_id == bindparam("tenant_id"),
            parts.c.file_id == bindparam("file_id", type_=Uuid),
            parts.c.preview_pixels == bindparam("preview_pixels", type_=Integer),
            parts.c.discard_time.is_(None),
            parts.c.first_byte < bindparam("end", type_=Integer),
            parts.c.first_byte + parts.c.size_bytes > bindparam("first", type_=Integer),
        )
        .order_by(parts.c.first_byte)
        .limit(bindparam("most", type_=Integer))
    )
