"""Civil time: which day it is depends on the zone, and a tenant's days are those of its own."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from crm_kit.errors import invalid_field

DEFAULT_ZONE = "Asia/Shanghai"
"""Whose days and weeks are meant where nobody has said."""


def check_zone(name: str, *, field: str) -> None:
    """InvalidArgument naming `field` unless the IANA knows the zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise invalid_field(field, "iana", f"{name!r} is not an IANA time zone") from error


def day_in(zone: str, instant: datetime) -> date:
    """The day that calendars in the zone show at an instant; at the ends of time, where they show none, that of UTC."""
    try:
        return instant.astimezone(ZoneInfo(zone)).date()
    except OverflowError:
        return instant.astimezone(UTC).date()


def time_text(value: datetime) -> str:
    """An instant for a text, in UTC and whole seconds as REST writes it: `2026-01-31T09:30:00Z`."""
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
