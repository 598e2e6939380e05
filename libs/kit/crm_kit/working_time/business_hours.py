"""Business hours as the clock reads them: minutes of local days in one time zone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

MINUTES_A_DAY = 24 * 60


class LocalInterval(NamedTuple):
    """Half-open hours of one local day, in minutes from its midnight: 0 <= opens < closes <= 1440 (24:00)."""

    opens: int
    closes: int


DayIntervals = tuple[LocalInterval, ...]


@dataclass(frozen=True, slots=True)
class BusinessHours:
    """What a calendar says about time. `weekly` has seven entries, Monday first.

    `exceptions` are dates whose hours replace those of their weekday, each once: none on a holiday, some on a short
    or make-up day. `Calendar.business_hours` makes them, checked; the hours of a day do not overlap.
    """

    time_zone: str
    weekly: tuple[DayIntervals, ...]
    exceptions: tuple[tuple[date, DayIntervals], ...] = ()
    _by_date: Mapping[date, DayIntervals] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_date", dict(self.exceptions))

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def hours_on(self, day: date) -> DayIntervals:
        """The local hours of one date; empty when closed."""
        exceptional = self._by_date.get(day)
        return self.weekly[day.weekday()] if exceptional is None else exceptional

    @property
    def opens_weekly(self) -> bool:
        """Whether some weekday has hours."""
        return any(self.weekly)

    @property
    def minutes_a_week(self) -> int:
        """How long it is open in a week without exceptions."""
        return sum(closes - opens for day in self.weekly for opens, closes in day)
