"""What waits to be told on a stream, in the order it was offered."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from crm_kit.thin_events.model import EventType

from crm_gateway.streams.places import Place
from crm_gateway.streams.told import Told

# Events that wait for a reader who is slower than they come, and those that are told at once.
MAX_WAITING, MAX_AT_ONCE = 1000, 100


class BehindError(Exception):
    """The reader is so slow that what waits for them takes too much room."""


@dataclass(frozen=True, slots=True)
class Reset:
    """What came before the place may be incomplete."""

    place: Place
    reason: str


@dataclass(frozen=True, slots=True)
class Aside:
    """What is told of a record besides events, as it is when it is told: it has no place, and is not told again.

    `type` is any type of events of the record's collection.
    """

    name: str
    type: EventType
    record_id: str
    data: Callable[[], Mapping[str, object]]

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is about: its name, collection and record."""
        return self.name, self.type.collection, self.record_id


class Inbox:
    """What a stream was offered and has not told yet, in order. What is too much is dropped, and it says so."""

    def __init__(self) -> None:
        self._waiting: list[Told | Reset | Aside] = []
        self._filled = asyncio.Event()
        self.overflowed = False
        self._asides: set[tuple[str, str, str]] | None = None

    def put_aside(self, aside: Aside) -> None:
        """One that waits already tells the same."""
        self._asides = self._asides or set()
        if aside.key not in self._asides:
            self._asides.add(aside.key)
            self.put(aside)

    def put(self, item: Told | Reset | Aside) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.clear()
            self.overflowed = True
        if not self.overflowed:
            self._waiting.append(item)
        self._filled.set()

    def empty(self) -> None:
        """Forget all, and that it was too much."""
        self._waiting.clear()
        self._filled.clear()
        self._asides = None
        self.overflowed = False

    @property
    def is_empty(self) -> bool:
        return not self._waiting and not self.overflowed

    async def take(self) -> list[Told] | Reset | Aside:
        """The next events, or what is told by itself; waits for them. BehindError when some were dropped."""
        await self._filled.wait()
        if self.overflowed:
            raise BehindError
        first = self._waiting[0]
        if not isinstance(first, Told):
            self._drop(1)
            if isinstance(first, Aside) and self._asides is not None:
                self._asides.discard(first.key)
            return first
        found: list[Told] = []
        for each in self._waiting[:MAX_AT_ONCE]:
            if not isinstance(each, Told):
                break
            found.append(each)
        self._drop(len(found))
        return found

    def _drop(self, count: int) -> None:
        del self._waiting[:count]
        if not self._waiting:
            self._filled.clear()
