"""The rows that an import could not take, as a file to correct and import again."""

import asyncio
import io
from collections.abc import Iterable
from pathlib import PurePath

from crm_kit.database.connections import Record
from crm_kit.database.work import Reader

from crm_customer.imports.model import Import
from crm_customer.imports.queries import bad_rows
from crm_customer.imports.spreadsheets.report import write_csv_report, write_xlsx_report
from crm_customer.imports.spreadsheets.rows import BadRow, RowError

CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def rows_of_report(reader: Reader, job: Import) -> list[BadRow]:
    """The rows with what is wrong with each. What is kept of them is bounded, and so is the file."""
    return [row async for some, errors in bad_rows(reader, job.id) for row in joined(some, errors)]


async def import_report(reader: Reader, job: Import, *, is_csv: bool) -> tuple[str, str, bytes]:
    """(file name, media type, content)."""
    rows = await rows_of_report(reader, job)
    content = await asyncio.to_thread(written, job, rows, is_csv=is_csv)
    ending, content_type = (".csv", CSV_TYPE) if is_csv else (".xlsx", XLSX_TYPE)
    return f"{PurePath(job.file_name).stem}-errors{ending}", content_type, content


def written(job: Import, rows: Iterable[BadRow], *, is_csv: bool) -> bytes:
    """The file."""
    file = io.BytesIO()
    write = write_csv_report if is_csv else write_xlsx_report
    write(file, job.header, rows)
    return file.getvalue()


def joined(rows: Iterable[Record], errors: Iterable[Record]) -> Iterable[BadRow]:
    """Rows with what is wrong with each."""
    by_row: dict[int, list[RowError]] = {}
    for error in errors:
        by_row.setdefault(error["row_number"], []).append(RowError(**dict(error)))
    for row in rows:
        number = row["row_number"]
        yield BadRow(number, tuple(row["cells"]), tuple(by_row.get(number, ())))
