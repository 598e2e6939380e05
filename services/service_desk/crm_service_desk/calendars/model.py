"""A calendar: when we work, with a name and a version."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_kit.working_time.business_hours import BusinessHours
from crm_kit.working_time.model import (
    MIN_MINUTES_A_WEEK,
    DatedException,
    DayHours,
    Hours,
    Weekday,
    business_hours,
    default_calendar_id,
    invalid_calendar,
)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Fields as in the contract; a weekday not listed is closed."""

    id: UUID
    display_name: str
    time_zone: str
    create_time: datetime
    update_time: datetime
    version: int = 1
    weekly: tuple[DayHours, ...] = ()
    exceptions: tuple[DatedException, ...] = ()
    is_default: bool = False

    @property
    def business_hours(self) -> BusinessHours:
        """As the clock reads it; InvalidArgument as of `business_hours`."""
        return business_hours(self.time_zone, self.weekly, self.exceptions)

    def check(self) -> None:
        """Raise InvalidArgument CALENDAR_INVALID for impossible hours, or less than an hour of them a week."""
        if self.business_hours.minutes_a_week < MIN_MINUTES_A_WEEK:
            raise invalid_calendar("weekly", "open", "must be open for at least an hour a week")


def default_calendar(tenant_id: UUID, *, now: datetime) -> Calendar:
    """Monday to Friday, 09:00-12:00 and 13:30-18:00 in China."""
    hours = (Hours("09:00", "12:00"), Hours("13:30", "18:00"))
    return Calendar(
        id=default_calendar_id(tenant_id),
        display_name="标准工作时间",
        time_zone="Asia/Shanghai",
        weekly=tuple(DayHours(weekday, hours) for weekday in list(Weekday)[:5]),
        create_time=now,
        update_time=now,
        is_default=True,
    )
