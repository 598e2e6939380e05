"""Answers that are large: how they are written while others are served, and what unread ones take of the memory.

They are made on a thread, one after the other. JSON takes several times what its message does, so each gets its room
only when those before it are made, and what they hold is known.

What a client does not read stays in memory until it does, so a tenant, and all together, have so many bytes of it.
Where these are taken, the next answer waits, and connections are cut off, those first of the user who holds the most:
nobody keeps colleagues or other tenants from their answers for longer than it takes to read one. Room that is free
again goes to who holds the least. What waits has a bound, too: beyond it the user who waits with the most is refused,
and what has waited for too long, if it was a read. A write has been done: its answer is given.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from crm_gateway.exchange import Exchange
from crm_gateway.long_work import MAX_BYTES_AT_ONCE, on_thread
from crm_gateway.problems import Problem, ProblemError

Made = TypeVar("Made")

# One that is larger than these has room while it is the only one.
MAX_TENANT_BYTES = 32 << 20
MAX_TOTAL_BYTES = 128 << 20
# Of reads that wait for room: these are messages, which take more than the bytes that came.
MAX_TENANT_WAITING_BYTES = 32 << 20
MAX_WAITING_BYTES = 128 << 20
# Also for those that are made before.
WAIT_SECONDS = 10.0
# So long a client may take over an answer, whoever waits.
READING_SECONDS = 2.0


@dataclass(slots=True)
class Held:
    """What an exchange holds, in bytes, and since when it is read, on the clock of the process; None: not yet."""

    exchange: Exchange
    size: int
    since: float | None = None
    is_cut_off: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """An answer of so many bytes that waits for room; whether it gets any is told once."""

    exchange: Exchange
    size: int
    is_read: bool
    has_room: "asyncio.Future[bool]"


Share = TypeVar("Share", Held, Waiting)


class LargeAnswers:
    """The large answers of this process that clients have not read to their end."""

    def __init__(self) -> None:
        self._held: dict[int, Held] = {}
        # In the order in which they came.
        self._waiting: list[Waiting] = []
        self._next_look: asyncio.TimerHandle | None = None

    async def written(self, exchange: Exchange, size: int, write: Callable[[], Made], *, is_read: bool = True) -> Made:
        """What `write` makes of a message of so many bytes, once there is `room` for it."""
        if size <= MAX_BYTES_AT_ONCE:
            return write()
        return await self.written_on_thread(exchange, size, write, is_read=is_read)

    async def written_on_thread(
        self, exchange: Exchange, size: int, write: Callable[[], Made], *, is_read: bool = True
    ) -> Made:
        """The same for what takes a while even when it is small."""
        await self.room(exchange, size, is_read=is_read)
        return await on_thread(write)

    async def room(self, exchange: Exchange, size: int, *, is_read: bool = True) -> None:
        """Wait until so many bytes have room, and hold them instead of what the exchange holds.

        ProblemError RATE_LIMITED when too many answers wait for readers, and this one is that of a read.
        """
        self.hold(exchange, 0)
        if size <= MAX_BYTES_AT_ONCE:
            return
        if self._waiting or self._is_making_one or not self._fits(exchange, size):
            await self._wait_for_room(exchange, size, is_read=is_read)
        else:
            self._take(exchange, size)

    def hold(self, exchange: Exchange, size: int) -> None:
        """Count what a client reads from now on, until the exchange ends; what is small is not counted."""
        if size > MAX_BYTES_AT_ONCE:
            self._take(exchange, size)
        if (held := self._held.get(id(exchange))) is not None:
            held.size, held.since = size, time.monotonic()
            self._look_in(0)

    def _take(self, exchange: Exchange, size: int) -> None:
        """Count an answer that is about to be made."""
        held = self._held.get(id(exchange))
        if held is None:
            held = self._held[id(exchange)] = Held(exchange, size)
            exchange.at_end.append(partial(self._release, exchange))
        held.size, held.since = size, None

    def _release(self, exchange: Exchange) -> None:
        self._held.pop(id(exchange), None)
        self._look_in(0)

    async def _wait_for_room(self, exchange: Exchange, size: int, *, is_read: bool) -> None:
        waiting = Waiting(exchange, size, is_read, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._look()
        self._refuse_beyond_bounds(exchange.tenant_id)
        try:
            await asyncio.wait([waiting.has_room], timeout=WAIT_SECONDS)
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                self._look_in(0)
        if not waiting.has_room.done() and not is_read:
            self._take(exchange, size)
        elif not waiting.has_room.done() or not waiting.has_room.result():
            raise too_many()

    def _refuse_beyond_bounds(self, tenant_id: str) -> None:
        """Refuse the last that came of whoever waits with the most; one by itself may wait, however large it is."""
        for is_shared, bound in ((False, MAX_TENANT_WAITING_BYTES), (True, MAX_WAITING_BYTES)):
            last_first = [
                each
                for each in reversed(self._waiting)
                if each.is_read and (is_shared or each.exchange.tenant_id == tenant_id)
            ]
            while len(last_first) > 1 and _sum(last_first) > bound:
                refused = _of_most(last_first)[0]
                last_first.remove(refused)
                self._decide(refused, has_room=False)

    def _decide(self, waiting: Waiting, *, has_room: bool) -> None:
        self._waiting.remove(waiting)
        waiting.has_room.set_result(has_room)

    def _look_in(self, seconds: float) -> None:
        """Look whom there is room for, and who has to make some, after so many seconds."""
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None
        if self._waiting:
            self._next_look = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        while (found := self._next()) is not None:
            self._decide(found, has_room=True)
            self._take(found.exchange, found.size)
        waits = [seconds for each in self._first() if (seconds := self._make_room(each)) is not None]
        if waits:
            self._look_in(min(waits))

    @property
    def _is_making_one(self) -> bool:
        return any(each.since is None for each in self._held.values())

    def _next(self) -> Waiting | None:
        if self._is_making_one:
            return None
        return next((each for each in self._first() if self._fits(each.exchange, each.size)), None)

    def _first(self) -> Iterator[Waiting]:
        """Whose turn it is, of each tenant: first who holds the least, then who came first.

        Nobody passes who is the first of a tenant, and nobody at all who does not fit beside the other tenants.
        """
        # Counted once for all that wait: hundreds may, and the loop does nothing else meanwhile.
        of_tenants, of_users = Counter[str](), Counter[tuple[str, str]]()
        for held in self._held.values():
            of_tenants[held.exchange.tenant_id] += held.size
            of_users[held.exchange.tenant_id, held.exchange.user_id] += held.size

        def held_by_owner(waiting: Waiting) -> tuple[int, int]:
            tenant_id, user_id = waiting.exchange.tenant_id, waiting.exchange.user_id
            return of_tenants[tenant_id], of_users[tenant_id, user_id]

        tenants = set[str]()
        for each in sorted(self._waiting, key=held_by_owner):
            if each.exchange.tenant_id not in tenants:
                tenants.add(each.exchange.tenant_id)
                yield each
                if not self._fits_beside_all(each.size):
                    return

    def _make_room(self, waiting: Waiting) -> float | None:
        """Cut off who has had long enough, those first who hold the most; in how many seconds to look at the next.

        None where nobody has to go, or none of them has begun to read.
        """
        exchange, size = waiting.exchange, waiting.size
        is_tenants = not self._fits_beside_tenant(exchange, size)
        bound = MAX_TENANT_BYTES if is_tenants else MAX_TOTAL_BYTES
        in_the_way = self._held_by(exchange.tenant_id) if is_tenants else list(self._held.values())
        while staying := [each for each in in_the_way if not each.is_cut_off]:
            if _sum(staying) + size <= bound:
                return None
            read = [(each.since, each) for each in _of_most(staying) if each.since is not None]
            if not read:
                return None
            since, longest = min(read, key=lambda each: each[0])
            if (left := since + READING_SECONDS - time.monotonic()) > 0:
                return left
            longest.is_cut_off = True
            longest.exchange.cut_off()
        return None

    def _fits(self, exchange: Exchange, size: int) -> bool:
        return self._fits_beside_tenant(exchange, size) and self._fits_beside_all(size)

    def _fits_beside_tenant(self, exchange: Exchange, size: int) -> bool:
        return _fits_beside(self._held_by(exchange.tenant_id), size, MAX_TENANT_BYTES)

    def _fits_beside_all(self, size: int) -> bool:
        return _fits_beside(self._held.values(), size, MAX_TOTAL_BYTES)

    def _held_by(self, tenant_id: str) -> list[Held]:
        return [each for each in self._held.values() if each.exchange.tenant_id == tenant_id]


def _fits_beside(held: Iterable[Held], size: int, bound: int) -> bool:
    taken = _sum(held)
    return not taken or taken + size <= bound


def _sum(shares: Iterable[Held | Waiting]) -> int:
    return sum(each.size for each in shares)


def _of_most(shares: Sequence[Share]) -> list[Share]:
    """Those of the user with the most bytes, of the tenant with the most; of equals, of the first."""
    tenant_id = _most(shares, lambda each: each.exchange.tenant_id)
    of_tenant = [each for each in shares if each.exchange.tenant_id == tenant_id]
    user_id = _most(of_tenant, lambda each: each.exchange.user_id)
    return [each for each in of_tenant if each.exchange.user_id == user_id]


def _most(shares: Sequence[Share], owner_of: Callable[[Share], str]) -> str:
    """The owner of most bytes."""
    sizes = Counter[str]()
    for each in shares:
        sizes[owner_of(each)] += each.size
    return sizes.most_common(1)[0][0]


def too_many() -> ProblemError:
    """Nothing was done but read."""
    return ProblemError(Problem(429, "RATE_LIMITED", retry_after=1, text="RATE_LIMITED.unread"))
