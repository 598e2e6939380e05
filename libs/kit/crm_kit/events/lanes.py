"""Work side by side, of which what takes long holds up its own tenant only."""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

# Requests need connections too.
SIDE_BY_SIDE = 8
# Of one tenant: some are left for the others, whatever its events do.
OF_ONE_TENANT = 6
# A tenant's events are not waited for any longer, be it one that takes long or many that take their time.
LONG_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Lane:
    """Events of one tenant that are handled one after the other.

    `run` handles them, `wait` has them come again later; `stay` is called when they take long.
    """

    tenant_id: str
    run: Callable[[], Awaitable[None]]
    wait: Callable[[], Awaitable[None]]
    stay: Callable[[], None]


class Lanes:
    """Runs lanes, so many at a time and so many of a tenant, batch after batch."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[None], Lane] = {}
        self._long: set[asyncio.Task[None]] = set()
        # The tenants that have begun, with the time on the event loop's clock until which they are waited for.
        self._until: dict[str, float] = {}

    @property
    def has_long(self) -> bool:
        """Whether something goes on that is not waited for."""
        return bool(self._long)

    async def run(self, lanes: Iterable[Lane]) -> None:
        """Run all, and wait for all but those of tenants that take long; what such have not begun comes again."""
        waiting = deque(lanes)
        self._look()
        self._begin_anew()
        while True:
            self._look()
            for lane in self._overdue(waiting):
                waiting.remove(lane)
                await lane.wait()
            self._start(waiting)
            if not waiting and len(self._long) == len(self._running):
                return
            await self._until_something_happens()

    async def close(self) -> None:
        """End what still goes on."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()
        self._long.clear()
        self._until.clear()

    def _begin_anew(self) -> None:
        """Give every tenant its time again of which nothing goes on any more."""
        tenants = {lane.tenant_id for lane in self._running.values()}
        self._until = {tenant: until for tenant, until in self._until.items() if tenant in tenants}

    def _start(self, waiting: deque[Lane]) -> None:
        """Begin what may begin, in its order."""
        now = asyncio.get_running_loop().time()
        of_tenant = Counter(lane.tenant_id for lane in self._running.values())
        for lane in list(waiting):
            if len(self._running) >= SIDE_BY_SIDE:
                return
            if of_tenant[lane.tenant_id] < OF_ONE_TENANT:
                waiting.remove(lane)
                of_tenant[lane.tenant_id] += 1
                self._until.setdefault(lane.tenant_id, now + LONG_SECONDS)
                self._running[asyncio.ensure_future(lane.run())] = lane

    async def _until_something_happens(self) -> None:
        """Until one ends, or a tenant takes long from now on."""
        ends = [self._until[lane.tenant_id] for task, lane in self._running.items() if task not in self._long]
        seconds = max(0.0, min(ends) - asyncio.get_running_loop().time()) if ends else None
        await asyncio.wait(self._running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    def _look(self) -> None:
        """See which have ended, and which take long by now. What one failed with is raised."""
        now = asyncio.get_running_loop().time()
        ended = [task for task in self._running if task.done()]
        for task in ended:
            del self._running[task]
            self._long.discard(task)
        for task, lane in self._running.items():
            if self._until[lane.tenant_id] <= now and task not in self._long:
                self._long.add(task)
                lane.stay()
        for task in ended:
            with contextlib.suppress(asyncio.CancelledError):
                task.result()

    def _overdue(self, waiting: Iterable[Lane]) -> list[Lane]:
        now = asyncio.get_running_loop().time()
        return [lane for lane in waiting if self._until.get(lane.tenant_id, now + 1) <= now]
