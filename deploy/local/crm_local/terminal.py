"""What a person sees while things start: one line a step with its seconds."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TextIO

# Of a terminal: often enough to look alive. Otherwise one line when somebody might begin to wonder.
TERMINAL_TICK_SECONDS = 0.1
PLAIN_TICK_SECONDS = 5.0
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
ERASE_LINE = "\r\x1b[K"


@dataclass(slots=True)
class Step:
    """One thing that is being done; `detail` is told when it is done."""

    label: str
    since: float
    detail: str = ""


@dataclass(slots=True)
class Terminal:
    """Tells steps and events. On a terminal the running steps stay in one live line at the bottom."""

    stream: TextIO = field(default_factory=lambda: sys.stdout)
    clock: Callable[[], float] = time.monotonic
    _running: list[Step] = field(default_factory=list)
    _ticker: asyncio.Task[None] | None = None
    _frame: int = 0

    def say(self, text: str = "") -> None:
        """One or more whole lines, at once."""
        with contextlib.suppress(BrokenPipeError, ValueError):
            # Whoever read along may be gone; what runs goes on.
            self.stream.write(f"{ERASE_LINE if self._live else ''}{text}\n")
            self.stream.flush()

    @asynccontextmanager
    async def step(self, label: str) -> AsyncIterator[Step]:
        """Tell that `label` is being done and, at its end, how long it took."""
        step = Step(label, self.clock())
        self._running.append(step)
        if self._ticker is None:
            self._ticker = asyncio.create_task(self._tick())
        try:
            yield step
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._tell(step, self._mark("✗", "FAILED"))
            raise
        else:
            self._tell(step, self._mark("✓", "ok"))
        finally:
            self._running.remove(step)
            if not self._running:
                self._ticker.cancel()
                self._ticker = None
                self._erase()

    def _tell(self, step: Step, mark: str) -> None:
        seconds = f"{self.clock() - step.since:5.1f} s"
        self.say(f"{mark:>2} {seconds}  {step.label}{': ' if step.detail else ''}{step.detail}")

    @property
    def _live(self) -> bool:
        return self.stream.isatty() and self._writes("⠋")

    def _mark(self, sign: str, word: str) -> str:
        return sign if self._writes(sign) else word

    def _writes(self, sign: str) -> bool:
        try:
            sign.encode(self.stream.encoding or "ascii")
        except UnicodeEncodeError:
            return False
        return True

    def _erase(self) -> None:
        if self._live:
            with contextlib.suppress(BrokenPipeError):
                self.stream.write(ERASE_LINE)
                self.stream.flush()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TERMINAL_TICK_SECONDS if self._live else PLAIN_TICK_SECONDS)
            labels = ", ".join(step.label for step in self._running)
            seconds = self.clock() - min(step.since for step in self._running)
            if self._live:
                self._frame = (self._frame + 1) % len(SPINNER)
                # Cut: a line that wraps cannot be erased.
                self.stream.write(f"{ERASE_LINE} {SPINNER[self._frame]} {seconds:5.1f} s  {labels}"[:110])
                self.stream.flush()
            else:
                self.say(f".. {seconds:5.1f} s  still: {labels}")
