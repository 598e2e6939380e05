"""How many fields a message has, counted in its bytes before any of them becomes an object.

Two bytes make a message in a list: reading a megabyte of them takes long, and a hundred times the memory.
"""

import re
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# Deeper than any message of the contract, and less than the parser takes.
MAX_DEPTH = 50
MAX_NUMBER_BYTES = 10
NUMBER = re.compile(rb"[\x80-\xff]{0,9}[\x00-\x7f]")
TEXTS = {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}


class TooMuchError(Exception):
    """A message that has more fields than it may, or something that nobody writes."""


def count_fields(data: bytes, kind: type[Message], limit: int) -> None:
    """TooMuchError when a message of this kind has more than so many fields, those of messages in it included.

    What is no such message at all is left to who reads it.
    """
    at, left = 0, limit
    kinds: list[Any] = [kind.DESCRIPTOR]
    ends = [len(data)]
    try:
        while kinds:
            if at >= ends[-1]:
                kinds.pop()
                ends.pop()
                continue
            tag, at = varint(data, at)
            wire, left = tag & 7, left - 1
            if wire == BYTES:
                size, at = varint(data, at)
                nested, packed = _holding(kinds[-1])
                if tag in nested:
                    # Its fields come next.
                    kinds.append(nested[tag])
                    ends.append(at + size)
                    size = 0
                elif tag in packed:
                    # Each number of a list has a byte at least.
                    left -= size
                at += size
            elif wire == VARINT:
                at = end_of_number(data, at)
            elif wire in {FIXED32, FIXED64}:
                at += 4 if wire == FIXED32 else 8
            else:
                raise TooMuchError
            if left < 0 or len(kinds) > MAX_DEPTH:
                raise TooMuchError
    except IndexError:
        # It ends in the middle of a number.
        return


@cache
def _holding(kind: Descriptor) -> tuple[dict[int, Descriptor], frozenset[int]]:
    """By tag, the messages that a message holds, and its lists of numbers."""
    nested = {field.number << 3 | BYTES: field.message_type for field in kind.fields if field.message_type is not None}
    packed = (field for field in kind.fields if field.is_repeated and field.message_type is None)
    return nested, frozenset(field.number << 3 | BYTES for field in packed if field.type not in TEXTS)


def end_of_number(data: bytes, at: int) -> int:
    """Where the number ends that stands there. IndexError when the data ends before."""
    found = NUMBER.match(data, at)
    if found is not None:
        return found.end()
    if len(data) - at < MAX_NUMBER_BYTES:
        raise IndexError
    raise TooMuchError


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that stands there, and where it ends. IndexError when the data ends before."""
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    value, shift = byte & 0x7F, 7
    while byte >= 0x80:
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
        if shift > 70:
            raise TooMuchError
    return value, at + 1
