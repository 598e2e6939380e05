"""What a person reads while the story is played: numbered steps, who does it, what happened."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

BOLD, DIM, GREEN, CYAN = "1", "2", "32", "36"


@dataclass(slots=True)
class Teller:
    """Numbers steps and writes whole lines; in colour where a person watches."""

    stream: TextIO = field(default_factory=lambda: sys.stdout)
    clock: Callable[[], float] = time.monotonic
    steps: int = 0
    _began: float = 0.0
    _step_began: float = 0.0

    def __post_init__(self) -> None:
        self._began = self.clock()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return self.clock() - self._began

    def chapter(self, title: str) -> None:
        self._write(f"\n{self._in(BOLD, title)}")

    def step(self, who: str, what: str) -> None:
        """A new step: who does what."""
        self.steps += 1
        self._write(f"{self._in(BOLD, f'{self.steps:3}.')} {self._in(CYAN, who)} {what}")

    def found(self, text: str) -> None:
        """What came of the step, as it was proved."""
        self._write(f"     {self._in(GREEN, '✓')} {text}")

    def detail(self, text: str) -> None:
        self._write(f"       {self._in(DIM, text)}")

    def _write(self, line: str) -> None:
        encoding = self.stream.encoding or "utf-8"
        self.stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
        self.stream.flush()

    def _in(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.stream.isatty() else text
