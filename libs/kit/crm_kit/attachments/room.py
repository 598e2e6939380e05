"""How many bytes the files of a tenant take: those of attachments, and what uploads under way may come to."""

from typing import Any

from sqlalchemy import BigInteger, Select, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from crm_kit.attachments.queries import room
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import CrmError, ResourceExhausted


def take_room(work: UnitOfWork, size_bytes: int, *, most: int) -> None:
    """Gather that so many bytes more are taken. ResourceExhausted when the tenant then has more than it may."""

    def full() -> CrmError:
        return ResourceExhausted(
            f"the tenant's files take too much of their {most} bytes for another {size_bytes}; delete some",
            metadata={"rule": "attachments", "max_bytes": str(most), "needed_bytes": str(size_bytes)},
        )

    if size_bytes > most:
        raise full()
    work.execute(more_room(), unmet=full, size_bytes=size_bytes, most=most)


async def try_room(work: UnitOfWork, size_bytes: int, *, most: int) -> bool:
    """Take so many bytes more at once, as this unit sees them; False, and nothing taken, where there is no room."""
    if size_bytes > most:
        return False
    # What is written is part of the unit: it is undone with it.
    await work.flush()
    return await work.one(more_room(), size_bytes=size_bytes, most=most) is not None


async def room_left(reader: Reader, *, most: int) -> int:
    """How many bytes more could be taken at this moment; `try_room` says whether they can."""
    row = await reader.one(used_room())
    return most - (row["used_bytes"] if row else 0)


def give_back_room(work: UnitOfWork, size_bytes: int) -> None:
    """Gather that so many bytes fewer are taken."""
    work.execute(less_room(), size_bytes=size_bytes)


@statement
def used_room() -> Select[Any]:
    return select(room.c.used_bytes).where(room.c.tenant_id == bindparam("tenant_id"))


@statement
def more_room() -> Any:
    size = bindparam("size_bytes", type_=BigInteger)
    fresh = insert(room).values(tenant_id=bindparam("tenant_id"), used_bytes=size)
    used = room.c.used_bytes + fresh.excluded.used_bytes
    return fresh.on_conflict_do_update(
        index_elements=["tenant_id"], set_={"used_bytes": used}, where=used <= bindparam("most", type_=BigInteger)
    ).returning(room.c.used_bytes)


@statement
def less_room() -> Any:
    return (
        update(room)
        .where(room.c.tenant_id == bindparam("tenant_id"))
        .values(used_bytes=room.c.used_bytes - bindparam("size_bytes", type_=BigInteger))
    )
