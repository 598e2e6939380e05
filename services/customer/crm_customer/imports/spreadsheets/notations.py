"""How numbers and dates are written in a file: with a decimal point or comma, the day or the month first.

`1.234` is either 1.234 or 1234, and `01/02/2026` is in January or in February: other values of the column say which,
else those of other columns of its kind. What nothing decides is refused, never guessed. Pure.
"""

import re
import unicodedata
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from crm_customer.imports.spreadsheets.cells import NumberText
from crm_customer.imports.spreadsheets.fields import CellError, Reason
from crm_customer.imports.spreadsheets.reader import Spreadsheet


class Notation(StrEnum):
    DECIMAL_POINT = "DECIMAL_POINT"
    DECIMAL_COMMA = "DECIMAL_COMMA"
    DAY_FIRST = "DAY_FIRST"
    MONTH_FIRST = "MONTH_FIRST"


_GIVEN = {
    ".": Notation.DECIMAL_POINT,
    ",": Notation.DECIMAL_COMMA,
    "DMY": Notation.DAY_FIRST,
    "MDY": Notation.MONTH_FIRST,
}

Readings = Callable[[str], Mapping[Notation, str]]
"""What a text is in each notation that it fits, as the contract writes it; nothing when it fits none."""

# A longer text is neither a number nor a date.
_MAX_CHARACTERS = 60
# `$1,200`, `-€5`, `1.200,50 €`, `1200元`.
_AMOUNT = re.compile(r"(-?) ?[$€£¥]? ?([0-9](?:[0-9.,' ]*[0-9])?) ?[€元]?")
_PERCENTAGE = re.compile(r"-?[0-9][0-9.,' ]*%")
# Thousands are separated by one mark throughout, or not at all.
_NUMBERS = {
    Notation.DECIMAL_POINT: re.compile(r"([1-9][0-9]{0,2}([,' ])[0-9]{3}(?:\2[0-9]{3})*|[0-9]+)(?:\.([0-9]+))?"),
    Notation.DECIMAL_COMMA: re.compile(r"([1-9][0-9]{0,2}([.' ])[0-9]{3}(?:\2[0-9]{3})*|[0-9]+)(?:,([0-9]+))?"),
}
# A spreadsheet program may show the time of a day, too.
_TIME = r"(?:[ T][0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)?"
_YEAR_FIRST = re.compile(rf"([0-9]{{4}})[-/.年]([0-9]{{1,2}})[-/.月]([0-9]{{1,2}})日?{_TIME}")
_YEAR_LAST = re.compile(rf"([0-9]{{1,2}})([-/.]) ?([0-9]{{1,2}})\2 ?([0-9]{{4}}){_TIME}")


def number_readings(text: str) -> Mapping[Notation, str]:
    """`1,234.50` is 1234.50 with a decimal point, and nothing with a decimal comma."""
    amount = _AMOUNT.fullmatch(_typed(text))
    if amount is None:
        return {}
    found = {notation: pattern.fullmatch(amount[2]) for notation, pattern in _NUMBERS.items()}
    return {notation: amount[1] + _plain_number(match) for notation, match in found.items() if match}


