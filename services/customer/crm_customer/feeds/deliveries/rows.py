"""Rows that come with a request, as the text file that they would be. Pure.

What becomes of a file becomes of them: there is one way by which rows are counted, kept and imported.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from crm_kit.errors import InvalidArgument, invalid_field

from crm_customer.imports.spreadsheets.cells import cell_text, typed_text
from crm_customer.imports.spreadsheets.layout import Layout
from crm_customer.imports.spreadsheets.reader import MAX_CELL_CHARACTERS

ENCODING, SEPARATOR, DECIMAL_POINT = "utf-8", ",", "."
PLACE = "rows"
MAX_COLUMNS = 100
MAX_COLUMN_CHARACTERS = 200
# A request has 20,000 fields at most, so that it holds nobody up who is served at the same time, and a cell has four.
MAX_CELLS = 4_500
# Whole numbers up to here are those that were sent: JSON readers keep 53 bits of a number.
MAX_WHOLE = 1 << 53

Cell = str | Decimal
JsonRow = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RowTable:
    """The columns in the order of their names, which objects have in none, and the cells of each row below them."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def content(self, decimal_separator: str) -> bytes:
        """The file, with numbers as the feed's files have them."""
        text = io.StringIO(newline="")
        lines = csv.writer(text)
        lines.writerow(self.columns)
        lines.writerows([_text(cell, decimal_separator) for cell in row] for row in self.rows)
        return text.getvalue().encode(ENCODING)


def table_of(rows: Sequence[JsonRow]) -> RowTable:
    """The rows as a table. InvalidArgument for what no file could have, and for more than is taken at once."""
    rows = [_row(at, row) for at, row in enumerate(rows)]
    columns = tuple(sorted({column for row in rows for column in row}))
    _check_columns(columns)
    if sum(map(len, rows)) > MAX_CELLS:
        detail = f"have {sum(map(len, rows))} cells, at most {MAX_CELLS} come with a request; send a file"
        raise invalid_field(PLACE, "row_cells", detail, metadata={"most": str(MAX_CELLS)})
    return RowTable(columns, tuple(_cells(at, row, columns) for at, row in enumerate(rows)))


def layout_of(told: Layout | None, decimal_separator: str) -> Layout:
    """How such a file is read; what is told of the feed's other files does not hold for it, but for its dates."""
    return Layout(
        encoding=ENCODING,
        separator=SEPARATOR,
        header_row=1,
        decimal_separator=decimal_separator,
        date_order=told.date_order if told else "",
    )


def _row(at: int, row: JsonRow) -> JsonRow:
    """The row by its columns as a file has them, without blanks around them and composed."""
    named = {typed_text(column): value for column, value in row.items()}
    if len(named) < len(row):
        raise invalid_field(f"{PLACE}[{at}]", "row_twice", "has two columns whose names differ by nothing that is seen")
    return named


def _check_columns(columns: Sequence[str]) -> None:
    if len(columns) > MAX_COLUMNS:
        detail = f"have {len(columns)} columns, at most {MAX_COLUMNS} are possible"
        raise invalid_field(PLACE, "row_columns", detail, metadata={"most": str(MAX_COLUMNS)})
    wrong = next((each for each in columns if not each or len(each) > MAX_COLUMN_CHARACTERS), None)
    if wrong is not None:
        told = {"column": wrong[:MAX_COLUMN_CHARACTERS], "most": str(MAX_COLUMN_CHARACTERS)}
        detail = f"have a column {told['column']!r}, whose name is empty or has more than {told['most']} characters"
        raise invalid_field(PLACE, "row_column", detail, metadata=told)


def _cells(at: int, row: JsonRow, columns: Iterable[str]) -> tuple[Cell, ...]:
    cells = tuple(_cell(at, column, row.get(column)) for column in columns)
    if not any(isinstance(cell, Decimal) or typed_text(cell) for cell in cells):
        # A file passes over empty rows; of what was sent here each row is counted.
        raise invalid_field(f"{PLACE}[{at}]", "row_empty", "has no cell that is filled; leave it out")
    return cells


def _cell(at: int, column: str, value: object) -> Cell:
    if isinstance(value, float) and value.is_integer() and abs(value) >= MAX_WHOLE:
        raise _wrong(at, column, "row_digits", "is a number with more digits than JSON keeps; send it as a text")
    if isinstance(value, float):
        return Decimal(int(value)) if value.is_integer() else Decimal(repr(value))
    if value is not None and not isinstance(value, str | bool):
        raise _wrong(at, column, "row_cell", "must be a text, a number, true, false or null")
    text = cell_text(value)
    if len(text) > MAX_CELL_CHARACTERS:
        detail = f"has more than {MAX_CELL_CHARACTERS} characters"
        raise _wrong(at, column, "row_cell_length", detail, most=str(MAX_CELL_CHARACTERS))
    return text


def _wrong(at: int, column: str, rule: str, detail: str, **told: str) -> InvalidArgument:
    metadata = {"column": column, **told}
    return invalid_field(f"{PLACE}[{at}]", rule, f"the cell {column!r} {detail}", metadata=metadata)


def _text(cell: Cell, decimal_separator: str) -> str:
    return cell if isinstance(cell, str) else format(cell, "f").replace(DECIMAL_POINT, decimal_separator)
