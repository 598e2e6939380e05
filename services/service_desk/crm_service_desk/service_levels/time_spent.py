"""What became of the business time of a milestone: summed always, listed only where somebody asks why."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from crm_kit.working_time.timeline import MICROSECOND, Timeline, to_instant

from crm_service_desk.service_levels.model import PauseReason

LISTED = timedelta(days=366)
"""So far back intervals are listed: there are several a day, and a case may be open for decades."""

MAX_LISTED = 1000
"""So many are listed, the latest: two a day are 732 a year."""


class Stretch(NamedTuple):
    """A pause, half-open, in microseconds since the epoch."""

    start: int
    end: int
    reason: PauseReason


@dataclass(frozen=True, slots=True)
class CountedInterval:
    """Business time that counted, up to and without its end."""

    start_time: datetime
    end_time: datetime


@dataclass(frozen=True, slots=True)
class PausedInterval:
    """Business time that did not count, up to and without its end, and why."""

    start_time: datetime
    end_time: datetime
    reason: PauseReason


@dataclass(frozen=True, slots=True)
class TimeSpent:
    """A clock's life until it ended or now: when it ran, and when it was paused and why."""

    timeline: Timeline
    running: tuple[tuple[int, int], ...]
    pauses: tuple[Stretch, ...]
    until: int

    @property
    def elapsed(self) -> timedelta:
        """All business time that counted."""
        counted = (self.timeline.measure(start, min(end, self.until)) for start, end in self.running)
        return timedelta(microseconds=sum(counted))

    @property
    def counted(self) -> tuple[CountedInterval, ...]:
        """What counted lately, in order."""
        latest = deque((span for start, end in self.running for span in self._lately(start, end)), MAX_LISTED)
        return tuple(CountedInterval(to_instant(opens), to_instant(closes)) for opens, closes in latest)

    @property
    def paused(self) -> tuple[PausedInterval, ...]:
        """What did not count lately, in order."""
        latest = deque(
            ((span, reason) for start, end, reason in self.pauses for span in self._lately(start, end)), MAX_LISTED
        )
        return tuple(
            PausedInterval(to_instant(opens), to_instant(closes), reason) for (opens, closes), reason in latest
        )

    def _lately(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        since = self.until - LISTED // MICROSECOND
        return self.timeline.spans(max(start, since), min(end, self.until))
