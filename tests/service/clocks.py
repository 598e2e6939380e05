"""How far to move a test clock, for what would not hold at every hour or across the end of a day."""

from datetime import UTC, datetime, time, timedelta, tzinfo

from crm_kit.clock import system_now


def until_noon() -> timedelta:
    """From now to noon of tomorrow, UTC: that day goes on for hours."""
    now = system_now()
    return datetime.combine(now.date() + timedelta(days=1), time(12), UTC) - now


def until_weekday(weekday: int, at: time, zone: tzinfo) -> timedelta:
    """From now to a weekday to come (0 is Monday), at this time of day in the zone."""
    now = system_now()
    today = now.astimezone(zone).date()
    days_ahead = (weekday - today.weekday()) % 7 or 7
    return datetime.combine(today + timedelta(days=days_ahead), at, zone) - now
