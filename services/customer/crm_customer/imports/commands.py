"""Every write on uploads and imports but that of their rows. Each function is one transaction's work."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm_kit.database.connections import row_of
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import owner_team
from crm_kit.errors import CrmError, illegal_state
from crm_kit.etags import check_etag
from crm_kit.ids import new_id
from crm_kit.notice_texts import OUTCOME
from crm_kit.notices import Kind, raise_notice
from google.protobuf.message import Message
from sqlalchemy import bindparam, update

from crm_customer.imports.as_jobs import WRITE, show_import
from crm_customer.imports.jobs import forget_tries
from crm_customer.imports.model import DEFAULT_SOURCE, STANDS_STILL, Import, Upload, check_room
from crm_customer.imports.queries import get_part, get_stored_upload, get_upload, imports_under_way, room_taken
from crm_customer.imports.resource import IMPORTS
from crm_customer.imports.tables import UPLOAD_LASTS, import_jobs, upload_parts, uploads
from crm_customer.records.accounts.model import Account
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.record_sources.commands import save as save_sources
from crm_customer.records.source_values.model import SourceValue, observed

# FailedPrecondition while somebody needs an upload by its id.
CheckFree = Callable[[UnitOfWork, UUID], Awaitable[None]]


async def create_upload(work: UnitOfWork, *, file_name: str, content_type: str, total_bytes: int) -> Upload:
    """Start an upload. ResourceExhausted while the tenant, or the user, has as many bytes here as it may."""
    upload = Upload(
        id=new_id(),
        file_name=file_name,
        content_type=content_type,
        total_bytes=total_bytes,
        owner_id=work.actor.user_id,
        owner_team_id=work.actor.access.team_id,
        create_time=work.now,
        update_time=work.now,
    )
    # What it may come to is held from here on, so that no part of it has to ask for room as long as they keep coming.
    held = replace(upload, held_bytes=upload.expected_bytes)
    await take_room(work, held.counted_bytes, user_id=held.owner_id)
    work.insert(uploads, row_of(held))
    return held


def drafted_upload(work: UnitOfWork, *, file_name: str, content_type: str, size: int) -> Upload:
    """A file that is all here, not yet written."""
    return Upload(
        id=new_id(),
        file_name=file_name,
        content_type=content_type,
        total_bytes=size,
        received_bytes=size,
        held_bytes=size,
        sealed=True,
        owner_id=work.actor.user_id,
        owner_team_id=work.actor.access.team_id,
        create_time=work.now,
        update_time=work.now,
    )


async def put_upload(work: UnitOfWork, upload: Upload, content: bytes) -> None:
    """Gather a file that is all here. ResourceExhausted while there is no room for it."""
    await take_room(work, upload.counted_bytes, user_id=upload.owner_id)
    work.insert(uploads, row_of(upload))
    part = {"upload_id": upload.id, "first_byte": 0, "content": content, "create_time": upload.create_time}
    work.insert(upload_parts, part)


async def take_room(work: UnitOfWork, more: int, *, user_id: UUID) -> None:
    """Raise ResourceExhausted unless there is room for so many more bytes of a user; nobody else takes it meanwhile."""
    await advisory_lock(work, "uploads")
    since = work.now - UPLOAD_LASTS
    work.execute(give_back_room(), before=work.now - STANDS_STILL)
    await work.flush()
    taken = await work.one(room_taken(), since=since, user_id=user_id)
    assert taken is not None
    check_room(more, of_tenant=taken["of_tenant"], of_user=taken["of_user"])


@statement
def give_back_room() -> Any:
    """Needs `before`, when the last part came of uploads that stand still.

    They have another version from then on: a part that comes at the same time either came before, or asks for room.
    """
    return (
        update(uploads)
        .where(
            uploads.c.tenant_id == bindparam("tenant_id"),
            uploads.c.update_time < bindparam("before"),
            uploads.c.held_bytes > uploads.c.received_bytes,
        )
        .values(held_bytes=uploads.c.received_bytes, version=uploads.c.version + 1)
    )


async def append_upload(work: UnitOfWork, id: UUID, offset: int, content: bytes, *, last: bool) -> Upload:
    """Add bytes at the end, the `last` ones or not; a part that is here already is not added again."""
    before = await get_upload(work, id)
    is_here = offset < before.received_bytes and await get_part(work, id, offset) == content
    if offset < before.received_bytes and not is_here:
        # Perhaps the upload was deleted after it was read, and the part with it: then it is not found.
        before = await get_upload(work, id)
    after = before if is_here else before.append(offset, len(content))
    if last:
        after = after.end(offset + len(content))
    if after == before:
        return before
    if after.held_bytes > before.held_bytes:
        await take_room(work, after.counted_bytes - before.counted_bytes, user_id=before.owner_id)
    if not is_here:
        # They are cleared away by the age of the upload, all at once. Until then they are counted.
        part = {"upload_id": id, "first_byte": offset, "content": content, "create_time": before.create_time}
        work.insert(upload_parts, part)
    return save_upload(work, before, after)


def save_upload(work: UnitOfWork, before: Upload, after: Upload) -> Upload:
    """Gather an upload as it is now; it must still be what it was."""
    saved = replace(after, version=before.version + 1, update_time=max(work.now, before.update_time))
    work.save(uploads, row_of(saved), version=before.version)
    return saved


async def delete_upload(work: UnitOfWork, id: UUID, *, etag: str, check_free: CheckFree) -> None:
    """Delete an upload and its bytes, also those of one that is over.

    FailedPrecondition while an import needs it, or somebody else for whom `check_free` speaks.
    """
    await work.flush()
    upload = await get_stored_upload(work, id, locked=True)
    check_etag(etag, upload.version)
    needed = await work.one(imports_under_way(), upload_id=id)
    if needed:
        detail = f"the import {needed['id']} needs the upload; cancel it, or wait until it has ended"
        raise illegal_state("upload_needed", detail, import_id=needed["id"])
    await check_free(work, id)
    await drop_upload(work, id)


async def drop_upload(work: UnitOfWork, id: UUID) -> None:
    """Gather that an upload that nobody needs, and its bytes, are no more."""
    work.delete(upload_parts, upload_id=id)
    await work.flush()
    work.delete(uploads, id=id)


async def drop_unneeded(work: UnitOfWork, id: UUID) -> None:
    """The same, unless an import that has not ended needs it."""
    await work.flush()
    if await work.one(imports_under_way(), upload_id=id) is None:
        await drop_upload(work, id)


async def hold_upload(work: UnitOfWork, id: UUID) -> Upload:
    """The upload, which nobody else deletes, adds to or imports until the unit ends."""
    await work.flush()
    return await get_upload(work, id, locked=True)


async def create_import(work: UnitOfWork, values: dict[str, Any]) -> Import:
    """Have an upload imported. PermissionDenied unless the caller may write accounts."""
    scope = work.actor.access.scope("accounts.write")
    upload = await hold_upload(work, values["upload_id"])
    sealed = upload.seal()
    if values.get("account_owner_id"):
        owner_id, field = values["account_owner_id"], "job.account_owner_id"
        await owner_team(work, owner_id, permission=ACCOUNTS.permission, scope=scope, field=field)
    job = Import(
        id=new_id(),
        file_name=upload.file_name,
        owner_id=work.actor.user_id,
        owner_team_id=work.actor.access.team_id,
        create_time=work.now,
        update_time=work.now,
        **values
        | {
            "external_source": values.get("external_source") or DEFAULT_SOURCE,
            "default_region": values.get("default_region") or work.actor.access.default_region,
        },
    ).checked()
    if job.observed_time is not None:
        observed(job.observed_time, now=work.now, field="job.observed_time")
    if sealed != upload:
        save_upload(work, upload, sealed)
    IMPORTS.create(work, job)
    work.insert(import_jobs, {"import_id": job.id})
    return show_import(work, None, job)


def change_sources(work: UnitOfWork, before: Account, values: Sequence[SourceValue]) -> Account:
    """Gather what an account tells of all that sources say of it; nothing where it tells that already."""
    after: Account = save_sources(work, ACCOUNTS, before, values, events.AccountSourcesChanged)[0]
    return after


def start_import(work: UnitOfWork, before: Import) -> Import:
    """A worker has begun with it."""
    return save(work, before, before.start(work.now), events.ImportStarted)


def advance_import(work: UnitOfWork, before: Import, after: Import) -> Import:
    """Its file was opened, or more of its rows are done."""
    if after.rows_read > before.rows_read:
        work.execute(forget_tries(), import_id=after.id)
    return save(work, before, after, events.ImportAdvanced)


def save(work: UnitOfWork, before: Import, after: Import, event: type[Message]) -> Import:
    """Gather an import as it is now, in the list of jobs as well."""
    return show_import(work, before, IMPORTS.save(work, before, after, event))


def succeed_import(work: UnitOfWork, before: Import) -> Import:
    """All its rows are done."""
    return finish(work, before, before.succeed(work.now), events.ImportFinished)


def fail_import(work: UnitOfWork, before: Import, error: CrmError) -> Import:
    """It cannot go on."""
    return finish(work, before, before.fail(error, work.now), events.ImportFinished)


def cancel_import(work: UnitOfWork, before: Import) -> Import:
    """A user stops it; its worker notices at its next step."""
    return finish(work, before, before.cancel(work.now), events.ImportCancelled)


def finish(work: UnitOfWork, before: Import, after: Import, event: type[Message]) -> Import:
    """Gather the end of an import: the row, the event, and the job that is no more."""
    work.delete(import_jobs, import_id=after.id)
    # Nobody waits for what a feed has brought: who is responsible for it is told where something is wrong.
    if event is events.ImportFinished and after.feed_delivery_id is None:
        tell_ended(work, after)
    return save(work, before, after, event)


def tell_ended(work: UnitOfWork, job: Import) -> None:
    """Gather a notice for who began it, in whose name it was carried out."""
    kind, record = Kind.NOTICE_KIND_IMPORT_ENDED, (IMPORTS.collection, job.id)
    values = {OUTCOME: job.state}
    raise_notice(work, kind, [job.owner_id], record=record, name=job.file_name, values=values, also_actor=True)


async def cancel_import_job(work: UnitOfWork, id: UUID) -> None:
    """As `cancel_import`, for who may cancel imports, from the list of jobs."""
    with work.acting_as(work.actor, work.actor.access.scope(WRITE)):
        cancel_import(work, await IMPORTS.get(work, id))
