"""Values of the record within the texts of an action's request: `{{record.owner_id}}`.

A text that is nothing else becomes the value itself, a number or an object as it is; within a longer text it is
written out. There is no more to it: no functions, no conditions.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

TOKEN = re.compile(r"\{\{\s*record\.([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*)\s*\}\}")
BEGINS = "{{"


def tokens_in(value: object, place: str) -> Iterator[tuple[str, str | None]]:
    """Each text that has values of the record: its path, and the field; None for what begins like one and is none."""
    match value:
        case str():
            yield from ((place, match[1]) for match in TOKEN.finditer(value))
            if BEGINS in TOKEN.sub("", value):
                yield place, None
        case Mapping():
            for name, each in value.items():
                yield from tokens_in(each, f"{place}.{name}" if place else name)
        case list() | tuple():
            for at, each in enumerate(value):
                yield from tokens_in(each, f"{place}[{at}]")


def filled(value: Any, read: Callable[[str], Any]) -> Any:
    """The value with those of the record, as JSON has them, where its texts name them."""
    match value:
        case str():
            whole = TOKEN.fullmatch(value)
            return read(whole[1]) if whole else TOKEN.sub(lambda match: written(read(match[1])), value)
        case Mapping():
            return {name: filled(each, read) for name, each in value.items()}
        case list() | tuple():
            return [filled(each, read) for each in value]
    return value


def text_of(text: str, read: Callable[[str], Any]) -> str:
    """A text with values of the record written out in it."""
    return TOKEN.sub(lambda match: written(read(match[1])), text)


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
