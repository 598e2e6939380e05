"""When the file of a day is expected. Pure: on days, times of day and zones."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from crm_kit.automation.rules.model import Weekday

DAY = timedelta(days=1)
WEEKDAYS = tuple(Weekday)
# Of windows that passed while nobody looked, so many are told of; what was missed before is no news.
MAX_PASSED = 7


@dataclass(frozen=True, slots=True)
class Schedule:
    """Fields as in the contract: `at` is a time of day, such as `06:00`; without `weekdays` it is every day."""

    at: str
    weekdays: tuple[Weekday, ...] = ()
    days_later: int = 0
    grace_minutes: int = 0

    def expects(self, day: date) -> bool:
        """Whether there is a file for a day."""
        return not self.weekdays or WEEKDAYS[day.weekday()] in self.weekdays

    def due_time(self, day: date, zone: ZoneInfo) -> datetime:
        """By when the file of a day has to be here, in UTC, its grace included.

        Where clocks are put forward over it, so much later; where it comes twice, at the first (RFC 5545, 3.3.5).
        """
        expected = datetime.combine(day + self.days_later * DAY, time.fromisoformat(self.at), zone)
        return expected.astimezone(UTC) + timedelta(minutes=self.grace_minutes)

    def next_day(self, day: date) -> date:
        """The next day after another for which there is a file."""
        return next(each for n in count(1) if self.expects(each := day + n * DAY))

    def first_day(self, now: datetime, zone: ZoneInfo) -> date:
        """The first day whose file is due after an instant."""
        day = now.astimezone(zone).date() - (self.days_later + 3) * DAY
        while self.due_time(day := self.next_day(day), zone) <= now:
            pass
        return day

    def passed(self, first: date, now: datetime, zone: ZoneInfo) -> tuple[tuple[date, ...], date]:
        """The last few days from the `first` on whose files are due by now, and the day that is due next."""
        following = self.first_day(now, zone)
        days: list[date] = []
        day = max(first, following - (MAX_PASSED * 7 + 1) * DAY)
        if not self.expects(day):
            day = self.next_day(day)
        while day < following:
            days.append(day)
            day = self.next_day(day)
        # Where the tenant has moved to another zone, the first may be due later than it was.
        return tuple(days[-MAX_PASSED:]), max(following, first)
