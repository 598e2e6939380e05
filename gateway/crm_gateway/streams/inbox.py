"""What waits to be told on a stream, in the order it was offered."""

import asyncio
from dataclasses import dataclass

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


class Inbox:
    """What a stream was offered and has not told yet, in order. What is too much is dropped, and it says so."""

    def __init__(self) -> None:
        self._waiting: list[Told | Reset] = []
        self._filled = asyncio.Event()
        self.overflowed = False

    def put(self, item: Told | Reset) -> None:
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
        self.overflowed = False

    @property
    def is_empty(self) -> bool:
        return not self._waiting and not self.overflowed

    async def take(self) -> list[Told] | Reset:
        """The next events, or a reset; waits for them. BehindError when some were dropped."""
        await self._filled.wait()
        if self.overflowed:
            raise BehindError
        first = self._waiting[0]
        if isinstance(first, Reset):
            self._drop(1)
            return first
        found: list[Told] = []
        for each in self._waiting[:MAX_AT_ONCE]:
            if isinstance(each, Reset):
                break
            found.append(each)
        self._drop(len(found))
        return found

    def _drop(self, count: int) -> None:
        del self._waiting[:count]
        if not self._waiting:
            self._filled.clear()
