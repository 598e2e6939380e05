"""Days as calendars show them, wherever they hang."""

from datetime import UTC, date, datetime

import pytest
from crm_kit.zones import day_in


@pytest.mark.parametrize(
    ("zone", "instant", "day"),
    [
        ("Asia/Shanghai", datetime(2027, 3, 1, 20, tzinfo=UTC), date(2027, 3, 2)),
        ("America/New_York", datetime(2027, 3, 1, 2, tzinfo=UTC), date(2027, 2, 28)),
        ("Asia/Shanghai", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), date.max),
        ("America/New_York", datetime(1, 1, 1, tzinfo=UTC), date.min),
    ],
)
def test_the_day_is_that_of_the_zone_and_at_the_ends_of_time_that_of_utc(
    zone: str, instant: datetime, day: date
) -> None:
    assert day_in(zone, instant) == day
