"""Civil time: which day it is depends on the zone, and a tenant's days are those of its own."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from crm_kit.errors import invalid_field

DEFAULT_ZONE = "Asia/Shanghai"
"""Whose days and weeks are meant where nobody has said."""

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""Nothing that people record happened before."""


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


def check_plausible(instant: datetime, *, field: str) -> None:
    """InvalidArgument for an instant of a time before there were such records: it is typed wrongly, or left out."""
    if instant < EARLIEST:
        detail = f"{instant.isoformat()} is before {EARLIEST.year}"
        raise invalid_field(field, "too_early", detail, metadata={"earliest": EARLIEST.date().isoformat()})


def time_text(value: datetime) -> str:
    """An instant for a text, in UTC and whole seconds as REST writes it: `2026-01-31T09:30:00Z`."""
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
