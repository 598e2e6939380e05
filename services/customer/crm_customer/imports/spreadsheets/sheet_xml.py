"""The rows of one sheet of a workbook, read from its XML as it comes (ECMA-376 Part 1, 18.3.1).

Only what the rows hold is looked at, and no tree is built: a sheet has a million cells and more.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import BinaryIO
from xml.parsers.expat import ParserCreate

from openpyxl.utils.cell import column_index_from_string
from openpyxl.utils.datetime import from_excel, from_ISO8601
from openpyxl.xml.constants import SHEET_MAIN_NS

from crm_customer.imports.spreadsheets.cells import NOT_CALCULATED, cell_text, typed_text
from crm_customer.imports.spreadsheets.merged_cells import Continuation, Merge
from crm_customer.imports.spreadsheets.refusal import MAX_ROW_CHARACTERS, too_long

_CHUNK = 1 << 16
_DATA, _ROW, _CELL, _VALUE, _FORMULA, _TEXT, _PHONETIC = (
    f"{SHEET_MAIN_NS}}}{name}" for name in ("sheetData", "row", "c", "v", "f", "t", "rPh")
)


@dataclass(frozen=True, slots=True)
class Book:
    """What cells refer to: the table of texts, by cell style the shape of whole numbers, and which styles are dates."""

    texts: Sequence[str]
    shapes: Mapping[int, str]
    dates: Set[int]
    durations: Set[int]
    epoch: datetime

    def number(self, text: str, style: int) -> str:
        """A number as its cell shows it; a date that cannot be one is an error of the cell."""
        number = float(text) if "." in text or "E" in text or "e" in text else int(text)
        if style not in self.dates:
            return cell_text(number, self.shapes.get(style, ""))
        try:
            return cell_text(from_excel(number, self.epoch, timedelta=style in self.durations))
        except (OverflowError, ValueError):
            return "#VALUE!"


def sheet_rows(source: BinaryIO, book: Book, merges: Iterable[Merge] = ()) -> Iterator[tuple[int, list[str]]]:
    """(row number, cells as they are shown) of each row of a sheet; ValueError or ExpatError when it is not sound.

    Values of `merges`, which stand from the top down, are in each of their rows that has other content.
    """
    continuation = Continuation(iter(merges))
    rows = _Rows(book)
    parser = ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = rows.start
    parser.EndElementHandler = rows.end
    parser.CharacterDataHandler = rows.characters
    while not rows.ended:
        chunk = source.read(_CHUNK)
        parser.Parse(chunk, not chunk)
        for number, cells in rows.done:
            yield number, continuation.continued(number, cells)
        rows.done.clear()


@dataclass(slots=True)
class _Rows:
    """Takes the events of the XML. A cell's text is gathered in `text` while one may come, which is None otherwise."""

    book: Book
    done: list[tuple[int, list[str]]] = field(default_factory=list)
    ended: bool = False
    number: int = 0
    cells: list[str] = field(default_factory=list)
    left: int = 0
    column: int = 0
    kind: str = "n"
    style: int = 0
    has_formula: bool = False
    is_phonetic: bool = False
    value: str = ""
    text: list[str] | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == _CELL:
            place = attributes.get("r")
            self.column = _column(place.rstrip("0123456789")) if place else self.column + 1
            self.kind = attributes.get("t", "n")
            self.style = int(attributes.get("s", 0))
            self.has_formula, self.value = False, ""
        elif tag == _VALUE or (tag == _TEXT and not self.is_phonetic):
            self.text = []
        elif tag == _FORMULA:
            self.has_formula = True
        elif tag == _ROW:
            self._begin(attributes.get("r"))
        elif tag == _PHONETIC:
            self.is_phonetic = True

    def characters(self, text: str) -> None:
        if self.text is not None:
            self.text.append(text)

    def end(self, tag: str) -> None:
        if tag == _CELL:
            if text := self._shown():
                self._put(text)
        elif tag in (_VALUE, _TEXT):
            # A text may be in several runs, each in a font of its own.
            self.value += "".join(self.text or ())
            self.text = None
        elif tag == _ROW:
            self.done.append((self.number, self.cells))
        elif tag == _PHONETIC:
            self.is_phonetic = False
        elif tag == _DATA:
            self.ended = True

    def _begin(self, told: str | None) -> None:
        number = self.number + 1 if told is None else int(float(told))
        if number <= self.number:
            raise ValueError(number)
        self.number, self.cells, self.left, self.column = number, [], MAX_ROW_CHARACTERS, 0

    def _put(self, text: str) -> None:
        self.left -= len(text)
        if self.left < 0:
            raise too_long(self.number)
        missing = self.column - len(self.cells)
        if missing > 0:
            self.cells += [""] * missing
        self.cells[self.column - 1] = text

    def _shown(self) -> str:
        value = self.value
        if not value:
            return NOT_CALCULATED if self.has_formula and self.kind != "str" else ""
        match self.kind:
            case "s":
                return self.book.texts[int(value)]
            case "n":
                return self.book.number(value, self.style)
            case "b":
                return "TRUE" if int(value) else "FALSE"
            case "d":
                return cell_text(from_ISO8601(value))
        return typed_text(value)


@lru_cache(maxsize=1024)
def _column(letters: str) -> int:
    return column_index_from_string(letters)
