"""Every write on uploads and imports but that of their rows. Each function is one transaction's work."""

from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm_kit.database.connections import row_of
from crm_kit.database.locks import advisory_lock
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import owner_team
from crm_kit.errors import CrmError
from crm_kit.ids import new_id
from google.protobuf.message import Message

from crm_customer.imports.jobs import forget_tries
from crm_customer.imports.model import DEFAULT_REGION, DEFAULT_SOURCE, Import, Upload, check_room
from crm_customer.imports.queries import get_part, get_upload, held_bytes
from crm_customer.imports.resource import IMPORTS
from crm_customer.imports.tables import import_jobs, upload_parts, uploads
from crm_customer.records.accounts.resource import ACCOUNTS


async def create_upload(work: UnitOfWork, *, file_name: str, content_type: str, total_bytes: int) -> Upload:
    """Start an upload. ResourceExhausted while the tenant has as many bytes here as it may."""
    # What each may come to is reserved here, so that no part of it has to ask for room again.
    await advisory_lock(work, "uploads")
    check_room(await held_bytes(work), total_bytes)
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
    work.insert(uploads, row_of(upload))
    return upload


async def append_upload(work: UnitOfWork, id: UUID, offset: int, content: bytes) -> Upload:
    """Add bytes at the end; a part that is here already has no further effect."""
    before = await get_upload(work, id)
    if offset < before.received_bytes and await get_part(work, id, offset) == content:
        return before
    after = before.append(offset, len(content), now=work.now)
    work.save(uploads, row_of(after), version=before.version)
    # The bytes go when the upload is over, whenever they came: from then on they are not counted.
    part = {"upload_id": id, "first_byte": offset, "content": content, "create_time": before.create_time}
    work.insert(upload_parts, part)
    return after


async def create_import(work: UnitOfWork, values: dict[str, Any]) -> Import:
    """Have an upload imported. PermissionDenied unless the caller may write accounts."""
    scope = work.actor.access.scope("accounts.write")
    upload = await get_upload(work, values["upload_id"])
    sealed = upload.seal(now=work.now)
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
            "default_region": values.get("default_region") or DEFAULT_REGION,
        },
    ).checked()
    if sealed is not upload:
        work.save(uploads, row_of(sealed), version=upload.version)
    IMPORTS.create(work, job)
    work.insert(import_jobs, {"import_id": job.id})
    return job


def start_import(work: UnitOfWork, before: Import) -> Import:
    """A worker has begun with it."""
    return IMPORTS.save(work, before, before.start(work.now), events.ImportStarted)


def advance_import(work: UnitOfWork, before: Import, after: Import) -> Import:
    """Its file was opened, or more of its rows are done."""
    if after.rows_read > before.rows_read:
        work.execute(forget_tries(), import_id=after.id)
    return IMPORTS.save(work, before, after, events.ImportAdvanced)


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
    return IMPORTS.save(work, before, after, event)
