"""What is sent to an endpoint, and what came of it, as plain values."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import orjson
from crm_kit.outbound_http.replies import Failure

NO_WAIT, MAX_WAIT = timedelta(0), timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: `id` is the same however often it is, `data` what the type says that there is.

    `time` is when it happened, as JSON has instants.
    """

    id: str
    type: str
    time: str
    data: Any

    @property
    def body(self) -> bytes:
        return orjson.dumps({"type": self.type, "timestamp": self.time, "data": self.data})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: the status of the answer, or why there was none; and how long it asks to wait."""

    duration_ms: int
    status: int = 0
    error: Failure | None = None
    body: str = ""
    retry_after: timedelta = NO_WAIT

    @property
    def arrived(self) -> bool:
        return 200 <= self.status < 300


def waited_for(retry_after: str, now: datetime) -> timedelta:
    """How long `Retry-After` asks to wait: seconds, or until a date (RFC 9110); not at all where it says neither."""
    if retry_after.isascii() and retry_after.isdigit():
        return timedelta(seconds=min(int(retry_after[:9]), MAX_WAIT.total_seconds()))
    try:
        until = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        # Also years and zones that are larger than any.
        return NO_WAIT
    return min(max((until if until.tzinfo else until.replace(tzinfo=UTC)) - now, NO_WAIT), MAX_WAIT)


def time_text(instant: datetime) -> str:
    """An instant as messages have it: UTC, by ISO 8601."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
