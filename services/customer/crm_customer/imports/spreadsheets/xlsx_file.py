"""XLSX files: one sheet, streamed. Each part is bounded before anything is unpacked."""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError

import openpyxl
from openpyxl.styles.numbers import BUILTIN_FORMATS_MAX_SIZE as OWN_FORMATS
from openpyxl.utils.exceptions import InvalidFileException

from crm_customer.imports.spreadsheets.cells import typed_text
from crm_customer.imports.spreadsheets.merged_cells import merges_of
from crm_customer.imports.spreadsheets.number_formats import shape_of
from crm_customer.imports.spreadsheets.refusal import unreadable
from crm_customer.imports.spreadsheets.sheet_xml import Book, sheet_rows

MAX_UNPACKED_BYTES = 512 << 20
"""Of all parts together: the sheets, which are read row by row, and pictures, which are not read at all."""

MAX_SHARED_TEXT_BYTES = 96 << 20
"""Of the table of texts, which is kept in memory."""

MAX_PART_BYTES = 8 << 20
"""Of each other part that is read, as a whole: styles, theme, the list of sheets."""

_MAX_PARTS = 2000
_LOOKED_THROUGH = 20
_SHARED_TEXTS = "xl/sharedStrings.xml"
# Where all other parts are that are read; pictures, charts and pivot tables are not.
_READ = frozenset([".", "_rels", "docProps", "xl", "xl/_rels", "xl/theme", "xl/chartsheets", "xl/worksheets/_rels"])
# All that the libraries below raise for files that are not what they say.
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, ParseError, ExpatError, InvalidFileException, OSError, EOFError, RuntimeError),
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, NotImplementedError, SyntaxError),
)


def xlsx_records(file: BinaryIO, sheet_name: str = "") -> tuple[str, Iterator[tuple[int, list[str]]]]:
    """The name of a sheet and the (row number, cells) of its rows: the first visible one unless one is named.

    Formulas are told by the value they last had. Raises UPLOAD_UNREADABLE for broken and for oversized files, and for
    a sheet that is not there.
    """
    book = _book(file)
    sheet = _sheet(book, sheet_name)
    return sheet.title, _records(book, sheet)


def other_sheets(file: BinaryIO, sheet_name: str) -> Iterator[tuple[str, Iterator[tuple[int, list[str]]]]]:
    """What `xlsx_records` gives of each visible sheet but one, of so many as a person may look through."""
    names = [sheet.title for sheet in _visible(_book(file)) if sheet.title != sheet_name]
    for name in names[:_LOOKED_THROUGH]:
        yield xlsx_records(file, name)


def _book(file: BinaryIO) -> Any:
    try:
        _check_size(file)
        return openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except _BROKEN as error:
        raise _broken(error) from error


def _records(book: Any, sheet: Any) -> Iterator[tuple[int, list[str]]]:
    formats = book._number_formats
    numbers = (style.numFmtId for style in book._cell_styles)
    known = (shape_of(formats[number - OWN_FORMATS]) if number >= OWN_FORMATS else "" for number in numbers)
    shapes = {style: shape for style, shape in enumerate(known) if shape}
    texts = list(map(typed_text, sheet._shared_strings))
    try:
        with book._archive.open(sheet._worksheet_path) as source:
            merges = merges_of(source)
        with book._archive.open(sheet._worksheet_path) as source:
            shown = Book(texts, shapes, book._date_formats, book._timedelta_formats, book.epoch)
            yield from sheet_rows(source, shown, merges)
    except _BROKEN as error:
        raise _broken(error) from error
    finally:
        book.close()


def _sheet(book: Any, name: str) -> Any:
    visible = _visible(book)
    if name:
        found = next((sheet for sheet in book.worksheets if sheet.title.strip() == name.strip()), None)
        if found is None:
            sheets = ", ".join(each.title for each in visible)
            detail = f"it has no sheet {name!r}; its sheets are: {sheets}"
            raise unreadable("no_sheet", detail, sheet=name, sheets=sheets)
        return found
    if not visible:
        raise unreadable("hidden", "it has no visible sheet")
    return visible[0]


def _visible(book: Any) -> list[Any]:
    return [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]


def _broken(error: Exception) -> Exception:
    return unreadable("broken", f"it is not a sound XLSX file ({type(error).__name__})")


def _check_size(file: BinaryIO) -> None:
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
    if len(parts) > _MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
        unpacked = MAX_UNPACKED_BYTES >> 20
        raise unreadable("large", f"it unpacks to more than {unpacked} MB", most=unpacked)
    for part in parts:
        most = _bound_of(part.filename)
        if part.file_size > most:
            detail = f"its part {part.filename!r} is more than {most >> 20} MB"
            remedy = "copy the rows into a new file, or split them into several"
            raise unreadable("large_part", f"{detail}; {remedy}", part=part.filename, most=most >> 20)


def _bound_of(name: str) -> int:
    if name == _SHARED_TEXTS:
        return MAX_SHARED_TEXT_BYTES
    return MAX_PART_BYTES if str(PurePosixPath(name).parent) in _READ else MAX_UNPACKED_BYTES
