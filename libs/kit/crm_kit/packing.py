"""Values of a row as few bytes, with their types: what page tokens carry."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

OrderValue = str | int | Decimal | datetime | date | UUID | None

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def pack(values: Iterable[OrderValue]) -> bytes:
    """Of each value one letter for the type, two bytes for the length, the value."""
    contents = map(_content_of, values)
    return b"".join(kind + len(content).to_bytes(2, "big") + content for kind, content in contents)


def _content_of(value: OrderValue) -> tuple[bytes, bytes]:
    match value:
        case None:
            return b"n", b""
        case str():
            return b"s", value.encode()
        case bool():
            return b"b", bytes([value])
        case int():
            return b"i", str(value).encode()
        case Decimal():
            return b"d", str(value).encode()
        case UUID():
            return b"u", value.bytes
        case datetime():
            return b"t", str((value - _EPOCH) // _MICROSECOND).encode()
        case date():
            return b"c", str(value.toordinal()).encode()
    raise TypeError(f"rows cannot be ordered by a {type(value).__name__}")


def unpack(body: bytes) -> tuple[OrderValue, ...]:
    """The values that were packed."""
    values: list[OrderValue] = []
    while body:
        length = int.from_bytes(body[1:3], "big")
        values.append(_value_of(body[:1], body[3 : 3 + length]))
        body = body[3 + length :]
    return tuple(values)


def _value_of(kind: bytes, content: bytes) -> OrderValue:
    match kind:
        case b"n":
            return None
        case b"s":
            return content.decode()
        case b"b":
            return content == b"\x01"
        case b"i":
            return int(content)
        case b"d":
            return Decimal(content.decode())
        case b"u":
            return UUID(bytes=content)
        case b"t":
            return _EPOCH + int(content) * _MICROSECOND
        case b"c":
            return date.fromordinal(int(content))
    raise ValueError(f"{kind!r} is no kind of value")
