"""Files that go with what they were attached to when that comes to be part of another record."""

from dataclasses import replace
from typing import Any

from crm.resource.v1 import events_pb2 as events
from sqlalchemy import Select, bindparam, select

from crm_kit.attachments.model import State
from crm_kit.attachments.place import Record, hold_files
from crm_kit.attachments.resource import ATTACHMENTS, OF_RECORD_ROWS
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork


async def move_attachments(work: UnitOfWork, from_record: Record, to_record: Record) -> None:
    """Gather that all files of one record are another's from now on. What was deleted stays to be seen where it was.

    Whoever moves them has seen to it that both may be changed, and what is moved says so by `files_at` of its resource
    from now on: uploads that are under way become files of the other one. Conflict where one is deleted at the same
    time.
    """
    await hold_files(work, from_record)
    collection, record_id = from_record
    rows = await work.all(files_of(), collection=collection, record_id=record_id)
    found = await ATTACHMENTS.get_many(work, [row["id"] for row in rows])
    for before in found.values():
        after = replace(before, collection=to_record[0], record_id=to_record[1])
        ATTACHMENTS.save(work, before, after, events.AttachmentMoved)


@statement
def files_of() -> Select[Any]:
    attachments = ATTACHMENTS.table.c
    return select(attachments.id).where(
        attachments.tenant_id == bindparam("tenant_id"), OF_RECORD_ROWS, attachments.state == State.AVAILABLE
    )
