"""What is kept of a batch beside its accounts: the counters, and the bad rows with what is wrong with them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from crm_kit.database.statements import statement
from crm_kit.database.work import Unit
from sqlalchemy import Integer, Text, bindparam, func, insert, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_customer.imports.batch import Outcome, Result
from crm_customer.imports.commands import save
from crm_customer.imports.files import Fault, FileRow
from crm_customer.imports.model import MOST_ERRORS, MOST_REPORT_BYTES, Counts, Import
from crm_customer.imports.tables import import_errors, import_rows

BadRow = tuple[FileRow, tuple[Fault, ...]]


def advance(work: Unit, before: Import, rows: Sequence[FileRow], results: Sequence[Result]) -> Import:
    """Gather the import's progress; it must still be what it was."""
    bad = [(row, result) for row, result in zip(rows, results, strict=True) if not isinstance(result, Outcome)]
    kept = kept_of(bad, before.counts)
    after = before.advance(counted(before.counts, results, kept), work.now)
    save(work, before, after)
    if kept:
        keep(work, before, kept)
    return after


def counted(before: Counts, results: Sequence[Result], kept: Sequence[BadRow]) -> Counts:
    """The counters with these results."""
    return replace(
        before,
        created=before.created + results.count(Outcome.CREATED),
        updated=before.updated + results.count(Outcome.UPDATED),
        skipped=before.skipped + results.count(Outcome.SKIPPED),
        failed=before.failed + sum(not isinstance(result, Outcome) for result in results),
        reported=before.reported + len(kept),
        errors=before.errors + sum(len(faults) for _, faults in kept),
        error_bytes=before.error_bytes + sum(size_of(row) for row, _ in kept),
    )


def kept_of(bad: Sequence[BadRow], counts: Counts) -> list[BadRow]:
    """Those bad rows, from the first, for which there is room."""
    kept: list[BadRow] = []
    errors, size = counts.errors, counts.error_bytes
    for row, faults in bad:
        errors, size = errors + len(faults), size + size_of(row)
        if errors > MOST_ERRORS or size > MOST_REPORT_BYTES:
            break
        kept.append((row, faults))
    return kept


def size_of(row: FileRow) -> int:
    """Bytes of its text."""
    return sum(len(cell.encode()) for cell in row.cells)


def keep(work: Unit, job: Import, kept: Sequence[BadRow]) -> None:
    """Gather bad rows and their errors, numbered on from those there are."""
    work.execute(
        put_rows(),
        import_id=job.id,
        row_numbers=[row.number for row, _ in kept],
        cells=[list(row.cells) for row, _ in kept],
    )
    flat = [(row.number, fault) for row, faults in kept for fault in faults]
    work.execute(
        put_errors(),
        import_id=job.id,
        row_numbers=[number for number, _ in flat],
        ids=list(range(job.counts.errors, job.counts.errors + len(flat))),
        columns=[fault.column for _, fault in flat],
        values=[fault.value for _, fault in flat],
        reasons=[fault.reason for _, fault in flat],
        details=[fault.detail for _, fault in flat],
    )


def numbers(name: str) -> Any:
    return bindparam(name, type_=ARRAY(Integer))


def texts(name: str) -> Any:
    return bindparam(name, type_=ARRAY(Text))


@statement
def put_rows() -> Any:
    row = (
        func.unnest(numbers("row_numbers"), bindparam("cells", type_=ARRAY(JSONB)))
        .table_valued("row_number", "cells", name="given")
        .render_derived()
    )
    return insert(import_rows).from_select(
        ["tenant_id", "import_id", "row_number", "cells"],
        select(bindparam("tenant_id", type_=import_rows.c.tenant_id.type), import_id(), row.c.row_number, row.c.cells),
    )


@statement
def put_errors() -> Any:
    names = ["row_number", "id", "column", "value", "reason", "detail"]
    arrays = [numbers("row_numbers"), numbers("ids"), *map(texts, ("columns", "values", "reasons", "details"))]
    error = func.unnest(*arrays).table_valued(*names, name="given").render_derived()
    tenant_id = bindparam("tenant_id", type_=import_errors.c.tenant_id.type)
    return insert(import_errors).from_select(
        ["tenant_id", "import_id", *names], select(tenant_id, import_id(), *(error.c[name] for name in names))
    )


def import_id() -> Any:
    return bindparam("import_id", type_=import_errors.c.import_id.type)
