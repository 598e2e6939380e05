"""The rows of an uploaded file, read once and put by: what cannot be read is known before the first row is taken.

They are put by as lines of JSON in a temporary file, compressed: an upload unpacks to ten times its size.
"""

import contextlib
import gzip
import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import orjson

from crm_customer.imports.spreadsheets.reader import Spreadsheet, read_spreadsheet

FASTEST = 1
"""Level of compression."""


@dataclass(frozen=True, slots=True)
class UnpackedSheet:
    """The header, how many rows there are below it, and the file that holds them; to be closed."""

    header: tuple[str, ...]
    row_count: int
    file: BinaryIO

    def spreadsheet(self) -> Spreadsheet:
        """The rows from the first on; not to be read twice at the same time."""
        return Spreadsheet(self.header, self._rows())

    def _rows(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        self.file.seek(0)
        with gzip.open(self.file) as lines:
            for line in lines:
                number, *cells = orjson.loads(line)
                yield number, tuple(cells)


def unpack(upload: BinaryIO) -> UnpackedSheet:
    """Read all of an uploaded file. UPLOAD_UNREADABLE as `read_spreadsheet` says, whichever row it is about."""
    sheet = read_spreadsheet(upload)
    count = 0
    with contextlib.ExitStack() as stack:
        file: BinaryIO = stack.enter_context(tempfile.TemporaryFile())
        with gzip.open(file, "wb", FASTEST) as packed, io.BufferedWriter(packed) as lines:
            for number, cells in sheet.rows:
                lines.write(orjson.dumps((number, *cells), option=orjson.OPT_APPEND_NEWLINE))
                count += 1
        stack.pop_all()
    return UnpackedSheet(sheet.header, count, file)
