"""The columns of an exported list, from the resource's message: one for each value that a person can read in a cell."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor

from crm_gateway.texts.catalogue import Language
from crm_gateway.transcode.fields import is_custom, is_map, is_plain_message, message_of

SEPARATOR = "; "
DEPTH = 3
QUOTE = '"'
# What separates the values of a cell, here or where people wrote it, and what quotes one.
_APART = re.compile(r'[,;，；、|/\n"]')


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, which is the field's path, and how its text is taken from a record's JSON values."""

    heading: str
    # That of its value in the record, as in `fields=`: `amount.currency_code`, `custom.contract_no`.
    path: str
    read: Callable[[dict[str, Any]], str]


def columns_of(message: Descriptor, depth: int = DEPTH, above: tuple[str, ...] = ()) -> Iterator[Column]:
    """All columns of a message; those of a single nested object stand under its path, `amount.currency_code`."""
    for field in message.fields:
        path = (*above, field.name)
        if is_custom(field):
            # They have a column each, of which the contract knows nothing.
            continue
        if is_plain_message(field) and not is_map(field) and depth > 1:
            yield from columns_of(message_of(field), depth - 1, path)
        else:
            name = ".".join(path)
            yield Column(name, name, _reader(path))


def chosen(columns: Sequence[Column], paths: Iterable[str]) -> Iterator[Column]:
    """The columns at the paths and below them, in the order of the paths. KeyError names one where there is none."""
    for path in paths:
        found = [column for column in columns if column.path == path or column.path.startswith(f"{path}.")]
        if not found:
            raise KeyError(path)
        yield from found


def custom_columns(custom_fields: Iterable[Any], language: Language, others: Collection[Column]) -> Iterator[Column]:
    """A column for each custom field, under its label in the language or, without one, in the other.

    Where the label could mean another column, or another field's key, the heading is `custom.` with the key: no two
    columns are called alike, and an import takes each for what it is.
    """
    labels = {field.key: _label_of(field.label, language) for field in custom_fields}
    keys = [key for key, label in labels.items() if key != label.casefold()]
    meant = Counter([*(each.heading for each in others), *map(str.casefold, labels.values()), *keys])
    for key, label in labels.items():
        heading = label if meant[label.casefold()] == 1 else f"custom.{key}"
        yield Column(heading, f"custom.{key}", _reader(("custom", key)))


def _label_of(label: Any, language: Language) -> str:
    text: str = (label.zh or label.en) if language == "zh" else (label.en or label.zh)
    return text


def _reader(path: tuple[str, ...]) -> Callable[[dict[str, Any]], str]:
    *parents, name = path

    def read(record: dict[str, Any]) -> str:
        owner: Any = record
        for parent in parents:
            owner = owner.get(parent)
            if owner is None:
                return ""
        return text_of(owner.get(name))

    return read


def _told_apart(text: str) -> str:
    """A text among others in a cell: in double quotes where a separator in it would make two of it."""
    return f'"{text.replace(QUOTE, QUOTE * 2)}"' if _APART.search(text) else text


def text_of(value: Any) -> str:
    """A JSON value in a cell: lists of plain values apart by semicolons, anything deeper as JSON."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime():
            return orjson.dumps(value, option=orjson.OPT_UTC_Z).decode().strip('"')
        case list() if not any(isinstance(each, list | dict) for each in value):
            return SEPARATOR.join(_told_apart(text_of(each)) for each in value)
        case list() | dict():
            return orjson.dumps(value).decode() if value else ""
    return str(value)
