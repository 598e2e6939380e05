"""The columns of an exported list, from the resource's message: one for each value that a person can read in a cell."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from crm_gateway.transcode.fields import is_map, is_plain_message, message_of

SEPARATOR = "; "
DEPTH = 3


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, which is the field's path, and how its text is taken from a record's JSON values."""

    heading: str
    read: Callable[[dict[str, Any]], str]


def columns_of(message: Descriptor, depth: int = DEPTH, above: tuple[str, ...] = ()) -> Iterator[Column]:
    """All columns of a message; those of a single nested object stand under its path, `amount.currency_code`."""
    for field in message.fields:
        path = (*above, field.name)
        if is_plain_message(field) and not is_map(field) and depth > 1:
            yield from columns_of(message_of(field), depth - 1, path)
        else:
            yield Column(".".join(path), _reader(path, field))


def _reader(path: tuple[str, ...], field: FieldDescriptor) -> Callable[[dict[str, Any]], str]:
    *parents, name = path

    def read(record: dict[str, Any]) -> str:
        owner: Any = record
        for parent in parents:
            owner = owner.get(parent)
            if owner is None:
                return ""
        return text_of(owner.get(name))

    return read


def text_of(value: Any) -> str:
    """A JSON value in a cell: lists of plain values apart by semicolons, anything deeper as JSON."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case list() if not any(isinstance(each, list | dict) for each in value):
            return SEPARATOR.join(map(text_of, value))
        case list() | dict():
            return orjson.dumps(value).decode() if value else ""
    return str(value)
