"""What users write: uploads, and imports to be carried out. Each function is one transaction's work."""

from typing import Any
from uuid import UUID

from crm_kit.database.connections import row_of
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import owner_team
from crm_kit.events.outbox import emit
from crm_kit.ids import new_id

from crm_customer.imports.model import Import, Mode, Upload
from crm_customer.imports.queries import get_import, get_part, get_upload
from crm_customer.imports.tables import import_jobs, imports, upload_parts, uploads
from crm_customer.imports.wire import import_finished

DEFAULT_SOURCE = "spreadsheet"


async def create_upload(work: UnitOfWork, *, file_name: str, content_type: str, total_bytes: int) -> Upload:
    """Start an upload."""
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
    work.insert(upload_parts, {"upload_id": id, "first_byte": offset, "content": content})
    return after


async def create_import(work: UnitOfWork, upload_id: UUID, *, mode: Mode, values: dict[str, Any]) -> Import:
    """Have an upload imported. PermissionDenied unless the caller may write accounts."""
    work.actor.access.scope("accounts.write")
    upload = await get_upload(work, upload_id)
    sealed = upload.seal(now=work.now)
    if values.get("account_owner_id"):
        await owner_team(work, values["account_owner_id"], field="job.account_owner_id")
    job = Import(
        id=new_id(),
        upload_id=upload.id,
        file_name=upload.file_name,
        mode=mode,
        owner_id=work.actor.user_id,
        owner_team_id=work.actor.access.team_id,
        create_time=work.now,
        update_time=work.now,
        **values | {"external_source": values.get("external_source") or DEFAULT_SOURCE},
    )
    if sealed is not upload:
        work.save(uploads, row_of(sealed), version=upload.version)
    work.insert(imports, row_of(job))
    work.insert(import_jobs, {"import_id": job.id})
    return job


async def cancel_import(work: UnitOfWork, id: UUID) -> Import:
    """Stop an import; its worker notices at its next step."""
    before = await get_import(work, id)
    after = before.cancel(work.now)
    finish(work, before, after)
    return after


def save(work: UnitOfWork, before: Import, after: Import) -> None:
    """Gather the changed row; it must still be what was read."""
    work.save(imports, row_of(after), version=before.version)


def finish(work: UnitOfWork, before: Import, after: Import) -> None:
    """Gather the end of an import: the row, the job that is no more, and the event."""
    save(work, before, after)
    work.delete(import_jobs, import_id=after.id)
    emit(work, import_finished(after), aggregate_type="import", id=after.id, version=after.version)
