"""Files that go with the records that they are attached to."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Table,
    Uuid,
    any_,
    bindparam,
    case,
    delete,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from crm_kit.attachments.model import State
from crm_kit.attachments.queries import parts, uploads
from crm_kit.attachments.resource import ATTACHMENTS
from crm_kit.attachments.room import give_back_room
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.plumbing import changes

attachments = ATTACHMENTS.table


async def purge_attachments(work: UnitOfWork, collection: str, record_ids: Sequence[UUID]) -> None:
    """Remove all files of records that are removed themselves: bytes, names, uploads under way and history.

    For whoever removes records; it becomes true with their unit.
    """
    binds = {"collection": collection, "record_ids": list(record_ids)}
    found = await work.all(files_of_records(), **binds)
    if not found:
        return
    ids = [row["id"] for row in found]
    work.execute(discard_all(), ids=ids, now=work.now)
    work.execute(forget(uploads), ids=ids)
    work.execute(forget(attachments), ids=ids)
    work.execute(forget_history(), noun=ATTACHMENTS.noun, ids=ids)
    give_back_room(work, sum(row["held_bytes"] for row in found))


@statement
def files_of_records() -> CompoundSelect[Any]:
    """What is attached to records, and on its way to them, with the room that each takes."""
    of_deleted = case((attachments.c.state == State.DELETED, 0), else_=attachments.c.size_bytes)
    return union_all(
        select(attachments.c.id, of_deleted.cast(BigInteger).label("held_bytes")).where(_of_records(attachments)),
        select(uploads.c.id, uploads.c.size_bytes.cast(BigInteger)).where(_of_records(uploads), ~uploads.c.complete),
    )


@statement
def discard_all() -> Any:
    mine = parts.c.tenant_id == bindparam("tenant_id")
    wanted = update(parts).where(mine, parts.c.file_id == _ids(), parts.c.discard_time.is_(None))
    return wanted.values(discard_time=bindparam("now"))


@statement
def forget(table: Table) -> Any:
    return delete(table).where(table.c.tenant_id == bindparam("tenant_id"), table.c.id == _ids())


@statement
def forget_history() -> Any:
    return delete(changes).where(
        changes.c.tenant_id == bindparam("tenant_id"),
        changes.c.resource_type == bindparam("noun"),
        changes.c.resource_id == _ids(),
    )


def _of_records(table: Table) -> ColumnElement[bool]:
    return (
        (table.c.tenant_id == bindparam("tenant_id"))
        & (table.c.collection == bindparam("collection"))
        & (table.c.record_id == any_(bindparam("record_ids", type_=ARRAY(Uuid))))
    )


def _ids() -> Any:
    return any_(bindparam("ids", type_=ARRAY(Uuid)))
