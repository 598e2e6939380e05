"""The heaviest requests of allowed size: whatever makes a parser, a validator or an encoder work longest for a byte."""

from collections.abc import Iterator, Mapping

from crm_gateway.protojson.fields import is_map, is_output_only, is_well_known
from google.protobuf.descriptor import Descriptor, FieldDescriptor

MIB = 1 << 20
DEPTH = 3


def list_of(item: bytes, size: int = MIB) -> bytes:
    """An object with one list of as many items as fit."""
    frame = b'{"a":[', b"]}"
    count = (size - len(frame[0]) - len(frame[1])) // (len(item) + 1)
    return frame[0] + b",".join([item] * count) + frame[1]


def object_of(count: int, last: bytes = b"") -> bytes:
    """An object with so many keys of six hexadecimal digits, and a last one."""
    keys = b",".join(b'"%06x":1' % at for at in range(count))
    return b"{" + keys + last + b"}"


def _nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


JSON: Mapping[str, bytes] = {
    "keys": object_of(MIB // 11),
    "a doubled key at the end": object_of(MIB // 11 - 2, b',"000000":1'),
    "as many keys as may be": object_of(19_000, b',"000000":1'),
    "empty lists": list_of(b"[]"),
    "empty objects": list_of(b"{}"),
    "objects with spaces": list_of(b'{"a":1 }'),
    "numbers": list_of(b"0"),
    "numbers with exponents": list_of(b"1e99"),
    "empty texts": list_of(b'""'),
    "lists in lists": list_of(b"[" * 20 + b" " + b"]" * 20),
    "as many values as may be": list_of(b"[" * 20 + b" " + b"]" * 20, 38_000),
    "one deep list": b'{"a":' + _nested(MIB // 2 - 3) + b"}",
    "a deep list behind a doubled key": b'{"a":[' + _nested(1000) + b'],"a":1}',
    "a number of a million digits": b'{"a":' + b"9" * (MIB - 6) + b"}",
    "escaped characters": b'{"a":"' + b"\\u4e00" * ((MIB - 8) // 6) + b'"}',
    "escaped quotes": b'{"a":"' + b'\\",[{' * ((MIB - 8) // 5) + b'"}',
    "a text without end": b'{"a":"' + b',[{"' * ((MIB - 8) // 4),
    "a text without end, of few quotes": b'{"a":"' + b'\\",,,,,,,,,,,' * 75_000,
    "commas in a text": b'{"a":"' + b"," * (MIB - 8) + b'"}',
}


def bodies(message: Descriptor, size: int) -> Iterator[tuple[str, bytes]]:
    """For each list and map of a request: a body of this size of nothing but empty, and of nothing but wrong items."""
    for path in _lists(message, DEPTH):
        name = ".".join(field.name for field in path)
        for item in ("{}" if path[-1].message_type is not None else '""', "9"):
            yield f"{name} of {item}", _wrapped(path, item, size).encode()


def _lists(message: Descriptor, depth: int) -> Iterator[tuple[FieldDescriptor, ...]]:
    for field in message.fields:
        if is_output_only(field):
            continue
        if field.is_repeated:
            yield (field,)
        nested = field.message_type
        if nested is not None and depth > 1 and not is_map(field) and not is_well_known(nested):
            for path in _lists(nested, depth - 1):
                yield (field, *path)


def _wrapped(path: tuple[FieldDescriptor, ...], item: str, size: int) -> str:
    *parents, field = path
    room = size - sum(len(parent.name) + 6 for parent in path)
    if is_map(field):
        entries = (f'"k{at:06}":{item}' for at in range(room // (len(item) + 11)))
        text = "{" + ",".join(entries) + "}"
    else:
        text = "[" + ",".join([item] * (room // (len(item) + 1))) + "]"
    text = f'{{"{field.name}":{text}}}'
    for parent in reversed(parents):
        text = f'{{"{parent.name}":[{text}]}}' if parent.is_repeated else f'{{"{parent.name}":{text}}}'
    return text
