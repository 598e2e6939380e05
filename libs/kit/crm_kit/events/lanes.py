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
# What has not ended by then is not waited for.
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
        # Each with the time on the event loop's clock from which on it takes long.
        self._running: dict[asyncio.Task[None], tuple[Lane, float]] = {}
        self._long: set[asyncio.Task[None]] = set()

    @property
    def has_long(self) -> bool:
        """Whether something goes on that is not waited for."""
        return bool(self._long)

    async def run(self, lanes: Iterable[Lane]) -> None:
        """Run all, and wait for all but those that take long. What waits behind such of its own tenant comes again."""
        waiting = deque(lanes)
        while True:
            self._look()
            self._start(waiting)
            for lane in self._behind_long(waiting):
                waiting.remove(lane)
                await lane.wait()
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

    def _start(self, waiting: deque[Lane]) -> None:
        """Begin what may begin, in its order."""
        loop = asyncio.get_running_loop()
        of_tenant = Counter(lane.tenant_id for lane, _ in self._running.values())
        for lane in list(waiting):
            if len(self._running) >= SIDE_BY_SIDE:
                return
            if of_tenant[lane.tenant_id] < OF_ONE_TENANT:
                waiting.remove(lane)
                of_tenant[lane.tenant_id] += 1
                task = asyncio.ensure_future(lane.run())
                self._running[task] = (lane, loop.time() + LONG_SECONDS)

    async def _until_something_happens(self) -> None:
        """Until one ends, or takes long from now on."""
        ends = [end for task, (_, end) in self._running.items() if task not in self._long]
        seconds = max(0.0, min(ends) - asyncio.get_running_loop().time()) if ends else None
        await asyncio.wait(self._running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    def _look(self) -> None:
        """See which have ended, and which take long by now. What one failed with is raised."""
        now = asyncio.get_running_loop().time()
        ended = [task for task in self._running if task.done()]
        for task in ended:
            del self._running[task]
            self._long.discard(task)
        for task, (lane, end) in self._running.items():
            if end <= now and task not in self._long:
                self._long.add(task)
                lane.stay()
        for task in ended:
            with contextlib.suppress(asyncio.CancelledError):
                task.result()

    def _behind_long(self, waiting: Iterable[Lane]) -> list[Lane]:
        tenants = {self._running[task][0].tenant_id for task in self._long}
        return [lane for lane in waiting if lane.tenant_id in tenants]
