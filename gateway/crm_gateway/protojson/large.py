"""JSON text of large answers, written in parts: one of 40 MB in a single step would hold up everybody else."""

from collections.abc import Iterator
from typing import Any

from crm_gateway.long_work import MAX_BYTES_AT_ONCE
from crm_gateway.protojson.encoder import json_bytes

Text = bytes | bytearray

# How deep records stand in an answer: `included`, its collection, the id.
_DEPTH = 3


def json_text(value: object, size: int) -> Text:
    """JSON values of a message of so many bytes as text."""
    if size <= MAX_BYTES_AT_ONCE:
        return json_bytes(value)
    text = bytearray()
    for part in json_parts(value):
        text += part
    return text


def json_parts(value: Any, depth: int = _DEPTH) -> Iterator[bytes]:
    """The same text as in one piece, cut between records."""
    if depth and value and isinstance(value, dict):
        for at, (name, each) in enumerate(value.items()):
            yield b"%s%s:" % (b"," if at else b"{", json_bytes(name))
            yield from json_parts(each, depth - 1)
        yield b"}"
    elif depth and value and isinstance(value, list):
        for at, each in enumerate(value):
            yield b"," if at else b"["
            yield from json_parts(each, depth - 1)
        yield b"]"
    else:
        yield json_bytes(value)
