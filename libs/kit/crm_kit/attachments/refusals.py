"""Why files have no preview, as a process remembers it: what takes seconds to find out is found out once.

A list of files is looked at again and again, and the bytes of a file never change.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from crm_kit.errors import FailedPrecondition, illegal_state

# A page that took too much of a machine that was short of it may be drawn later.
REMEMBERED_SECONDS = 3600.0
MOST = 10_000


class Refusals:
    """Of each file and size that was refused of late the reason."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[tuple[UUID, int], tuple[float, str]] = {}

    def check(self, file_id: UUID, pixels: int) -> None:
        """FailedPrecondition of what was refused."""
        since, detail = self._known.get((file_id, pixels), (0.0, ""))
        if detail and self._clock() - since < REMEMBERED_SECONDS:
            raise illegal_state("no_preview", detail)

    @contextmanager
    def remembering(self, file_id: UUID, pixels: int) -> Iterator[None]:
        """Remember what the block refuses."""
        try:
            yield
        except FailedPrecondition as error:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[file_id, pixels] = (self._clock(), error.detail)
            raise
