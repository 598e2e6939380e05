"""Rows as CSV (RFC 4180) in UTF-8 with a byte order mark, which spreadsheets need to read Chinese.

A cell that a spreadsheet would take for a formula begins with an apostrophe (OWASP, "CSV Injection"); numbers and
telephone numbers are no formulas and stay as they are.
"""

import csv
import io
import re
from collections.abc import Sequence

MEDIA_TYPE = "text/csv; charset=utf-8"
FORMULA = re.compile(r"[=+\-@\t\r]")
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


class CsvFile:
    """Gathers rows and gives back the bytes of those since the last time."""

    def __init__(self) -> None:
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text)
        self._text.write("\ufeff")

    def write(self, row: Sequence[str]) -> None:
        """Add a row."""
        self._writer.writerow([neutral(cell) for cell in row])

    def take(self) -> bytes:
        """The bytes since the last time."""
        data = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        return data

    def end(self) -> bytes:
        """The last bytes."""
        return self.take()


def neutral(cell: str) -> str:
    """A cell that no spreadsheet computes."""
    return f"'{cell}" if FORMULA.match(cell) and not NUMBER.fullmatch(cell) else cell
