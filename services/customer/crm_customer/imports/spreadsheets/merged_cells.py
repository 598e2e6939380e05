"""Cells that are merged over several rows: a company once, its contacts below each other.

The file has the value in the first of these rows only (ECMA-376 Part 1, 18.3.1.54), and says what is merged behind
the rows.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.parsers.expat import ExpatError, ParserCreate

from openpyxl.utils.cell import column_index_from_string
from openpyxl.xml.constants import SHEET_MAIN_NS

_CHUNK = 1 << 16
_CHUNK_END = 32
_MERGED = f"{SHEET_MAIN_NS}}}mergeCell"
# The name as bytes, in each encoding that the parser knows.
_NAMES = tuple("mergeCell".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))
_PLACE = re.compile(r"([A-Z]{1,3})(\d{1,7}):[A-Z]{1,3}(\d{1,7})")


@dataclass(frozen=True, slots=True, order=True)
class Merge:
    """Rows that show the value of the first one, in the first column of a merge; both are counted from 1."""

    first_row: int
    last_row: int
    column: int


def merges_of(source: BinaryIO) -> list[Merge]:
    """The merges of several rows, from the top down. What is not sound XML is left to who reads the rows."""
    if not _has_some(source):
        return []
    source.seek(0)
    found: list[Merge] = []

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        place = _PLACE.fullmatch(attributes.get("ref", "")) if tag == _MERGED else None
        if place and place[2] != place[3]:
            found.append(Merge(int(place[2]), int(place[3]), column_index_from_string(place[1])))

    parser = ParserCreate(namespace_separator="}")
    parser.StartElementHandler = start
    with contextlib.suppress(ExpatError):
        while chunk := source.read(_CHUNK):
            parser.Parse(chunk)
    return sorted(found)


def _has_some(source: BinaryIO) -> bool:
    """Whether a sheet may have any: most have none, and to look for a word takes less time than to parse all rows."""
    end = b""
    while chunk := source.read(_CHUNK):
        # A word may begin in one chunk and end in the next.
        window = end + chunk
        if any(name in window for name in _NAMES):
            return True
        end = window[-_CHUNK_END:]
    return False


@dataclass(slots=True)
class Continuation:
    """Continues values into the rows below that have content of their own; rows come from the top down."""

    merges: Iterator[Merge]
    _next: Merge | None = None
    # By column, the last row and the text.
    _open: dict[int, tuple[int, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._next = next(self.merges, None)

    def continued(self, number: int, cells: list[str]) -> list[str]:
        """The cells of a row with the values that merged cells show there."""
        if self._open and any(cells):
            cells = self._filled(number, cells)
        while self._next and self._next.first_row <= number:
            merge, self._next = self._next, next(self.merges, None)
            if merge.first_row == number and merge.column <= len(cells) and (text := cells[merge.column - 1]):
                self._open[merge.column] = (merge.last_row, text)
        return cells

    def _filled(self, number: int, cells: list[str]) -> list[str]:
        self._open = {column: each for column, each in self._open.items() if each[0] >= number}
        filled = cells + [""] * (max(self._open, default=0) - len(cells))
        for column, (_, text) in self._open.items():
            filled[column - 1] = filled[column - 1] or text
        return filled
