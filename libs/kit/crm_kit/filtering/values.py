"""Values in filters: from their text to what the field's type holds."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from lark import Token

from crm_kit.filtering.schema import FilterField
from crm_kit.filtering.tree import DATE_TEXT, NUMBER_TEXT, UUID_TEXT, FieldType, PhoneNumber, Value
from crm_kit.filtering.words import Period, read_word


class Unreadable(ValueError):
    """The text is no value of the type; the message is what was expected, `possible` the values where they are few."""

    def __init__(self, expected: str, *, possible: str = "") -> None:
        super().__init__(expected)
        self.possible = possible


_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_NUMBER = re.compile(NUMBER_TEXT)
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_DATE = re.compile(DATE_TEXT)
# RFC 3339 with at most microseconds, which is what the database keeps.
# Python from 3.14 on reads 24:00:00 as the next day, RFC 3339 has no such hour.
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_BOOL = re.compile("true|false")
_UUID = re.compile(UUID_TEXT)
_BIGINT = 1 << 63

EXPECTED = {
    FieldType.TEXT: "text",
    FieldType.NUMBER: "a number such as 12.5",
    FieldType.INTEGER: "a whole number such as 12",
    FieldType.MONEY: "an amount such as 1234.50",
    FieldType.DATE: "a date such as 2026-01-31, or a word such as today or next_month",
    FieldType.INSTANT: "an instant such as 2026-01-31T08:00:00Z, or a word such as now-7d or this_week",
    FieldType.BOOL: "true or false",
    FieldType.UUID: "an id such as 0197c0de-0000-7000-8000-000000000000",
    FieldType.TEXT_LIST: "text",
    FieldType.UUID_LIST: "an id such as 0197c0de-0000-7000-8000-000000000000",
}


def read_value(token: Token, field: FilterField) -> Value | Period:
    """The value a token stands for in this field. Unreadable says what was expected instead."""
    quoted = token.type == "QUOTED"
    word = None if quoted else _read_word(str(token), field)
    if word is not None:
        return word
    text = _ESCAPE.sub(r"\1", token[1:-1]) if quoted else str(token)
    if field.values:
        return _read_option(text, field)
    if field.phone_number:
        return PhoneNumber(text)
    if quoted and field.type in (FieldType.NUMBER, FieldType.INTEGER, FieldType.MONEY, FieldType.BOOL):
        raise Unreadable(f"{EXPECTED[field.type]}, without quotes")
    try:
        return _READERS[field.type](text)
    except (ValueError, OverflowError):
        or_word = f", or {field.word.value}" if field.word else ""
        raise Unreadable(EXPECTED[field.type] + or_word) from None


def _read_word(text: str, field: FilterField) -> Value | Period | None:
    if field.type in (FieldType.DATE, FieldType.INSTANT):
        return read_word(text)
    return field.word if field.word and text == field.word.value else None


def _read_option(text: str, field: FilterField) -> str:
    if text not in field.values:
        # Of the spellings of one value the shortest is shown.
        shown: dict[str, str] = {}
        for spelling, stored in field.values.items():
            shown[stored] = min(spelling, shown.get(stored, spelling), key=len)
        possible = ", ".join(shown.values())
        raise Unreadable(f"one of {possible}", possible=possible)
    return field.values[text]


def _read_decimal(text: str) -> Decimal:
    return Decimal(_matching(_NUMBER, text))


def _read_integer(text: str) -> int:
    value = int(_matching(_INTEGER, text))
    if not -_BIGINT <= value < _BIGINT:
        raise ValueError(text)
    return value


def _read_date(text: str) -> date:
    return date.fromisoformat(_matching(_DATE, text))


def _read_instant(text: str) -> datetime:
    return datetime.fromisoformat(_matching(_INSTANT, text)).astimezone(UTC)


def _read_bool(text: str) -> bool:
    return _matching(_BOOL, text) == "true"


def _read_uuid(text: str) -> UUID:
    return UUID(_matching(_UUID, text))


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(text)
    return text


_READERS: dict[FieldType, Callable[[str], Value]] = {
    FieldType.TEXT: str,
    FieldType.NUMBER: _read_decimal,
    FieldType.INTEGER: _read_integer,
    FieldType.MONEY: _read_decimal,
    FieldType.DATE: _read_date,
    FieldType.INSTANT: _read_instant,
    FieldType.BOOL: _read_bool,
    FieldType.UUID: _read_uuid,
    FieldType.TEXT_LIST: str,
    FieldType.UUID_LIST: _read_uuid,
}
