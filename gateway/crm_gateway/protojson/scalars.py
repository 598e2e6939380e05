"""JSON values to field values, strictly typed, and the text forms that queries and paths use.

A converter takes what `orjson.loads` gave and returns what the message takes, or raises `Refused`.
"""

import binascii
import math
import re
import struct
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any

Convert = Callable[[Any], Any]

_INTEGER_TEXT = re.compile(r"-?(0|[1-9][0-9]{0,19})")
_NUMBER_TEXT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_URL_SAFE = str.maketrans("-_", "+/")
_LARGEST_FLOAT = 3.4028234663852886e38
# Words of the catalogue.
_JSON_NAMES = {
    str: "text",
    bool: "boolean",
    int: "number",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}


class Refused(Exception):
    """A value its field cannot take. `rule` is the rule it breaks; for variant and values see `problems.violation`."""

    def __init__(self, rule: str, variant: str = "", **values: object) -> None:
        super().__init__(rule, variant, values)
        self.rule = rule
        self.variant = variant
        self.values = values


def expected(what: str, got: object) -> Refused:
    """A value of the wrong JSON type; `what` is a word of the catalogue."""
    return Refused("type", expected=what, got=_JSON_NAMES.get(type(got), "other"))


def text(value: object) -> str:
    if type(value) is str:
        return value
    raise expected("text", value)


def boolean(value: object) -> bool:
    if type(value) is bool:
        return value
    raise expected("boolean", value)


def _bounded(low: int, high: int) -> Convert:
    def convert(value: object) -> int:
        # JSON has one kind of number: 3.0 is the integer 3.
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int:
            raise expected("integer", value)
        if not low <= value <= high:
            raise Refused("range", min=low, max=high)
        return value

    return convert


def _bounded_text(low: int, high: int) -> Convert:
    bounded = _bounded(low, high)

    def convert(value: object) -> int:
        if type(value) is str:
            if not _INTEGER_TEXT.fullmatch(value):
                raise Refused("format", "integer")
            value = int(value)
        return int(bounded(value))

    return convert


int32 = _bounded(-(2**31), 2**31 - 1)
uint32 = _bounded(0, 2**32 - 1)
int64 = _bounded_text(-(2**63), 2**63 - 1)
uint64 = _bounded_text(0, 2**64 - 1)


def double(value: object) -> float:
    if type(value) is int or type(value) is float:
        return float(value)
    raise expected("number", value)


def single(value: object) -> float:
    number = double(value)
    try:
        # The largest float, not `inf`: packing refuses what does not fit.
        struct.pack("<f", number)
    except OverflowError:
        raise Refused("range", "float") from None
    return number


def shortest(value: float) -> float:
    """The shortest decimal that reads back as the same 32-bit float, so that 0.1 is written 0.1."""
    if math.isfinite(value):
        packed = struct.pack("<f", value)
        for digits in (6, 7, 8):
            candidate = float(f"{value:.{digits}g}")
            if abs(candidate) <= _LARGEST_FLOAT and struct.pack("<f", candidate) == packed:
                return candidate
    return value


def from_base64(value: object) -> bytes:
    raw = text(value)
    try:
        # Both alphabets are taken, padded or not, as the proto3 JSON mapping wants.
        standard = raw.translate(_URL_SAFE).rstrip("=")
        return b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Refused("format", "base64") from None


def enum_number(numbers: Mapping[str, int], choices: str) -> Convert:
    """A converter from names to numbers; the refusal names the choices."""

    def convert(value: object) -> int:
        number = numbers.get(value) if type(value) is str else None
        if number is None:
            raise Refused("enum", choices=choices) if type(value) is str else expected("text", value)
        return number

    return convert


def number_from_text(raw: str) -> object:
    """A number of a query or path as JSON would have given it; the text itself when it is none."""
    if _INTEGER_TEXT.fullmatch(raw):
        return int(raw)
    if _NUMBER_TEXT.fullmatch(raw) and math.isfinite(number := float(raw)):
        return number
    return raw


def boolean_from_text(raw: str) -> object:
    return {"true": True, "false": False}.get(raw, raw)
