"""When we work: a calendar of local business hours with dated exceptions, checked when it is made."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from crm_kit.errors import InvalidArgument, invalid_field

MINUTES_A_DAY = 24 * 60
DAYS_A_WEEK = 7
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class LocalInterval:
    """Half-open hours of one local day, in minutes from its midnight: 0 <= opens < closes <= 1440 (24:00)."""

    opens: int
    closes: int

    def __str__(self) -> str:
        return f"{_text_of(self.opens)}-{_text_of(self.closes)}"


@dataclass(frozen=True, slots=True)
class DatedException:
    """One local date whose hours replace its weekday's: none when closed, some on a short or make-up day."""

    date: date
    hours: tuple[LocalInterval, ...] = ()


@dataclass(frozen=True, slots=True)
class BusinessInterval:
    """Half-open business time between two instants."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Calendar:
    """Business hours in one IANA time zone.

    `weekly` has seven entries, Monday first. Raises InvalidArgument CALENDAR_INVALID, naming field and
    value, for an unknown zone, hours that are empty, outside the day or overlapping, or a date given twice.
    """

    time_zone: str
    weekly: tuple[tuple[LocalInterval, ...], ...]
    exceptions: tuple[DatedException, ...] = ()
    _by_date: Mapping[date, tuple[LocalInterval, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        zone_of(self.time_zone)
        if len(self.weekly) != DAYS_A_WEEK:
            raise _invalid("weekly", "seven_days", f"has {len(self.weekly)} days, must have 7, Monday first")
        for number, hours in enumerate(self.weekly):
            _check_hours(f"weekly[{number}]", hours)
        by_date: dict[date, tuple[LocalInterval, ...]] = {}
        for number, exception in enumerate(self.exceptions):
            if exception.date in by_date:
                raise _invalid(f"exceptions[{number}].date", "unique", f"{exception.date} is given twice")
            _check_hours(f"exceptions[{number}].hours", exception.hours)
            by_date[exception.date] = tuple(sorted(exception.hours))
        object.__setattr__(self, "_by_date", by_date)

    def hours_on(self, day: date) -> tuple[LocalInterval, ...]:
        """The local hours of one date; empty when closed."""
        exceptional = self._by_date.get(day)
        return self.weekly[day.weekday()] if exceptional is None else exceptional

    @property
    def last_exception(self) -> date | None:
        """The last date with hours of its own, if any."""
        return max(self._by_date, default=None)

    @property
    def opens_weekly(self) -> bool:
        """Whether some weekday has hours."""
        return any(self.weekly)


def weekly_calendar(
    time_zone: str,
    hours: Mapping[int, Sequence[LocalInterval]],
    exceptions: Iterable[DatedException] = (),
) -> Calendar:
    """A calendar from hours by weekday (0 Monday ... 6 Sunday); a weekday not given is closed."""
    for weekday in hours:
        if weekday not in range(DAYS_A_WEEK):
            raise _invalid("weekly", "weekday", f"{weekday} is not a weekday, 0 (Monday) to 6 (Sunday)")
    return Calendar(
        time_zone=time_zone,
        weekly=tuple(tuple(hours.get(weekday, ())) for weekday in range(DAYS_A_WEEK)),
        exceptions=tuple(exceptions),
    )


def parse_hours(text: str, name: str = "hours") -> tuple[LocalInterval, ...]:
    """Hours from text such as `09:00-12:00, 13:00-24:00`; empty text is closed.

    Raises InvalidArgument CALENDAR_INVALID naming `name` and the part that cannot be read.
    """
    hours = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        opens, dash, closes = part.partition("-")
        if not dash:
            raise _invalid(name, "hours", f"{part!r} is not of the form HH:MM-HH:MM")
        hours.append(LocalInterval(parse_time_of_day(opens, name), parse_time_of_day(closes, name)))
    _check_hours(name, hours)
    return tuple(sorted(hours))


def parse_time_of_day(text: str, name: str = "time") -> int:
    """Minutes from midnight of `HH:MM`, 00:00 to 24:00. Raises InvalidArgument CALENDAR_INVALID."""
    match = _TIME_OF_DAY.fullmatch(text.strip())
    minutes = int(match[1]) * 60 + int(match[2]) if match else MINUTES_A_DAY + 1
    if minutes > MINUTES_A_DAY:
        raise _invalid(name, "time_of_day", f"{text!r} is not a time from 00:00 to 24:00")
    return minutes


def zone_of(time_zone: str) -> ZoneInfo:
    """The IANA zone of that name. Raises InvalidArgument CALENDAR_INVALID."""
    try:
        return ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _invalid("time_zone", "iana", f"{time_zone!r} is not an IANA time zone") from error


def _check_hours(name: str, hours: Sequence[LocalInterval]) -> None:
    for number, interval in enumerate(hours):
        if not 0 <= interval.opens < interval.closes <= MINUTES_A_DAY:
            raise _invalid(
                f"{name}[{number}]",
                "half_open",
                f"{interval} must open before it closes, within 00:00 to 24:00",
            )
    in_order = sorted(hours)
    for earlier, later in pairwise(in_order):
        if later.opens < earlier.closes:
            raise _invalid(f"{name}[{hours.index(later)}]", "no_overlap", f"{later} overlaps {earlier}")


def _text_of(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _invalid(name: str, rule: str, detail: str) -> InvalidArgument:
    return invalid_field(f"calendar.{name}", rule, detail, reason="CALENDAR_INVALID")
