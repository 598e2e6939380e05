"""Places in the broker's stream of all events: how a reader says how far it has come.

Messages are numbered, but numbers alone do not do: a broker that lost its last seconds gives them out again, and one
that is new begins with 1. So a place has a checksum of the message too, by which it is known again.
"""

import re
import zlib
from dataclasses import dataclass, field

_TEXT = re.compile(r"([0-9a-f]{1,15})-([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class Place:
    """Behind the message with this number; `subject` is what that travelled on, where it is known."""

    sequence: int
    checksum: int
    subject: str = field(default="", compare=False)

    @property
    def text(self) -> str:
        """As the `id` of an event has it."""
        return f"{self.sequence:x}-{self.checksum:08x}"


BEGINNING = Place(0, 0)
"""Before the first message."""


def place_behind(sequence: int, data: bytes, subject: str = "") -> Place:
    """The place behind a message."""
    return Place(sequence, zlib.crc32(data), subject)


def place_from(text: str) -> Place | None:
    """The place that an id says; None for what is no id."""
    found = _TEXT.fullmatch(text)
    return None if found is None else Place(int(found[1], 16), int(found[2], 16))


def later(one: Place, other: Place) -> Place:
    """The later of two places."""
    return one if one.sequence >= other.sequence else other


def goes_on(place: Place, *, first: int, last: int, data: bytes | None) -> bool:
    """Whether nothing is missing behind a place in a stream that has the messages `first` to `last`.

    `data` is the message at the place, if it is still there. When all that is gone came no later than the place,
    nothing behind it is.
    """
    if place.sequence > last or place.sequence < first - 1:
        return False
    return place.sequence < first or (data is not None and zlib.crc32(data) == place.checksum)
