"""What is looked up of exports."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, select

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound, denied, wrong_state
from crm_kit.exports.model import Export
from crm_kit.jobs.model import Job, Kind, State
from crm_kit.jobs.queries import get_job
from crm_kit.jobs.resource import JOBS
from crm_kit.plumbing import exports


async def find_export(reader: Reader, job_id: UUID) -> Export | None:
    """What an export has besides its job, as long as it is kept."""
    row = await reader.one(export_of_job(), job_id=job_id)
    return None if row is None else Export(**dict(row))


async def get_finished(reader: Reader, collection: str, id: UUID) -> tuple[Job, Export]:
    """An export of the reader's own that has succeeded.

    NotFound where there is none, or its file is kept no longer; PermissionDenied for another's.
    """
    job = await get_job(reader, collection, id)
    if job.kind is not Kind.EXPORT:
        raise NotFound("the job is no export", reason=JOBS.not_found)
    if job.owner_id != reader.actor.user_id:
        raise denied("not_exporter", "only who began an export reads its file")
    if job.state is not State.SUCCEEDED:
        raise wrong_state("job", job.state, "read", legal=[State.SUCCEEDED])
    found = await find_export(reader, id)
    if found is None or reader.now >= found.expire_time:
        raise gone()
    return job, found


def gone() -> NotFound:
    """There is no file of it any more."""
    return NotFound("the file of the export is kept no longer", reason="EXPORT_NOT_FOUND")


@statement
def export_of_job() -> Select[Any]:
    columns = [column for column in exports.c if column.name != "tenant_id"]
    return select(*columns).where(
        exports.c.tenant_id == bindparam("tenant_id"), exports.c.job_id == bindparam("job_id")
    )
