"""What is kept of a batch beside its accounts: the counters, and the bad rows with what is wrong with them."""

from collections.abc import Sequence
from typing import Any

from crm_kit.database.connections import row_of
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from sqlalchemy import DateTime, Table, Uuid, bindparam, column, func, insert, select
from sqlalchemy.dialects.postgresql import JSONB

from crm_customer.imports.batch import Done, Outcome, Result
from crm_customer.imports.commands import advance_import
from crm_customer.imports.files import Fault, FileRow
from crm_customer.imports.model import MAX_ERRORS, MAX_REPORT_BYTES, Import, Progress
from crm_customer.imports.tables import import_errors, import_rows

BadRow = tuple[FileRow, tuple[Fault, ...]]


def advance(work: UnitOfWork, before: Import, rows: Sequence[FileRow], results: Sequence[Result]) -> Import:
    """Gather the import's progress; it must still be what it was."""
    told = [(row, faults_of(result)) for row, result in zip(rows, results, strict=True)]
    kept = kept_of([each for each in told if each[1]], before)
    failed = {row.number for row, result in zip(rows, results, strict=True) if not isinstance(result, Done)}
    done = [result for result in results if isinstance(result, Done)]
    outcomes = [each.outcome for each in done]
    kept_rows = [row for row, _ in kept if row.number in failed]
    after = before.advance(
        Progress(
            created_count=outcomes.count(Outcome.CREATED),
            updated_count=outcomes.count(Outcome.UPDATED),
            skipped_count=outcomes.count(Outcome.SKIPPED),
            failed_count=len(failed),
            partial_count=sum(bool(each.left_out) for each in done),
            reported_count=len(kept_rows),
            disagreeing_count=sum(each.disagrees for each in done),
            error_count=sum(len(faults) for _, faults in kept),
            error_bytes=sum(row.size for row, _ in kept),
        )
    )
    if kept:
        keep(work, before, kept, kept_rows)
    return advance_import(work, before, after)


def faults_of(result: Result) -> tuple[Fault, ...]:
    """What is wrong with a row, whether it came in without it or not at all."""
    return result.left_out if isinstance(result, Done) else result


def kept_of(bad: Sequence[BadRow], job: Import) -> list[BadRow]:
    """Those bad rows, from the first, for which there is room."""
    kept: list[BadRow] = []
    errors, size = job.error_count, job.error_bytes
    for row, faults in bad:
        errors, size = errors + len(faults), size + row.size
        if errors > MAX_ERRORS or size > MAX_REPORT_BYTES:
            break
        kept.append((row, faults))
    return kept


def keep(work: UnitOfWork, job: Import, kept: Sequence[BadRow], failed: Sequence[FileRow]) -> None:
    """Gather the failed rows, and the errors of all, numbered on from those there are."""
    if failed:
        rows = [{"row_number": row.number, "cells": row.cells} for row in failed]
        work.execute(put(import_rows), import_id=job.id, create_time=work.now, rows=rows)
    faults = [(row.number, fault) for row, faults in kept for fault in faults]
    errors = [
        {"row_number": number, "id": id} | row_of(fault) for id, (number, fault) in enumerate(faults, job.error_count)
    ]
    work.execute(put(import_errors), import_id=job.id, create_time=work.now, rows=errors)


@statement
def put(table: Table) -> Any:
    """Rows of an import, given as JSON: one statement for any number of them."""
    same: dict[str, Any] = {"tenant_id": Uuid, "import_id": Uuid, "create_time": DateTime(timezone=True)}
    names = [each.name for each in table.c if each.name not in same]
    columns = [column(name, table.c[name].type) for name in names]
    given = func.jsonb_to_recordset(bindparam("rows", type_=JSONB)).table_valued(*columns)
    row = given.render_derived(with_types=True).c
    values: list[Any] = [bindparam(name, type_=type) for name, type in same.items()]
    return insert(table).from_select([*same, *names], select(*values, *(row[name] for name in names)))
