"""What could not be imported, as a file to correct and import again: the rows as they were, and what is wrong."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import BinaryIO

from crm_kit.formulas import neutralized
from crm_kit.spreadsheets.xlsx_file import XlsxFile

from crm_customer.imports.spreadsheets.rows import BadRow

ERRORS_COLUMN = "错误 / errors"
"""No field's name, so that it is passed over when the file comes back; a new report replaces it."""


def write_csv_report(file: BinaryIO, header: Sequence[str], bad_rows: Iterable[BadRow]) -> int:
    """Writes UTF-8 with a byte order mark (Excel needs it). Returns how many rows; streams."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    writer = csv.writer(text)
    count = 0
    writer.writerow(map(neutralized, report_header(header)))
    for row in bad_rows:
        writer.writerow(report_cells(header, row))
        count += 1
    text.flush()
    text.detach()
    return count


def write_xlsx_report(file: BinaryIO, header: Sequence[str], bad_rows: Iterable[BadRow]) -> int:
    """Writes one sheet, all cells as text. Returns how many rows; streams."""
    book = XlsxFile()
    count = 0
    book.write([neutralized(name) for name in report_header(header)])
    for row in bad_rows:
        book.write(report_cells(header, row))
        file.write(book.take())
        count += 1
    file.write(book.end())
    return count


def report_header(header: Sequence[str]) -> list[str]:
    """The columns of the file, and one for what is wrong."""
    return [*(name for name in header if name != ERRORS_COLUMN), ERRORS_COLUMN]


def report_cells(header: Sequence[str], row: BadRow) -> list[str]:
    """The row as it was, and what is wrong with it."""
    errors = "; ".join(f"{error.column}: {error.detail}" if error.column else error.detail for error in row.errors)
    return [neutralized(cell) for cell in (*kept_cells(header, row), errors)]


def kept_cells(header: Sequence[str], row: BadRow) -> list[str]:
    """The row as it was, without what a report before said of it; as many cells as the header has columns."""
    named = [*header, *[""] * (len(row.cells) - len(header))]
    kept = [cell for name, cell in zip(named, row.cells, strict=False) if name != ERRORS_COLUMN]
    width = sum(name != ERRORS_COLUMN for name in header)
    # Cells beyond the header would push the errors out of their column.
    kept = [*kept[: width - 1], ",".join(kept[width - 1 :])] if len(kept) > width else kept
    return [*kept, *[""] * (width - len(kept))]
