"""Rows as CSV (RFC 4180) in UTF-8 with a byte order mark, which spreadsheets need to read Chinese.

A cell that a spreadsheet would take for a formula begins with an apostrophe.
"""

import csv
import io
from collections.abc import Sequence

from crm_kit.formulas import neutralized
from crm_kit.spreadsheets.kinds import Kind

MEDIA_TYPE = "text/csv; charset=utf-8"


class CsvFile:
    """Gathers rows and gives back the bytes of those since the last time."""

    def __init__(self) -> None:
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text)
        self._text.write("\ufeff")

    def write(self, row: Sequence[str], _kinds: Sequence[Kind] = ()) -> None:
        """Add a row; all of it is text here."""
        self._writer.writerow([neutralized(cell) for cell in row])

    def take(self) -> bytes:
        """The bytes since the last time."""
        data = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        return data

    def end(self) -> bytes:
        """The last bytes."""
        return self.take()
