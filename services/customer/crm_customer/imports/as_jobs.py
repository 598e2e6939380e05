"""Imports as jobs among others: how they are shown in the list of jobs, and reached from there."""

from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.filtering.schema import FilterField, FilterSchema, enum_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope
from crm_kit.jobs.elsewhere import show_job
from crm_kit.jobs.model import Job, Kind, Outcome, State
from crm_kit.listing import Listing, Page
from crm_kit.paging import OrderColumn, PageTokens
from sqlalchemy import Select, bindparam, case, select

from crm_customer.imports.hidden_columns import require_cells_shown
from crm_customer.imports.model import Import
from crm_customer.imports.resource import IMPORTS
from crm_customer.imports.tables import import_errors
from crm_customer.records.accounts.resource import ACCOUNTS

VERB = "import"
READ, WRITE = "imports.read", "imports.write"


def show_import(work: UnitOfWork, before: Import | None, after: Import) -> Import:
    """Gather how an import stands for the list of jobs, with the import itself; of a new one there is no `before`."""
    show_job(work, None if before is None else job_of(before), job_of(after))
    return after


def job_of(job: Import) -> Job:
    """An import in the shape of all jobs: its rows are the records, and those skipped were so already."""
    return Job(
        id=job.id,
        collection=ACCOUNTS.collection,
        kind=Kind.IMPORT,
        verb=VERB,
        request={"mode": str(job.mode), "dry_run": job.dry_run},
        filter="",
        state=State(job.state),
        total_count=job.rows_total or 0,
        changed_count=job.created_count + job.updated_count,
        unchanged_count=job.skipped_count,
        failed_count=job.failed_count,
        skipped_count=(job.rows_total or 0) - job.rows_read if job.finish_time else 0,
        owner_id=job.owner_id,
        failure_reason=job.failure_reason,
        failure=job.failure,
        start_time=job.start_time,
        finish_time=job.finish_time,
        create_time=job.create_time,
        update_time=job.update_time,
        version=job.version,
    )


def _results(_scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    errors = import_errors.c
    position = errors.row_number.label("position")
    return select(errors.id, position, errors.column, errors.reason, errors.detail, errors.row_imported).where(
        errors.tenant_id == bindparam("tenant_id"), errors.import_id == bindparam("import_id")
    )


# Needs the bind parameter `import_id`. Of rows that came in without a cell, and of those that did not come in.
RESULTS = Listing(
    name="import_results",
    rows=_results,
    fields=FilterSchema(
        {
            "outcome": enum_field(
                case((import_errors.c.row_imported, Outcome.CHANGED), else_=Outcome.FAILED),
                list(Outcome),
                prefix="OUTCOME_",
            ),
            "reason": FilterField(FieldType.TEXT, import_errors.c.reason),
        }
    ),
    orders={"id": OrderColumn(import_errors.c.id), "position": OrderColumn(import_errors.c.row_number)},
    default_order="position",
)


async def results_of(reader: Reader, id: UUID, request: Any, tokens: PageTokens) -> Page[Record]:
    """A page of what is wrong with its rows. PermissionDenied, NotFound as of the errors of the import itself."""
    job = await IMPORTS.get(reader, id, scope=reader.actor.access.scope(READ))
    require_cells_shown(reader.actor.access, job)
    return await RESULTS.page(reader, request, tokens, import_id=job.id)
