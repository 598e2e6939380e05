"""Lengths of time as JSON has them: seconds with an `s` behind, such as `86400s` or `0.000001s`, as in protobuf."""

from datetime import timedelta
from decimal import Decimal

_MICROSECOND = timedelta(microseconds=1)


def duration_text(duration: timedelta) -> str:
    """The text of a duration."""
    return f"{Decimal(duration // _MICROSECOND).scaleb(-6).normalize():f}s"


def duration_from_text(text: str) -> timedelta:
    """The duration that `duration_text` wrote."""
    return int(Decimal(text.removesuffix("s")).scaleb(6)) * _MICROSECOND
