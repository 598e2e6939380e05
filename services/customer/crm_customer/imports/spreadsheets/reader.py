"""Uploaded files as a header and rows of texts, read row by row: CSV in the usual encodings, and XLSX.

What cannot be read is refused with reason UPLOAD_UNREADABLE and a detail that says where and why; that may happen
at any row, since nothing is read ahead.
"""

import itertools
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from crm_customer.imports.spreadsheets.csv_file import csv_records
from crm_customer.imports.spreadsheets.header import SEARCHED_ROWS, Row, column_names, header_at, is_list, may_be_list
from crm_customer.imports.spreadsheets.layout import Layout
from crm_customer.imports.spreadsheets.refusal import MAX_ROW_CHARACTERS, too_long, unreadable

MAX_ROWS = 1_048_576
"""Rows of a sheet, as in the file format."""

MAX_COLUMNS = 200
MAX_CELL_CHARACTERS = 32_767
"""Characters of a cell, as in the file format."""

_ZIP = b"PK\x03\x04"
# How files of other programs begin, and what they are: the rule that they break, and words for it.
_OTHERS = {
    b"\xd0\xcf\x11\xe0": ("old_xls", "an old .xls file or one with a password; save it as .xlsx without one"),
    b"%PDF": ("pdf", "a PDF; ask for the list as .xlsx or .csv"),
    b"{\\rt": ("text_document", "a text document; copy the table into a spreadsheet and save it as .xlsx"),
}
# Parts by which archives of other programs are known.
_OTHER_ARCHIVES = {
    "content.xml": ("open_document", "an OpenDocument file; save it as .xlsx"),
    "xl/workbook.bin": ("xlsb", "a binary workbook (.xlsb); save it as .xlsx"),
    "word/document.xml": _OTHERS[b"{\\rt"],
    "Index/Document.iwa": ("numbers", "a Numbers file; export it as .xlsx"),
}


@dataclass(frozen=True, slots=True)
class Spreadsheet:
    """The names of the columns, the rows below them, and how the file is laid out.

    `rows` gives (row number as a spreadsheet program shows it, cells) once. Rows without content are left out;
    cells are filled up to the header's length and are more only where a CSV row has more.
    """

    header: tuple[str, ...]
    rows: Iterator[Row]
    layout: Layout = field(default_factory=Layout)


def read_spreadsheet(file: BinaryIO, told: Layout | None = None, *, told_names: Collection[str] = ()) -> Spreadsheet:
    """Reads an uploaded file, which must be seekable and stay open while rows are taken.

    `told` is what is known of its layout; what is not is found out, the header's row also by the names of columns that
    are known. Raises InvalidArgument (UPLOAD_UNREADABLE) when it is not a spreadsheet or has no rows.
    """
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    if start in _OTHERS:
        rule, what = _OTHERS[start]
        raise unreadable(rule, f"it is {what}")
    is_xlsx = start == _ZIP
    layout, records = _xlsx(file, told or Layout()) if is_xlsx else csv_records(file, told or Layout())
    filled = _filled(records)
    if is_xlsx and not (told and (told.sheet or told.header_row)):
        filled = _table(file, layout.sheet, filled, told_names)
    header_row, header, below = _header(filled, layout.header_row, told_names)
    width = len(header)

    def rows() -> Iterator[Row]:
        for number, cells in below:
            kept = cells[:width] if is_xlsx else cells
            if any(kept):
                yield number, (*kept, *[""] * (width - len(kept)))

    return Spreadsheet(header, rows(), replace(layout, header_row=header_row))


def _xlsx(file: BinaryIO, told: Layout) -> tuple[Layout, Iterator[tuple[int, list[str]]]]:
    try:
        with zipfile.ZipFile(file) as archive:
            parts = set(archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        # What is wrong with it is told by who reads it.
        parts = set()
    for part, (rule, what) in _OTHER_ARCHIVES.items():
        if part in parts:
            raise unreadable(rule, f"it is {what}")
    # What reads XLSX takes 6 MB, and only the process that reads a file needs it.
    from crm_customer.imports.spreadsheets.xlsx_file import xlsx_records

    title, records = xlsx_records(file, told.sheet)
    return replace(told, sheet=title, encoding="", separator=""), records


def _table(file: BinaryIO, title: str, records: Iterator[Row], told_names: Collection[str]) -> Iterator[Row]:
    """The rows of a workbook's first sheet; UPLOAD_UNREADABLE where it has no table and other sheets have."""
    first = list(itertools.islice(records, SEARCHED_ROWS))
    if may_be_list(first, told_names):
        return itertools.chain(first, records)
    from crm_customer.imports.spreadsheets.xlsx_file import other_sheets

    others = ((name, [*itertools.islice(_filled(rows), SEARCHED_ROWS)]) for name, rows in other_sheets(file, title))
    if sheets := ", ".join(name for name, rows in others if is_list(rows)):
        detail = f"its first sheet {title!r} has no list of customers; choose one with layout.sheet: {sheets}"
        raise unreadable("no_table", detail, sheet=title, sheets=sheets)
    return itertools.chain(first, records)


def _filled(records: Iterator[tuple[int, list[str]]]) -> Iterator[Row]:
    for number, cells in records:
        if number > MAX_ROWS:
            raise unreadable("many_rows", f"it has more than {MAX_ROWS} rows", most=MAX_ROWS)
        while cells and not cells[-1]:
            cells.pop()
        if len(cells) > MAX_COLUMNS:
            detail = f"row {number} has more than {MAX_COLUMNS} columns"
            raise unreadable("many_columns", detail, row=number, most=MAX_COLUMNS)
        if any(len(cell) > MAX_CELL_CHARACTERS for cell in cells):
            detail = f"row {number} has a cell of more than {MAX_CELL_CHARACTERS} characters"
            raise unreadable("long_cell", detail, row=number, most=MAX_CELL_CHARACTERS)
        if sum(map(len, cells)) > MAX_ROW_CHARACTERS:
            raise too_long(number)
        if cells:
            yield number, tuple(cells)


def _header(
    records: Iterator[Row], told_row: int, told_names: Collection[str]
) -> tuple[int, tuple[str, ...], Iterator[Row]]:
    """The header's row number, the names in it, and the rows below."""
    if told_row:
        records = itertools.dropwhile(lambda row: row[0] < told_row, records)
    first = list(itertools.islice(records, 2 if told_row else SEARCHED_ROWS))
    if not first and not told_row:
        raise unreadable("empty", "it is empty")
    if not first:
        raise unreadable("no_header_row", f"it has no row {told_row}", row=told_row)
    if told_row and first[0][0] != told_row:
        raise unreadable("empty_header_row", f"its row {told_row} is empty", row=told_row)
    at = 0 if told_row else header_at(first, told_names)
    if len(first) == at + 1:
        raise unreadable("no_rows", "it has a header but no rows")
    names = column_names(first[at], first[at - 1] if at else None)
    return first[at][0], names, itertools.chain(first[at + 1 :], records)
