"""Which bytes of a file a request asks for (RFC 9110, section 14)."""

import re

_ONE_RANGE = re.compile(r"bytes\s*=\s*(\d*)\s*-\s*(\d*)", re.IGNORECASE)
# More digits are beyond any file.
_MAX_DIGITS = 18


class Unsatisfiable(Exception):
    """None of the bytes that are asked for are there."""


def range_of(header: str, size: int) -> tuple[int, int] | None:
    """The first byte and the one behind the last; None where all are wanted.

    Several ranges, and what is none, are passed over, as a server may.
    """
    found = _ONE_RANGE.fullmatch(header.strip())
    if found is None or found.groups() == ("", "") or max(map(len, found.groups())) > _MAX_DIGITS:
        return None
    first, last = found.groups()
    if not first:
        wanted = min(int(last), size)
        if not wanted:
            raise Unsatisfiable
        return size - wanted, size
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise Unsatisfiable
    return int(first), min(int(last) + 1, size) if last else size
