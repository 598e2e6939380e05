"""Lengths of time as JSON has them, and as people say them.

In JSON they are seconds with an `s` behind, such as `86400s` or `0.000001s`, as in protobuf; in words, `7 days`.
"""

from datetime import timedelta
from decimal import Decimal

_MICROSECOND = timedelta(microseconds=1)
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def duration_text(duration: timedelta) -> str:
    """The text of a duration."""
    return f"{Decimal(duration // _MICROSECOND).scaleb(-6).normalize():f}s"


def duration_from_text(text: str) -> timedelta:
    """The duration that `duration_text` wrote."""
    return int(Decimal(text.removesuffix("s")).scaleb(6)) * _MICROSECOND


def duration_words(duration: timedelta) -> str:
    """A duration in English: `7 days`, `1 day 12 hours`; what is below a second is left out."""
    return " ".join(f"{count} {unit}" for count, unit in duration_parts(duration))


def duration_parts(duration: timedelta) -> list[tuple[int, str]]:
    """The days, hours, minutes and seconds that are not zero, each with its unit in English: `(7, "days")`."""
    left, found = duration // timedelta(seconds=1), []
    for unit, length in _UNITS:
        count, left = divmod(left, length)
        if count:
            found.append((count, unit if count == 1 else f"{unit}s"))
    return found or [(0, "seconds")]
