"""Uploaded files as a header and rows of texts, read row by row: CSV in UTF-8 or GB18030, and XLSX.

What cannot be read is refused with reason UPLOAD_UNREADABLE and a detail that says where and why; that may happen
at any row, since nothing is read ahead.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from openpyxl.utils import get_column_letter

from crm_customer.imports.spreadsheets.csv_file import csv_records
from crm_customer.imports.spreadsheets.refusal import unreadable
from crm_customer.imports.spreadsheets.xlsx_file import xlsx_records

MAX_ROWS = 1_048_576
"""Rows of a sheet, as in the file format."""

MAX_COLUMNS = 200
MAX_CELL_CHARACTERS = 32_767
"""Characters of a cell, as in the file format."""

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True, slots=True)
class Spreadsheet:
    """The names of the columns and the rows below them.

    `rows` gives (row number as a spreadsheet program shows it, cells) once. Rows without content are left out;
    cells are filled up to the header's length and are more only where a CSV row has more.
    A column without a name is called after its letter, for example `(C)`.
    """

    header: tuple[str, ...]
    rows: Iterator[tuple[int, tuple[str, ...]]]


def read_spreadsheet(file: BinaryIO) -> Spreadsheet:
    """Reads an uploaded file, which must be seekable and stay open while rows are taken.

    A single cell above the header is taken for a title and passed over. Raises InvalidArgument
    (UPLOAD_UNREADABLE) when it is not a spreadsheet, has no rows, or names two columns the same.
    """
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    if start == _OLE:
        raise unreadable("this is an old .xls file or one with a password; save it as .xlsx without one")
    is_xlsx = start == _ZIP
    records = _filled(xlsx_records(file) if is_xlsx else csv_records(file))
    header_row, header = _header(records)
    width = len(header)

    def rows() -> Iterator[tuple[int, tuple[str, ...]]]:
        for number, cells in header_row:
            kept = cells[:width] if is_xlsx else cells
            if any(kept):
                yield number, (*kept, *[""] * (width - len(kept)))

    return Spreadsheet(header, rows())


def _filled(records: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, tuple[str, ...]]]:
    for number, cells in records:
        if number > MAX_ROWS:
            raise unreadable(f"it has more than {MAX_ROWS} rows")
        while cells and not cells[-1]:
            cells.pop()
        if len(cells) > MAX_COLUMNS:
            raise unreadable(f"row {number} has more than {MAX_COLUMNS} columns")
        if any(len(cell) > MAX_CELL_CHARACTERS for cell in cells):
            raise unreadable(f"row {number} has a cell of more than {MAX_CELL_CHARACTERS} characters")
        if cells:
            yield number, tuple(cells)


def _header(
    records: Iterator[tuple[int, tuple[str, ...]]],
) -> tuple[Iterator[tuple[int, tuple[str, ...]]], tuple[str, ...]]:
    """The rows below the header, and the header."""
    first = next(records, None)
    if first is None:
        raise unreadable("it is empty")
    second = next(records, None)
    if second is None:
        raise unreadable("it has a header but no rows")
    is_title = sum(map(bool, first[1])) == 1 and sum(map(bool, second[1])) > 1
    if not is_title:
        return itertools.chain([second], records), _named(first[1])
    third = next(records, None)
    if third is None:
        raise unreadable("it has a header but no rows")
    return itertools.chain([third], records), _named(second[1])


def _named(cells: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(" ".join(cell.split()) for cell in cells)
    for name, count in Counter(filter(None, names)).items():
        if count > 1:
            letters = [get_column_letter(at) for at, other in enumerate(names, start=1) if other == name]
            raise unreadable(f"{count} columns are called {name!r}: {', '.join(letters)}")
    return tuple(name or f"({get_column_letter(at)})" for at, name in enumerate(names, start=1))
