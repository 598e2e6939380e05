"""How a file is laid out: what a person may tell of it, and what was found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    """`encoding` and `separator` are those of a text file, `sheet` is that of a workbook; `header_row` counts from 1.

    `decimal_separator` is `.` or `,`, `date_order` is DMY or MDY. Empty and 0: not told, so they are found out; of what
    was found: there is no such thing in this kind of file.
    """

    encoding: str = ""
    separator: str = ""
    sheet: str = ""
    header_row: int = 0
    decimal_separator: str = ""
    date_order: str = ""
