"""Which row of a sheet is the header, and what its columns are called."""

from collections.abc import Collection, Sequence

from crm_customer.imports.spreadsheets.mapping import Field, guess_mapping, is_key

SEARCHED_ROWS = 10
"""Rows with content in which the header is looked for: titles, notes and groups of columns stand above it."""

_NAMED = 2
# Of a header's cells, more than this share must be known as names of fields: rows of data have such words, too.
_KNOWN = 1 / 2

Row = tuple[int, tuple[str, ...]]


def header_at(rows: Sequence[Row], told_names: Collection[str] = ()) -> int:
    """The index of the header among the first rows with content.

    It is the row with the most cells that name a field, or that are `told_names`; where none has two, the first that
    is no title, which has one cell above several.
    """
    counts = [_known(cells, told_names) for _, cells in rows]
    most = max(counts, default=0)
    if most >= _NAMED:
        return counts.index(most)
    is_title = len(rows) > 1 and _filled(rows[0]) == 1 < _filled(rows[1])
    return int(is_title)


def may_be_list(rows: Sequence[Row], told_names: Collection[str] = ()) -> bool:
    """Whether one of the rows may be the header of a list of customers, and there are rows below it.

    It names two fields, or the one of a list of names or keys alone, or a column that is told of.
    """
    return is_list(rows) or any(
        _known(cells, told_names) and (set(cells) & set(told_names) or _names_customers(cells))
        for _, cells in rows[:-1]
    )


def is_list(rows: Sequence[Row]) -> bool:
    """Whether one of the rows is the header of a list by the names in it, and there are rows below it."""
    return any(_known(cells, ()) >= _NAMED for _, cells in rows[:-1])


def _names_customers(cells: Sequence[str]) -> bool:
    targets = guess_mapping([cell for cell in cells if cell]).values()
    return any(target in (Field.DISPLAY_NAME, Field.LEGAL_NAME) or is_key(target) for target in targets)


def _known(cells: Sequence[str], told_names: Collection[str]) -> int:
    """How many different fields the cells name; 0 when most of them name none."""
    named = {*guess_mapping([cell for cell in cells if cell]).values(), *(cell for cell in cells if cell in told_names)}
    return len(named) if len(named) > _KNOWN * sum(map(bool, cells)) else 0


def column_names(row: Row, above: Row | None = None) -> tuple[str, ...]:
    """What the columns are called.

    A cell that is merged with the one above has its text there. A column without a name is called after its letter,
    `(C)`; the second of one name too, `电话 (C)`.
    """
    # As with what reads XLSX: only the process that reads a file needs it.
    from openpyxl.utils import get_column_letter

    number, cells = row
    names = [" ".join(cell.split()) for cell in cells]
    if above is not None and above[0] == number - 1 and _filled(above) > 1:
        upper = [*above[1], *[""] * len(names)]
        names = [name or " ".join(upper[at].split()) for at, name in enumerate(names)]
    found: list[str] = []
    for at, name in enumerate(names, start=1):
        letter = f"({get_column_letter(at)})"
        found.append(letter if not name else name if name not in found else f"{name} {letter}")
    return tuple(found)


def _filled(row: Row) -> int:
    return sum(map(bool, row[1]))
