"""XLSX files: the first visible sheet, streamed. What they unpack to is bounded before anything is unpacked."""

import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from crm_customer.imports.spreadsheets.cells import cell_text
from crm_customer.imports.spreadsheets.refusal import unreadable

MAX_UNPACKED_BYTES = 512 << 20
MAX_SHARED_TEXT_BYTES = 96 << 20
"""Of the table of texts, the one part that is kept in memory."""

_MAX_PARTS = 2000
_SHARED_TEXTS = "xl/sharedStrings.xml"
# All that the libraries below raise for files that are not what they say.
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, ParseError, InvalidFileException, OSError, EOFError, RuntimeError),
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, NotImplementedError, SyntaxError),
)


def xlsx_records(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """(row number, cells) of the rows of the first visible sheet; formulas by the value they last had.

    Raises UPLOAD_UNREADABLE for broken and for oversized files.
    """
    try:
        _check_size(file)
        book: Any = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        try:
            sheet = next((s for s in book.worksheets if s.sheet_state == "visible"), None)
            if sheet is None:
                raise unreadable("it has no visible sheet")
            # The size that the file states may be wrong, or a million columns.
            sheet.reset_dimensions()
            rows = sheet.iter_rows(values_only=True)
            for number, values in enumerate(rows, start=1):
                yield number, [cell_text(value) for value in values]
        finally:
            book.close()
    except _BROKEN as error:
        raise unreadable(f"it is not a sound XLSX file ({type(error).__name__})") from error


def _check_size(file: BinaryIO) -> None:
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
    if len(parts) > _MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
        raise unreadable(f"it unpacks to more than {MAX_UNPACKED_BYTES >> 20} MB")
    if any(p.filename == _SHARED_TEXTS and p.file_size > MAX_SHARED_TEXT_BYTES for p in parts):
        raise unreadable(f"its texts are more than {MAX_SHARED_TEXT_BYTES >> 20} MB; split it into several files")
