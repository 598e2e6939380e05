"""Files that come before it is known whose they are, as those of a mail, a megabyte in memory at a time.

Their bytes are in the store before the unit that makes attachments of them, and go again after an hour where none does.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_kit.attachments import kinds
from crm_kit.attachments.contents import Contents, keep
from crm_kit.attachments.model import Attachment, check_size, checked_name, refused
from crm_kit.attachments.queries import Part
from crm_kit.attachments.resource import ATTACHMENTS
from crm_kit.attachments.room import try_room
from crm_kit.database.work import UnitOfWork
from crm_kit.identity.access import Actor
from crm_kit.ids import new_id

PART_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Staged:
    """A file that is in the store whole, and what it was found to be."""

    id: UUID
    name: str
    size_bytes: int
    content_type: str
    sha256: str
    parts: tuple[Part, ...]


class Staging:
    """A file on its way into the store. `write` its bytes in their order, then `end` it.

    InvalidArgument, ATTACHMENT_REFUSED with a `rule`, from whichever call finds that it is not to be taken;
    FailedPrecondition where the installation keeps no files.
    """

    def __init__(self, contents: Contents, actor: Actor, now: datetime, name: str, *, max_bytes: int) -> None:
        self._contents, self._actor, self._now = contents, actor, now
        self._name, self._max_bytes = checked_name(name), max_bytes
        kinds.check_name(self._name)
        self._id = new_id()
        self._size = 0
        self._digest = hashlib.sha256()
        self._head = b""
        self._waiting = bytearray()
        self._parts: list[Part] = []

    async def write(self, content: bytes) -> None:
        """Take the next bytes."""
        check_size(self._size + len(content), self._max_bytes)
        self._size += len(content)
        self._digest.update(content)
        self._waiting += content
        while len(self._waiting) >= PART_BYTES:
            part = bytes(self._waiting[:PART_BYTES])
            del self._waiting[:PART_BYTES]
            await self._store(part)

    async def end(self) -> Staged:
        """The file, once it is whole."""
        if not self._size:
            raise refused("empty", "the file is empty")
        if self._waiting:
            await self._store(bytes(self._waiting))
        content_type = kinds.type_of(self._name, self._head)
        return Staged(self._id, self._name, self._size, content_type, self._digest.hexdigest(), tuple(self._parts))

    async def _store(self, content: bytes) -> None:
        if not self._parts:
            self._head = content[: kinds.HEAD_BYTES]
            kinds.check_content(self._name, self._head)
        first_byte = sum(each.size_bytes for each in self._parts)
        self._parts.append(await self._contents.store(self._actor, self._now, self._id, first_byte, content))


async def attach(
    work: UnitOfWork, staged: Staged, *, collection: str, record_id: UUID, max_tenant_bytes: int
) -> Attachment | None:
    """Gather that a file is attached to a record; None where the tenant has no room for it.

    Conflict, when the unit commits, where its bytes came too long ago.
    """
    if not await try_room(work, staged.size_bytes, most=max_tenant_bytes):
        return None
    for part in staged.parts:
        keep(work, part)
    attachment = Attachment(
        id=staged.id,
        collection=collection,
        record_id=record_id,
        name=staged.name,
        description="",
        size_bytes=staged.size_bytes,
        content_type=staged.content_type,
        sha256=staged.sha256,
        has_preview=staged.content_type in kinds.PREVIEWED,
        creator_id=work.actor.user_id,
        create_time=work.now,
        update_time=work.now,
    )
    return ATTACHMENTS.create(work, attachment)
