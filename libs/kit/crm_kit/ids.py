"""Ids of resources and events: UUID version 7 of RFC 9562, so that rows arrive in index order."""

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from asyncpg.pgproto import pgproto

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NANOSECONDS_A_MILLISECOND = 1_000_000
_VERSION_AND_VARIANT = 7 << 76 | 2 << 62
_RANDOM_BITS = (1 << 62) - 1


class _Ticks:
    """The clock of new ids: 1/4096 ms since 1970, never the same twice, never backwards.

    RFC 9562 section 6.2, method 3 (the bits after the millisecond carry its fraction), made strictly
    monotonic by counting on when the clock has not moved on or was set back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        milliseconds, rest = divmod(time.time_ns(), _NANOSECONDS_A_MILLISECOND)
        now = milliseconds << 12 | (rest << 12) // _NANOSECONDS_A_MILLISECOND
        with self._lock:
            self._last = now if now > self._last else self._last + 1
            return self._last


_ticks = _Ticks()


def new_id() -> UUID:
    """A UUIDv7 greater than every one this process made before. Threads may call it at the same time."""
    tick = _ticks.next()
    random = int.from_bytes(os.urandom(8), "big") & _RANDOM_BITS
    return id_from_bits((tick >> 12) << 80 | (tick & 0xFFF) << 64 | _VERSION_AND_VARIANT | random)


def id_from_bits(number: int) -> UUID:
    """The UUID of 128 bits. Of the driver's type, as ids from the database are: written in C, and sent as it is."""
    return pgproto.UUID(number.to_bytes(16, "big"))


def id_from_text(text: str) -> UUID:
    """The UUID in a text that a service wrote, such as an event's; ValueError where there is none."""
    return pgproto.UUID(text)


def id_time(id: UUID) -> datetime:
    """The instant a UUIDv7 was made, to the millisecond, in UTC. ValueError for other versions."""
    if id.version != 7:
        raise ValueError(f"{id} is not a UUID of version 7")
    return EPOCH + timedelta(milliseconds=id.int >> 80)
