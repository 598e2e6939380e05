"""Large messages, read in parts: protobuf reads one in a single step, in which no other thread has a turn.

A message that is cut between its fields makes the same message when its parts are read one after the other:
https://protobuf.dev/programming-guides/encoding/#last-one-wins
"""

from collections.abc import Iterator
from typing import Any

from crm_gateway.long_work import MAX_BYTES_AT_ONCE, on_thread

# Kinds of fields on the wire; all others tell their length.
_VARINT = 0
_FIXED = {1: 8, 5: 4}


async def read_message(message_type: Any, data: bytes) -> Any:
    """The message of serialized bytes; a large one is read on the thread."""
    if len(data) <= MAX_BYTES_AT_ONCE:
        return message_type.FromString(data)
    return await on_thread(lambda: read_in_parts(message_type, data))


def read_in_parts(message_type: Any, data: bytes, size: int = MAX_BYTES_AT_ONCE) -> Any:
    """The same as `FromString`, in many steps."""
    message = message_type()
    for part in parts_of(data, size):
        message.MergeFromString(part)
    return message


def parts_of(data: bytes, size: int) -> Iterator[memoryview]:
    """A serialized message, cut between its fields as soon as a part has so many bytes."""
    view, start, at = memoryview(data), 0, 0
    while at < len(data):
        at = _end_of_field(data, at)
        if at - start >= size:
            yield view[start:at]
            start = at
    if start < at:
        yield view[start:]


def _end_of_field(data: bytes, at: int) -> int:
    tag, at = _varint(data, at)
    wire = tag & 7
    if wire in _FIXED:
        return at + _FIXED[wire]
    number, at = _varint(data, at)
    return at if wire == _VARINT else at + number


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends."""
    number, shift = 0, 0
    while data[at] & 0x80:
        number |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return number | data[at] << shift, at + 1
