"""Every write on exports, but that of bytes to the store. Each function is one transaction's work."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from crm.resource.v1 import events_pb2 as events
from sqlalchemy import BigInteger, DateTime, Text, bindparam, delete, update

from crm_kit.attachments.contents import discard, keep
from crm_kit.attachments.queries import Part
from crm_kit.attachments.room import give_back_room, take_room
from crm_kit.custom_fields.definitions import definitions_of
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, counting
from crm_kit.errors import CrmError, FailedPrecondition
from crm_kit.exports.columns import check_columns
from crm_kit.exports.model import MAX_BYTES, VERB, Asked, Export
from crm_kit.exports.queries import find_export, get_finished, gone
from crm_kit.identity.membership import READING
from crm_kit.ids import new_id
from crm_kit.jobs.calling import Changeable
from crm_kit.jobs.commands import end_job
from crm_kit.jobs.model import FILE_LASTS, MAX_RECORDS, Job, Kind, Outcome, check_count, check_room
from crm_kit.jobs.queries import count_under_way
from crm_kit.jobs.resource import JOBS
from crm_kit.plumbing import exports, job_turns
from crm_kit.resource.writing import Resource
from crm_kit.zones import check_zone


async def begin_export(work: UnitOfWork, resource: Resource[Any, Any], asked: Asked) -> Job:
    """Have an export begin.

    InvalidArgument: a filter, an order, a column or a zone that is none. FailedPrecondition: the filter takes too many
    records, or the tenant has too many jobs under way.
    """
    if asked.time_zone:
        check_zone(asked.time_zone, field="time_zone")
    custom = (await definitions_of(work, resource.collection, fresh=True)).fields if resource.has_custom else {}
    shown = [key for key, field in custom.items() if field.is_active]
    check_columns(resource.message_type.DESCRIPTOR, asked.fields, shown)
    tree, _ = await resource.labels.read(work, asked.filter, asked.order_by)
    # Counted before anything is written, and while no connection is held that others might need.
    await work.release()
    with counting(work, READING):
        count = await resource.labels.count_to(work, tree, MAX_RECORDS + 1)
    check_count(count)
    await advisory_lock(work, "jobs")
    check_room(await count_under_way(work))
    job = Job(
        id=new_id(),
        collection=resource.collection,
        kind=Kind.EXPORT,
        verb=VERB,
        request=asked.request,
        filter=asked.filter,
        total_count=count,
        owner_id=work.actor.user_id,
        create_time=work.now,
        update_time=work.now,
    )
    row = {"job_id": job.id, "page_token": "", "size_bytes": 0, "expire_time": work.now + FILE_LASTS}
    work.insert(exports, row)
    work.insert(job_turns, {"job_id": job.id})
    return JOBS.create(work, job)


def keep_records(
    work: UnitOfWork,
    on: Changeable,
    before: Job,
    export: Export,
    parts: Sequence[Part],
    *,
    count: int,
    page_token: str,
    most: int,
) -> Job:
    """The next records are in the store, and the page that comes next has this token; without one that was all.

    FailedPrecondition: there have come to be too many of them. ResourceExhausted: their files take more than `most`
    bytes of the tenant.
    """
    size = sum(part.size_bytes for part in parts)
    check_size(export.size_bytes + size)
    after = before.advance([Outcome.UNCHANGED] * count)
    check_count(after.done_count)
    if size:
        take_room(work, size, most=most)
    for part in parts:
        keep(work, part)
    work.execute(
        put_progress(),
        job_id=before.id,
        page_token=page_token,
        size_bytes=export.size_bytes + size,
        expire_time=work.now + FILE_LASTS,
    )
    # What has come to the list, or has left it, since it was counted.
    after = replace(after, total_count=max(after.total_count, after.done_count) if page_token else after.done_count)
    if page_token:
        return JOBS.save(work, before, after, events.JobAdvanced)
    return end_job(work, on, before, after.succeed(work.now))


async def fail_export(work: UnitOfWork, on: Changeable, before: Job, error: CrmError) -> Job:
    """It cannot go on; what there was of its file goes."""
    await drop(work, before.id)
    return end_job(work, on, before, before.fail(error, work.now))


async def cancel_export(work: UnitOfWork, on: Changeable, before: Job) -> Job:
    """Somebody stops their own; what there was of its file goes. PermissionDenied for another's."""
    before.check_may_cancel(work.actor.user_id, answers_for_all=False)
    after = before.cancel(work.now)
    await drop(work, before.id)
    return end_job(work, on, before, after)


async def delete_file(work: UnitOfWork, collection: str, id: UUID) -> None:
    """The file of an export of one's own goes before its week is over, and its room is free.

    NotFound where there is none, or no more; FailedPrecondition before it has succeeded; PermissionDenied for that of
    somebody else.
    """
    before, _ = await get_finished(work, collection, id)
    # Who sweeps, or deletes it as well, may have been first: its room is given back once.
    await work.flush()
    row = await work.one(forget_export(), job_id=id)
    if row is None:
        raise gone()
    discard(work, id)
    give_back_room(work, row["size_bytes"])
    JOBS.save(work, before, before.without_file(work.now), events.JobFileDeleted)


async def drop(work: UnitOfWork, job_id: UUID) -> None:
    """Gather that the file of an export goes, with its room."""
    export = await find_export(work, job_id)
    if export is not None:
        discard(work, job_id)
        give_back_room(work, export.size_bytes)
        work.delete(exports, job_id=job_id)


def check_size(size_bytes: int) -> None:
    """FailedPrecondition for more bytes than one export may have."""
    if size_bytes > MAX_BYTES:
        detail = f"the records have more than {MAX_BYTES} bytes, which is the most that one export may have"
        raise FailedPrecondition(detail, metadata={"rule": "export_too_large", "max_bytes": str(MAX_BYTES)})


@statement
def forget_export() -> Any:
    return (
        delete(exports)
        .where(exports.c.tenant_id == bindparam("tenant_id"), exports.c.job_id == bindparam("job_id"))
        .returning(exports.c.size_bytes)
    )


@statement
def put_progress() -> Any:
    return (
        update(exports)
        .where(exports.c.tenant_id == bindparam("tenant_id"), exports.c.job_id == bindparam("job_id"))
        .values(
            page_token=bindparam("page_token", type_=Text),
            size_bytes=bindparam("size_bytes", type_=BigInteger),
            expire_time=bindparam("expire_time", type_=DateTime(timezone=True)),
        )
    )