def date_readings(text: str) -> Mapping[Notation, str]:
    """`31/01/2026` is 2026-01-31 with the day first, and nothing with the month first.

    With points the day is first, wherever that is written.
    """
    typed = _typed(text)
    if match := _YEAR_FIRST.fullmatch(typed):
        day = _day(match[1], match[2], match[3])
        return {Notation.DAY_FIRST: day, Notation.MONTH_FIRST: day} if day else {}
    match = _YEAR_LAST.fullmatch(typed)
    if match is None:
        return {}
    first, mark, second, year = match.groups()
    days = {Notation.DAY_FIRST: _day(year, second, first)}
    if mark == ".":
        days[Notation.MONTH_FIRST] = days[Notation.DAY_FIRST]
    else:
        days[Notation.MONTH_FIRST] = _day(year, first, second)
    return {notation: day for notation, day in days.items() if day}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers or of dates; `notation` is None where nothing tells it.

    With `is_given` a person has said it, and what is written otherwise is neither a number nor a date.
    """

    readings: Readings
    notation: Notation | None
    is_given: bool = False

    def value(self, cell: str) -> str:
        """What a cell tells, as the contract writes it; a text that is no number or date as it is.

        CellError when it is one in either notation, and the column has none, and for percentages.
        """
        if isinstance(cell, NumberText):
            return cell
        readings = self.readings(cell)
        if self.is_given and self.notation:
            return readings.get(self.notation, cell)
        values = set(readings.values())
        if len(values) == 1:
            return values.pop()
        if self.notation and self.notation in readings:
            return readings[self.notation]
        if readings:
            raise _unclear(cell, readings)
        if self.readings is number_readings and _PERCENTAGE.fullmatch(_typed(cell)):
            detail = "it is a percentage; write it as a number, without the percent sign"
            raise CellError(Reason.NUMBER_INVALID, detail, cell, rule="percentage")
        return cell


def columns_in(sheet: Spreadsheet, kinds: Mapping[str, Readings]) -> dict[str, Column]:
    """The columns of numbers and of dates, by their names in the header; goes over all rows once.

    What the sheet's layout says of them goes before what their values do.
    """
    given: dict[Readings, Notation | None] = {
        number_readings: _GIVEN.get(sheet.layout.decimal_separator),
        date_readings: _GIVEN.get(sheet.layout.date_order),
    }
    told: dict[str, set[Notation]] = {column: set() for column in kinds}
    places = [(sheet.header.index(column), readings, told[column]) for column, readings in kinds.items()]
    for _, cells in sheet.rows:
        if len(cells) > len(sheet.header):
            # Cut in the wrong places, it is refused as a whole.
            continue
        for place, readings, notations in places:
            if (cell := cells[place]) and not isinstance(cell, NumberText):
                notations |= told_by(readings(cell))
    return {
        column: Column(readings, given[readings] or _decided(column, kinds, told), given[readings] is not None)
        for column, readings in kinds.items()
    }


def with_clear_numbers(header: Sequence[str], cells: Sequence[str], kinds: Container[str]) -> tuple[str, ...]:
    """The cells of a row as texts; a number that could be another one as a text has a decimal more: 1.2340."""
    columns = [*header, *[""] * (len(cells) - len(header))]
    return tuple(
        f"{cell}0" if isinstance(cell, NumberText) and column in kinds and len(number_readings(cell)) > 1 else cell
        for column, cell in zip(columns, cells, strict=False)
    )


def told_by(readings: Mapping[Notation, str]) -> frozenset[Notation]:
    """The notation that a value is in of necessity; none when it reads the same, or is something, in both."""
    return frozenset(readings) if len(readings) == 1 else frozenset()


def _decided(column: str, kinds: Mapping[str, Readings], told: Mapping[str, set[Notation]]) -> Notation | None:
    """The one notation of the column's values, or of those of its kind if they tell nothing."""
    alike = (told[other] for other, readings in kinds.items() if readings is kinds[column])
    notations = told[column] or set().union(*alike)
    return next(iter(notations)) if len(notations) == 1 else None


def _unclear(cell: str, readings: Mapping[Notation, str]) -> CellError:
    rule = "date" if Notation.DAY_FIRST in readings else "number"
    # Of numbers the one with decimals first.
    one, other = sorted(readings.values(), key=lambda value: "." not in value)
    # A fourth decimal leaves no doubt.
    clear = f"{one}0" if rule == "number" else one
    setting = "layout.date_order" if rule == "date" else "layout.decimal_separator"
    detail = (
        f"it may be {one} or {other}, and no other value of the file says which; "
        f"write it as {clear} or {other}, or set {setting}"
    )
    told = {"rule": rule, "one": one, "other": other, "clear": clear, "setting": setting}
    return CellError(Reason.NOTATION_UNCLEAR, detail, cell, **told)


def _typed(text: str) -> str:
    if len(text) > _MAX_CHARACTERS:
        return ""
    return " ".join(unicodedata.normalize("NFKC", text).replace("’", "'").split())


def _plain_number(match: re.Match[str]) -> str:
    whole = re.sub("[^0-9]", "", match[1])
    return f"{whole}.{match[3]}" if match[3] else whole


def _day(year: str, month: str, day: str) -> str | None:
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None
