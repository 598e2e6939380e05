"""How long each step of an event loop takes: between two of them nobody else is served."""

import asyncio
import contextlib
import gc
import os
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from crm_kit.garbage import collect_seldom

# What no step may take, in seconds of the loop's own thread on a processor: a busy machine makes none longer.
MAX_SECONDS = 0.050
# What holds a loop by itself does so each time; what others on a busy machine take from it comes and goes.
ATTEMPTS = 12
# What cannot be tried again is measured once. Beside other processes of tests, which share caches and clock of the
# processor, a step takes up to twice as long as when it is tried alone.
STRETCHED = 2 if "PYTEST_XDIST_WORKER" in os.environ else 1


class Steps:
    """The steps of the loop that were taken while it was watched, the longest first."""

    def __init__(self) -> None:
        self._taken: list[tuple[float, str]] = []

    def add(self, seconds: float, handle: asyncio.Handle) -> None:
        self._taken.append((seconds, repr(handle)))

    @property
    def count(self) -> int:
        return len(self._taken)

    @property
    def too_long(self) -> list[tuple[float, str]]:
        """Those that held up everybody else, with what they were."""
        return sorted((each for each in self._taken if each[0] >= MAX_SECONDS * STRETCHED), reverse=True)


@contextlib.contextmanager
def garbage_as_in_a_service() -> Iterator[None]:
    """Look for garbage no more often than a process of the platform does, and not through what the tests have made."""
    thresholds = gc.get_threshold()
    collect_seldom()
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def quickest(work: Callable[[], object], enough: float = MAX_SECONDS) -> float:
    """The processor time of work that may be repeated, in seconds: as soon as that is below enough, or the least."""
    least = float("inf")
    with garbage_as_in_a_service():
        for _ in range(ATTEMPTS):
            began = time.thread_time()
            work()
            least = min(least, time.thread_time() - began)
            if least < enough:
                break
    return least


async def soonest(ask: Callable[[], Awaitable[object]], enough: float) -> float:
    """How many seconds pass until the answer to what may be asked again: as soon as below enough, or the least."""
    least = float("inf")
    for _ in range(ATTEMPTS):
        began = time.perf_counter()
        await ask()
        least = min(least, time.perf_counter() - began)
        if least < enough:
            break
    return least


@contextlib.contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    """Measure every step that the loop of this thread takes while the block waits."""
    steps, run = Steps(), asyncio.Handle._run

    def measured(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        steps.add(time.thread_time() - began, handle)

    with garbage_as_in_a_service(), monkeypatch.context() as patched:
        patched.setattr(asyncio.Handle, "_run", measured)
        yield steps
