"""Answers that are large: how they are written while others are served, and what unread ones take of the memory.

They are made on a thread, one after the other: Python lets threads take turns every few milliseconds, so a page of
10 MB holds nobody up; with several at once nobody would get a turn for long.

What a client does not read stays in memory until it does, so a tenant, and all together, have so many bytes of it.
Where these are taken, the next answer waits, and connections are cut off, those first of the user who holds the most:
nobody keeps colleagues or other tenants from their answers for longer than it takes to read one. What cannot wait is
refused, if it was a read. A write has been done: its answer is given.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from crm_gateway.exchange import Exchange
from crm_gateway.problems import Problem, ProblemError

Made = TypeVar("Made")

# Bytes of an answer as they come from the service; it takes 30 ms to write JSON of so many.
MAX_BYTES_AT_ONCE = 256 * 1024
# One that is larger than these has room while it is the only one.
MAX_TENANT_BYTES = 32 << 20
MAX_TOTAL_BYTES = 128 << 20
# Of answers that wait for room: these are messages, which take several times as much.
MAX_WAITING_BYTES = 16 << 20
WAIT_SECONDS = 5.0
# So long a client may take over an answer, whoever waits.
READING_SECONDS = 2.0
LOOK_SECONDS = 0.1

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large-answers")


@dataclass(slots=True)
class Held:
    """What an exchange holds, in bytes, and since when, on the clock of the process."""

    exchange: Exchange
    size: int
    since: float


class LargeAnswers:
    """The large answers of this process that clients have not read to their end."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._held: dict[int, Held] = {}
        self._waiting = 0

    async def written(self, exchange: Exchange, size: int, write: Callable[[], Made], *, is_read: bool = True) -> Made:
        """What `write` makes of a message of so many bytes, once there is `room` for it."""
        if size <= MAX_BYTES_AT_ONCE:
            return write()
        await self.room(exchange, size, is_read=is_read)
        return await asyncio.get_running_loop().run_in_executor(_thread, write)

    async def room(self, exchange: Exchange, size: int, *, is_read: bool = True) -> None:
        """Wait until so many bytes have room, and hold them.

        ProblemError RATE_LIMITED when too many answers wait for readers, and this one is that of a read.
        """
        if not self._has_room(exchange, size):
            await self._wait_for_room(exchange, size, is_read=is_read)
        self.hold(exchange, size)

    def hold(self, exchange: Exchange, size: int) -> None:
        """Count what an exchange holds from now on, until it ends; what is small is not counted."""
        held = self._held.get(id(exchange))
        if held is not None:
            held.size, held.since = size, self._now()
        elif size > MAX_BYTES_AT_ONCE:
            self._held[id(exchange)] = Held(exchange, size, self._now())
            exchange.at_end.append(partial(self._held.__delitem__, id(exchange)))

    def _has_room(self, exchange: Exchange, size: int) -> bool:
        of_tenant, of_all = self._bytes_of(exchange.tenant_id), self._bytes_of(None)
        return (not of_tenant or of_tenant + size <= MAX_TENANT_BYTES) and (
            not of_all or of_all + size <= MAX_TOTAL_BYTES
        )

    async def _wait_for_room(self, exchange: Exchange, size: int, *, is_read: bool) -> None:
        if is_read and self._waiting + size > MAX_WAITING_BYTES:
            raise too_many()
        self._waiting += size
        try:
            until = self._now() + WAIT_SECONDS
            while not self._has_room(exchange, size) and self._now() < until:
                self._cut_off(exchange, size)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._waiting -= size
        if is_read and not self._has_room(exchange, size):
            raise too_many()

    def _cut_off(self, exchange: Exchange, size: int) -> None:
        """End one exchange in whose way somebody is: of whom holds the most the one that has been read for longest."""
        is_tenants = self._bytes_of(exchange.tenant_id) + size > MAX_TENANT_BYTES
        candidates = [
            each for each in self._held.values() if not is_tenants or each.exchange.tenant_id == exchange.tenant_id
        ]
        if not candidates:
            return
        tenant_id = _most(candidates, lambda each: each.exchange.tenant_id)
        of_tenant = [each for each in candidates if each.exchange.tenant_id == tenant_id]
        user_id = _most(of_tenant, lambda each: each.exchange.user_id)
        oldest = min((each for each in of_tenant if each.exchange.user_id == user_id), key=lambda each: each.since)
        if self._now() - oldest.since >= READING_SECONDS:
            oldest.exchange.cut_off()

    def _bytes_of(self, tenant_id: str | None) -> int:
        return sum(each.size for each in self._held.values() if tenant_id in (None, each.exchange.tenant_id))


def _most(held: list[Held], owner_of: Callable[[Held], str]) -> str:
    """The owner of most bytes."""
    sizes = Counter[str]()
    for each in held:
        sizes[owner_of(each)] += each.size
    return sizes.most_common(1)[0][0]


def too_many() -> ProblemError:
    """Nothing was done but read."""
    return ProblemError(Problem(429, "RATE_LIMITED", retry_after=1, text="RATE_LIMITED.unread"))
