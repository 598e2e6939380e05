"""Words that stand for another value each time a filter is asked: `me`, `now-7d`, `last_quarter`.

A parsed filter keeps them as they are and so can be kept itself; `value_of` says what one stands for, and to whom.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from crm_kit.filtering.tree import Field, FieldType, Now, Party, PhoneNumber, Start, Unit, Value, Word
from crm_kit.phone_numbers import as_kept
from crm_kit.regions import DEFAULT_REGION
from crm_kit.zones import DEFAULT_ZONE

# Four digits keep every result among the years that dates have.
_NOW = re.compile(r"now(?:([+-][0-9]{1,4})([mhdw]))?")
_PERIODS = {
    "yesterday": (Unit.DAY, -1),
    "today": (Unit.DAY, 0),
    "tomorrow": (Unit.DAY, 1),
    **{
        f"{which}_{unit.value}": (unit, later)
        for unit in (Unit.WEEK, Unit.MONTH, Unit.QUARTER, Unit.YEAR)
        for which, later in (("last", -1), ("this", 0), ("next", 1))
    },
}
_MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}


@dataclass(frozen=True, slots=True)
class Period:
    """A day, week, month, quarter or year by its distance from the current one."""

    unit: Unit
    later: int

    @property
    def start(self) -> Start:
        """Its first instant or day."""
        return Start(self.unit, self.later)

    @property
    def end(self) -> Start:
        """The first instant or day after it."""
        return Start(self.unit, self.later + 1)


@dataclass(frozen=True, slots=True)
class FilterContext:
    """Who asks, when and where: `now` is aware, `zone` an IANA name, `team_ids` their team and all below it.

    `region` is the country of telephone numbers without a country code, as ISO 3166-1 alpha-2.

    `me` is None when nobody asks, but a rule is at work.
    """

    now: datetime
    zone: str = DEFAULT_ZONE
    me: UUID | None = None
    team_ids: tuple[UUID, ...] = ()
    region: str = DEFAULT_REGION


def instant_after(instant: datetime, later: str, zone: ZoneInfo) -> datetime:
    """An instant moved by what words have, `+3d` or `-2h`, in UTC; the same where it says nothing. ValueError else."""
    match read_word(f"now{later}"):
        case Now() as word:
            return _moment(word, instant.astimezone(zone))
    raise ValueError(f"{later!r} is no distance: it is a sign, up to four digits, and m, h, d or w")


def read_word(text: str) -> Now | Period | None:
    """The instant or period that a word of a date or instant field means; None for any other text."""
    if text in _PERIODS:
        return Period(*_PERIODS[text])
    match = _NOW.fullmatch(text)
    if match is None:
        return None
    amount = int(match[1] or 0)
    match match[2]:
        case "w":
            return Now(days=7 * amount)
        case "d":
            return Now(days=amount)
        case "h":
            return Now(minutes=60 * amount)
    return Now(minutes=amount)


def value_of(field: Field, value: Value, context: FilterContext | None) -> Any:
    """What a value is compared as: itself, or what the word stands for.

    ValueError when that depends on who asks or when, and `context` does not say so.
    """
    if not isinstance(value, Word):
        return value
    if context is None:
        raise ValueError(f"{field.path} is compared with a word: say who asks, when and where")
    zone = ZoneInfo(context.zone)
    match value:
        case Party.ME:
            return _asking(context)
        case Party.MY_TEAM:
            raise ValueError("my_team stands for several values")
        case Now():
            instant = _moment(value, context.now.astimezone(zone))
            return instant.astimezone(zone).date() if field.type is FieldType.DATE else instant
        case PhoneNumber(typed):
            return as_kept(typed, region=context.region)
        case Start():
            day = first_day(value, context.now.astimezone(zone).date())
            return day if field.type is FieldType.DATE else midnight(day, zone)


def values_of(field: Field, values: Iterable[Value], context: FilterContext | None) -> list[Any]:
    """What the values of an `IN` are compared as; `my_team` stands for several."""
    found: list[Any] = []
    for value in values:
        if value is Party.MY_TEAM and context is not None:
            found += context.team_ids
        else:
            found.append(value_of(field, value, context))
    return found


def first_day(start: Start, today: date) -> date:
    """The day a period begins with; weeks begin on Monday (ISO 8601)."""
    if start.unit is Unit.DAY:
        return today + timedelta(days=start.later)
    if start.unit is Unit.WEEK:
        return today + timedelta(days=7 * start.later - today.weekday())
    months = _MONTHS[start.unit]
    number = (12 * today.year + today.month - 1) // months + start.later
    year, month = divmod(number * months, 12)
    return date(year, month + 1, 1)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a day, in UTC. Where the clock skips midnight, that is when it is changed."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _moment(word: Now, now: datetime) -> datetime:
    """Days are those of the calendar, at the same time of day; minutes pass as they do."""
    if word.days:
        # Arithmetic within a zone moves the hands of the clock; the hour that comes twice is its first.
        now += timedelta(days=word.days)
    return now.astimezone(UTC) + timedelta(minutes=word.minutes)


def _asking(context: FilterContext) -> UUID:
    if context.me is None:
        raise ValueError("the filter says `me`, and nobody asks")
    return context.me
