"""One cell: any value as the text a person would read."""

import re
from datetime import date, datetime, time
from decimal import Decimal

from crm_kit.formulas import restored

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff]")
# What a number column leaves behind: 13800138000.0, 1.3800138000E+10.
_WHOLE_NUMBER = re.compile(r"(\d{7,})\.0+")
_SCIENTIFIC = re.compile(r"(\d)(?:\.(\d+))?[Ee]\+?(\d{1,2})")
# Spreadsheet programs show six significant digits; with more, the number was written out by a program.
_SHOWN_DIGITS = 6

ERROR_VALUES = frozenset(["#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"])
"""What a formula that failed leaves as its value."""


def cell_text(value: object) -> str:
    """A value of any cell as text: whole numbers without a point, dates as ISO 8601, nothing as ''."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{Decimal(repr(value)):f}"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
    if isinstance(value, (date, time)):
        return value.isoformat()
    return typed_text(str(value))


def typed_text(text: str) -> str:
    """A text cell without surrounding space, control characters, neutralization and number formatting."""
    clean = restored(_CONTROL.sub("", text).strip())
    whole = _WHOLE_NUMBER.fullmatch(clean)
    if whole:
        return whole[1]
    scientific = _SCIENTIFIC.fullmatch(clean)
    if scientific and len(scientific[2] or "") >= _SHOWN_DIGITS:
        number = Decimal(clean)
        return f"{number:.0f}" if number == number.to_integral_value() else f"{number:f}"
    return clean


def has_lost_digits(text: str) -> bool:
    """Whether a spreadsheet program shortened a long number to its first digits: 1.38E+10."""
    return bool(_SCIENTIFIC.fullmatch(text))
