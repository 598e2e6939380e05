"""The rows of an uploaded file, read once and put by: what cannot be read is known before the first row is taken.

They are put by as lines of JSON in a temporary file, compressed: an upload unpacks to ten times its size.
"""

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import orjson

from crm_customer.imports.spreadsheets.cells import NumberText
from crm_customer.imports.spreadsheets.layout import Layout
from crm_customer.imports.spreadsheets.reader import Spreadsheet
from crm_customer.imports.spreadsheets.refusal import unreadable

FASTEST = 1
"""Level of compression."""

MAX_TEXT_BYTES = 256 << 20
"""Of all rows together. A small file may unpack to any size: in XLSX a text stands once, and many cells show it."""

# Numbers stand in brackets; a text may have these, too.
_MARK = b",["
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_PASSTHROUGH_SUBCLASS


@dataclass(frozen=True, slots=True)
class UnpackedSheet:
    """The header, how many rows there are below it, the layout, and the file that holds the rows; to be closed."""

    header: tuple[str, ...]
    row_count: int
    layout: Layout
    file: BinaryIO

    def spreadsheet(self) -> Spreadsheet:
        """The rows from the first on; not to be read twice at the same time."""
        return Spreadsheet(self.header, self._rows(), self.layout)

    def _rows(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        self.file.seek(0)
        with gzip.open(self.file) as lines:
            for line in lines:
                number, *cells = orjson.loads(line)
                if _MARK in line:
                    cells = [cell if isinstance(cell, str) else NumberText(cell[0]) for cell in cells]
                yield number, tuple(cells)


def pack(sheet: Spreadsheet, file: BinaryIO) -> int:
    """Write all rows of a sheet to a file; how many there are. UPLOAD_UNREADABLE as `read_spreadsheet` says."""
    count, left = 0, MAX_TEXT_BYTES
    with gzip.open(file, "wb", FASTEST) as packed, io.BufferedWriter(packed) as lines:
        for number, cells in sheet.rows:
            left -= lines.write(orjson.dumps((number, *cells), _marked, _OPTIONS))
            if left < 0:
                most = MAX_TEXT_BYTES >> 20
                detail = f"up to row {number} it has more than {most} MB of text; split it into several files"
                raise unreadable("much_text", detail, row=number, most=most)
            count += 1
    return count


def _marked(cell: object) -> list[str]:
    if not isinstance(cell, NumberText):
        raise TypeError
    return [str(cell)]
