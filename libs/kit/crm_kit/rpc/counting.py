"""How many fields a message has, counted in its bytes before any of them becomes an object.

Two bytes make a message in a list: reading a megabyte of them takes long, and a hundred times the memory.
"""

import re
from functools import cache

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

VARINT, BYTES = 0, 2
# Of numbers that have always as many bytes.
FIXED_BYTES = {1: 8, 5: 4}
# Deeper than any message of the contract, and less than the parser takes.
MAX_DEPTH = 50
MAX_NUMBER_BYTES = 10
NUMBER = re.compile(rb"[\x80-\xff]{0,9}[\x00-\x7f]")
Nested = dict[int, Descriptor]
Packed = frozenset[int]
TEXTS = {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}


class TooMuchError(Exception):
    """A message that has more fields than it may, or something that nobody writes."""


def count_fields(data: bytes, kind: type[Message], limit: int) -> None:
    """TooMuchError when a message of this kind has more than so many fields, those of messages in it included.

    What is no such message at all is left to who reads it.
    """
    at, left, end = 0, limit, len(data)
    nested, packed = _holding(kind.DESCRIPTOR)
    around: list[tuple[int, Nested, Packed]] = []
    try:
        while at < end or around:
            if at >= end:
                end, nested, packed = around.pop()
                continue
            # Nearly all are of one byte, and there are many.
            tag, at = (data[at], at + 1) if data[at] < 0x80 else varint(data, at)
            wire, left = tag & 7, left - 1
            if wire == BYTES:
                size, at = (data[at], at + 1) if data[at] < 0x80 else varint(data, at)
                if size and tag in nested:
                    # Its fields come next.
                    around.append((end, nested, packed))
                    end, (nested, packed) = at + size, _holding(nested[tag])
                    size = 0
                elif tag in packed:
                    # Each number of a list has a byte at least.
                    left -= size
                at += size
            elif wire == VARINT:
                at = end_of_number(data, at)
            elif wire in FIXED_BYTES:
                at += FIXED_BYTES[wire]
            else:
                raise TooMuchError
            if left < 0 or len(around) >= MAX_DEPTH:
                raise TooMuchError
    except IndexError:
        # It ends in the middle of a number.
        return


@cache
def _holding(kind: Descriptor) -> tuple[Nested, Packed]:
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
