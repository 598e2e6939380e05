"""Business hours laid out on the line of instants, so that years are measured by adding up months.

Instants are whole microseconds since 1970-01-01T00:00Z. The line is cut into blocks of 28 days; a block
knows its business intervals and their sum, so a due time ten years ahead adds 130 numbers.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from crm_kit.errors import InvalidArgument, invalid_field
from crm_kit.working_time.business_hours import MINUTES_A_DAY, BusinessHours

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_MINUTE = 60_000_000
_DAY = MINUTES_A_DAY * _MINUTE
_BLOCK_DAYS = 28
_BLOCK = _BLOCK_DAYS * _DAY
_EPOCH_ORDINAL = EPOCH.toordinal()
_LAST_ORDINAL = date(9998, 12, 31).toordinal()
# A zone's offset, and the step of a zone that skips or repeats a whole day, stay under two days.
_MARGIN_DAYS = 2
_KEPT_BLOCKS = 64
# No zone has moved its clock and moved it back within less than six days, as America/Boa_Vista did in October 2000.
_LOOK_DAYS = 4
HORIZON_DAYS = 50 * 366


def to_micros(instant: datetime) -> int:
    """Microseconds since the epoch of an aware datetime; raises TypeError for a naive one."""
    return (instant - EPOCH) // MICROSECOND


def to_instant(micros: int) -> datetime:
    """The UTC datetime of microseconds since the epoch."""
    return EPOCH + timedelta(microseconds=micros)


class _Block:
    """Merged business intervals of 28 days, with the business time before each."""

    __slots__ = ("before", "ends", "starts", "total")

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self.starts = [start for start, _ in spans]
        self.ends = [end for _, end in spans]
        self.before: list[int] = []
        self.total = 0
        for start, end in spans:
            self.before.append(self.total)
            self.total += end - start

    def until(self, instant: int) -> int:
        """Business time of the block before the instant."""
        index = bisect_right(self.starts, instant) - 1
        if index < 0:
            return 0
        return self.before[index] + min(instant, self.ends[index]) - self.starts[index]

    def reach(self, amount: int) -> int:
        """The first instant with that much business time before it; 0 < amount <= total."""
        index = bisect_left(self.before, amount) - 1
        return self.starts[index] + amount - self.before[index]


class Timeline:
    """Measures business time. Blocks are made when first needed."""

    __slots__ = ("_blocks", "_exceptions", "_hours", "_steady_total", "_totals", "_zone")

    def __init__(self, hours: BusinessHours) -> None:
        self._hours = hours
        self._zone = hours.zone
        self._exceptions = sorted(day.toordinal() for day, _ in hours.exceptions)
        # Four weeks are four weeks, wherever they begin.
        self._steady_total = hours.minutes_a_week * _MINUTE * _BLOCK_DAYS // 7
        self._blocks: dict[int, _Block] = {}
        self._totals: dict[int, int] = {}

    def measure(self, start: int, end: int) -> int:
        """Business microseconds in [start, end)."""
        if end <= start:
            return 0
        first, last = start // _BLOCK, end // _BLOCK
        whole = sum(self._total(number) for number in range(first, last))
        return whole + self._block(last).until(end) - self._block(first).until(start)

    def advance(self, start: int, amount: int) -> int:
        """The smallest instant t >= start with `amount` business microseconds in [start, t).

        Raises InvalidArgument CALENDAR_INVALID when fifty years do not hold that much.
        """
        if amount <= 0:
            return start
        number = start // _BLOCK
        amount += self._block(number).until(start)
        last = number + HORIZON_DAYS // _BLOCK_DAYS
        while amount > self._total(number):
            amount -= self._total(number)
            number += 1
            if number > last or self._ended(number):
                raise self._too_little(start)
        return self._block(number).reach(amount)

    def spans(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Business intervals in [start, end), in order; touching ones are one."""
        if end <= start:
            return
        pending: tuple[int, int] | None = None
        for number in range(start // _BLOCK, (end - 1) // _BLOCK + 1):
            block = self._block(number)
            for opens, closes in zip(block.starts, block.ends, strict=True):
                span = (max(opens, start), min(closes, end))
                if span[0] >= span[1]:
                    continue
                if pending and pending[1] == span[0]:
                    pending = (pending[0], span[1])
                    continue
                if pending:
                    yield pending
                pending = span
        if pending:
            yield pending

    def next_business(self, instant: int) -> int:
        """The instant itself within business time, else the next opening; raises as `advance` does."""
        return self.advance(instant, 1) - 1

    def local(self, instant: int) -> datetime:
        """The wall clock of the calendar's zone."""
        return to_instant(instant).astimezone(self._zone)

    def working_day_after(self, day: date, days: int) -> date:
        """The `days`-th date after `day` that has business time; raises as `advance` does."""
        found, candidate = 0, day
        last = day.toordinal() + HORIZON_DAYS
        while found < days:
            if candidate.toordinal() >= min(last, _LAST_ORDINAL):
                raise self._too_little(self.instant_of(day, 0))
            candidate += timedelta(days=1)
            found += bool(self.day_spans(candidate))
        return candidate

    def day_spans(self, day: date) -> list[tuple[int, int]]:
        """One local date's hours as instants; those emptied by a shift of the clock drop out."""
        hours = self._hours.hours_on(day)
        if not hours:
            return []
        midnight = self.instant_of(day, 0)
        if self.instant_of(day, MINUTES_A_DAY) - midnight == _DAY:
            return [(midnight + opens * _MINUTE, midnight + closes * _MINUTE) for opens, closes in hours]
        spans = []
        for interval in hours:
            span = (self.instant_of(day, interval.opens), self.instant_of(day, interval.closes))
            if span[0] < span[1]:
                spans.append(span)
        return spans

    def instant_of(self, day: date, minutes: int) -> int:
        """The instant of a local time of day.

        With fold 0 (PEP 495) a time that does not exist takes the offset before the gap, which moves it
        forward by the gap; a time that occurs twice takes its first occurrence.
        """
        local = datetime.combine(day, time()) + timedelta(minutes=minutes)
        offset = self._zone.utcoffset(local.replace(tzinfo=self._zone))
        assert offset is not None
        return (day.toordinal() - _EPOCH_ORDINAL) * _DAY + minutes * _MINUTE - offset // MICROSECOND

    def _block(self, number: int) -> _Block:
        block = self._blocks.get(number)
        if block is None:
            if len(self._blocks) >= _KEPT_BLOCKS:
                self._blocks.clear()
            block = self._blocks[number] = _Block(self._lay_out(number))
            self._totals[number] = block.total
        return block

    def _total(self, number: int) -> int:
        total = self._totals.get(number)
        if total is None:
            total = self._steady_total if self._is_steady(number) else self._block(number).total
            self._totals[number] = total
        return total

    def _is_steady(self, number: int) -> bool:
        """Whether every week of a block is like any other: no exceptions, and the zone's clock is not moved.

        Most blocks are: a century of them need not be laid out to be measured.
        """
        first, last = _days_of(number)
        if (
            first == 1
            or last == _LAST_ORDINAL
            or bisect_left(self._exceptions, first) < bisect_right(self._exceptions, last)
        ):
            return False
        day = datetime.fromordinal(first).replace(tzinfo=self._zone)
        offset = day.utcoffset()
        later = range(_LOOK_DAYS, last - first + 1, _LOOK_DAYS)
        return all((day + timedelta(days=days)).utcoffset() == offset for days in later)

    def _lay_out(self, number: int) -> list[tuple[int, int]]:
        start, end = number * _BLOCK, (number + 1) * _BLOCK
        first, last = _days_of(number)
        spans = []
        for ordinal in range(first, last + 1):
            spans += self.day_spans(date.fromordinal(ordinal))
        return _merged((max(opens, start), min(closes, end)) for opens, closes in sorted(spans))

    def _ended(self, number: int) -> bool:
        """Whether no business time can follow the start of the block."""
        first = _EPOCH_ORDINAL + number * _BLOCK_DAYS - _MARGIN_DAYS
        more_exceptions = bool(self._exceptions) and self._exceptions[-1] >= first
        return first > _LAST_ORDINAL or not (self._hours.opens_weekly or more_exceptions)

    def _too_little(self, start: int) -> InvalidArgument:
        return invalid_field(
            "calendar",
            "open",
            f"the calendar has too little business time in the fifty years after {to_instant(start)}",
            reason="CALENDAR_INVALID",
        )


def _days_of(number: int) -> tuple[int, int]:
    """The first and the last local date that a block may have a part of, in any zone."""
    first = _EPOCH_ORDINAL + number * _BLOCK_DAYS
    return max(first - _MARGIN_DAYS, 1), min(first + _BLOCK_DAYS + _MARGIN_DAYS, _LAST_ORDINAL)


def _merged(spans: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for opens, closes in spans:
        if opens >= closes:
            continue
        if merged and opens <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], closes))
        else:
            merged.append((opens, closes))
    return merged


@lru_cache(maxsize=64)
def timeline_of(hours: BusinessHours) -> Timeline:
    """The timeline of some business hours, kept while they are in use."""
    return Timeline(hours)
