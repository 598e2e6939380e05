"""Bytes of files between the store and the tables that say where they are.

An object has its row before it is there, with a time to discard it at, and the row loses that time in the transaction
by which the bytes come to belong to something. So whatever dies in between, nothing is in the store that no row knows
of, and nothing is shown that is not in the store.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import bindparam, update

from crm_kit.attachments.model import PART_LASTS
from crm_kit.attachments.queries import WHOLE, Part, parts
from crm_kit.attachments.room import room_left
from crm_kit.database.connections import Database
from crm_kit.database.statements import statement
from crm_kit.database.work import ReadSession, UnitOfWork, unit_of_work
from crm_kit.errors import Conflict, Unavailable
from crm_kit.file_store.store import FileStore
from crm_kit.identity.access import Actor, Scope

# Of one file, so many parts are read from the store side by side.
_AT_ONCE = 4


class Contents:
    """The bytes of one service's files."""

    def __init__(self, service: str, database: Database, store: FileStore) -> None:
        self._service = service
        self._database = database
        self._store = store

    async def store(
        self,
        actor: Actor,
        now: datetime,
        file_id: UUID,
        first_byte: int,
        content: bytes,
        *,
        preview_pixels: int = WHOLE,
    ) -> Part:
        """Put bytes into the store. They go again after an hour, unless a unit `keep`s them."""
        # A key of its own each time: two that send the same bytes at once must not meet in the store.
        part = Part(uuid4(), first_byte, len(content), hashlib.sha256(content).digest())
        async with unit_of_work(self._database, actor, scope=Scope.ALL, now=now) as work:
            work.insert(
                parts,
                {
                    "key": part.key,
                    "file_id": file_id,
                    "preview_pixels": preview_pixels,
                    "first_byte": first_byte,
                    "size_bytes": part.size_bytes,
                    "digest": part.digest,
                    "discard_time": now + PART_LASTS,
                },
            )
            await work.commit()
        await self._store.put(self._key(actor.tenant_id, part.key), content)
        return part

    async def room_left(self, actor: Actor, now: datetime, *, most: int) -> int:
        """How many bytes more of so many the files of a tenant may take, before some are stored for nothing."""
        return await room_left(ReadSession(self._database, actor, scope=Scope.ALL, now=now), most=most)

    async def read(self, tenant_id: UUID, within: Sequence[Part], first: int, end: int) -> bytes:
        """The bytes from `first` to before `end`, of the parts that have them. Unavailable where any are missing."""

        async def of(part: Part) -> bytes:
            offset = max(first - part.first_byte, 0)
            length = min(end, part.end) - part.first_byte - offset
            found = await self._store.get(self._key(tenant_id, part.key), offset, length)
            # What comes behind a gap would stand where it does not belong.
            if len(found) != length:
                raise Unavailable("the file store has lost bytes of the file")
            return found

        return b"".join(await asyncio.gather(*map(of, within)))

    async def all_of(self, tenant_id: UUID, of_file: Sequence[Part]) -> AsyncIterator[bytes]:
        """All bytes of a file, some parts at a time."""
        for at in range(0, len(of_file), _AT_ONCE):
            some = of_file[at : at + _AT_ONCE]
            yield await self.read(tenant_id, some, some[0].first_byte, some[-1].end)

    async def delete(self, tenant_id: UUID, key: UUID) -> None:
        """Delete an object, whether it is there or not."""
        await self._store.delete(self._key(tenant_id, key))

    def _key(self, tenant_id: UUID, key: UUID) -> str:
        return f"{self._service}/{tenant_id}/{key.hex}"


def keep(work: UnitOfWork, part: Part) -> None:
    """Gather that the bytes stay. Conflict when they are on their way out."""
    conflict = Conflict("the bytes took too long to arrive; send them again")
    work.execute(keep_part(), unmet=lambda: conflict, key=part.key)


def discard(work: UnitOfWork, file_id: UUID) -> None:
    """Gather that all bytes of a file go, those of its previews too."""
    work.execute(discard_parts(), file_id=file_id, now=work.now)


@statement
def keep_part() -> Any:
    return (
        update(parts)
        .where(parts.c.tenant_id == bindparam("tenant_id"), parts.c.key == bindparam("key"))
        .values(discard_time=None)
        .returning(parts.c.key)
    )


@statement
def discard_parts() -> Any:
    return (
        update(parts)
        .where(
            parts.c.tenant_id == bindparam("tenant_id"),
            parts.c.file_id == bindparam("file_id"),
            parts.c.discard_time.is_(None),
        )
        .values(discard_time=bindparam("now"))
    )
