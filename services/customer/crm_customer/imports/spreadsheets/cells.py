"""One cell: any value as the text a person would read."""

import math
import re
from datetime import date, datetime, time
from decimal import Decimal

from crm_kit.composition import composed
from crm_kit.formulas import restored

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff]")
# What a number column leaves behind: 13800138000.0, 1.3800138000E+10.
_WHOLE_NUMBER = re.compile(r"(\d{7,})\.0+")
_SCIENTIFIC = re.compile(r"(\d)(?:[.,](\d+))?[Ee](\+?)0*(\d{1,3})")
# Spreadsheet programs show six significant digits; with more, the number was written out by a program.
_SHOWN_DIGITS = 6
# What spreadsheet programs keep of a number; the digits behind these are zeros that nobody typed.
_KEPT_DIGITS = 15

NOT_CALCULATED = "#NOT_CALCULATED"
"""Stands for a formula that was written by a program and never calculated."""

ERROR_VALUES = {
    **dict.fromkeys(
        ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"), "the formula of this cell has failed"
    ),
    NOT_CALCULATED: "the formula of this cell has no value yet; open the file in a spreadsheet program and save it",
}
"""What stands in the place of a formula's value, and what that means."""


class NumberText(str):
    """A number with decimals that was one in the file, written with a point: whoever typed it does not matter."""

    __slots__ = ()


def cell_text(value: object, shape: str = "") -> str:
    """A value of any cell as text: whole numbers without a point, dates as ISO 8601, nothing as ''.

    `shape` is how the cell shows whole numbers: a `0` for each digit that is shown even if it is none, such as
    `000-0000`; empty when it shows them as they are.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return number_text(value, shape)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
    if isinstance(value, (date, time)):
        return value.isoformat()
    return typed_text(str(value))


def number_text(number: float, shape: str = "") -> str:
    """A number with the digits that it has; one that has lost some stays in scientific notation."""
    if not math.isfinite(number):
        return "#NUM!"
    if abs(number) < 10**_KEPT_DIGITS and number == int(number):
        digits = str(int(number))
        return shaped(digits, shape) if shape and number >= 0 else digits
    exact = Decimal(number) if isinstance(number, int) else Decimal(f"{number:.{_KEPT_DIGITS}g}")
    if exact != exact.to_integral_value():
        return NumberText(f"{exact:f}")
    # Of a number that is written digit by digit, zeros behind the fifteenth tell that others stood there.
    significant = len(str(abs(int(exact))).rstrip("0"))
    if abs(exact) >= 10**_KEPT_DIGITS and (isinstance(number, float) or significant <= _KEPT_DIGITS):
        return f"{exact.normalize():E}"
    return f"{exact:.0f}"


def shaped(digits: str, shape: str) -> str:
    """Digits in the places that a shape has for them, from the last on: 12345 as `000-0000` is 001-2345."""
    spare = max(len(digits) - shape.count("0"), 0)
    # More digits than places stand where the first one is.
    places = iter([digits[: spare + 1], *digits[spare + 1 :]] if spare else digits.zfill(shape.count("0")))
    return "".join(next(places) if sign == "0" else sign for sign in shape)


def typed_text(text: str) -> str:
    """A text cell, composed and without surrounding space, control characters, neutralization and number formatting."""
    clean = composed(restored((text if text.isprintable() else _CONTROL.sub("", text)).strip()))
    if not clean[:1].isdigit():
        return clean
    whole = _WHOLE_NUMBER.fullmatch(clean)
    if whole:
        return whole[1]
    scientific = _SCIENTIFIC.fullmatch(clean)
    if scientific and _has_all_digits(scientific):
        number = Decimal(clean.replace(",", "."))
        return f"{number:.0f}" if number == number.to_integral_value() else NumberText(f"{number:f}")
    return clean


def _has_all_digits(scientific: re.Match[str]) -> bool:
    fraction, exponent = scientific[2] or "", int(scientific[4])
    return _SHOWN_DIGITS <= len(fraction) < _KEPT_DIGITS and exponent < _KEPT_DIGITS


def has_lost_digits(text: str) -> bool:
    """Whether a spreadsheet program shortened a long number to its first digits: 1.38E+10. `2E05` is a code."""
    scientific = _SCIENTIFIC.fullmatch(text)
    return bool(scientific and (scientific[2] or scientific[3]))
