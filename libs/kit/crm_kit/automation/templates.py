"""Values within the texts of a request: of the record, `{{record.owner_id}}`, and of the time, `{{cause.date+3d}}`.

Times are reckoned from what set the rule off. A text that is nothing else becomes the value itself, a number or an
object as it is; within a longer text it is written out. There is no more to it: no functions, no conditions.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from crm_kit.filtering.words import instant_after

RECORD = r"record\.([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*)"
CAUSE = r"cause\.(?:(date)([+-][0-9]{1,4}[dw])?|time([+-][0-9]{1,4}[mhdw])?)"
TOKEN = re.compile(rf"\{{\{{\s*(?:{RECORD}|{CAUSE})\s*\}}\}}")
BEGINS = "{{"


@dataclass(frozen=True, slots=True)
class Reckoned:
    """So much after or before what set the rule off: `+3d`; the day of that, or the very instant."""

    is_date: bool
    later: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """When what set a rule off was, in the tenant's zone."""

    time: datetime
    zone: ZoneInfo

    def reckon(self, reckoned: Reckoned) -> str:
        """As JSON has it. Days are those of the calendar, as in filters."""
        instant = instant_after(self.time, reckoned.later, self.zone)
        if reckoned.is_date:
            return instant.astimezone(self.zone).date().isoformat()
        return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


Named = str | Reckoned
"""What a text names: the path of a field of the record, or a time."""


def tokens_in(value: object, place: str) -> Iterator[tuple[str, Named | None]]:
    """Each text that names a value: its path, and what it names; None for what begins like one and is none."""
    match value:
        case str():
            yield from ((place, _named(match)) for match in TOKEN.finditer(value))
            if BEGINS in TOKEN.sub("", value):
                yield place, None
        case Mapping():
            for name, each in value.items():
                yield from tokens_in(each, f"{place}.{name}" if place else name)
        case list() | tuple():
            for at, each in enumerate(value):
                yield from tokens_in(each, f"{place}[{at}]")


def paths_in(value: object) -> Iterator[str]:
    """The fields of the record that texts name."""
    return (named for _, named in tokens_in(value, "") if isinstance(named, str))


def filled(value: Any, read: Callable[[Named], Any]) -> Any:
    """The value with those that its texts name, as JSON has them."""
    match value:
        case str():
            whole = TOKEN.fullmatch(value)
            return read(_named(whole)) if whole else text_of(value, read)
        case Mapping():
            return {name: filled(each, read) for name, each in value.items()}
        case list() | tuple():
            return [filled(each, read) for each in value]
    return value


def text_of(text: str, read: Callable[[Named], Any]) -> str:
    """A text with the values that it names written out in it."""
    return TOKEN.sub(lambda match: written(read(_named(match))), text)


def _named(match: re.Match[str]) -> Named:
    path, date, days, later = match.groups()
    return path or Reckoned(date is not None, days or later or "")


def written(value: Any) -> str:
    """A value within a longer text."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case {"amount": amount, "currency_code": currency_code}:
            return f"{amount} {currency_code}"
        case list():
            return ", ".join(map(written, value))
    return str(value)


def value_at(record: Mapping[str, Any], path: str) -> Any:
    """The value of a field, or of one within an object; None where there is none."""
    value: Any = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
