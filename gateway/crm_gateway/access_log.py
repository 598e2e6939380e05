"""A line in the log for each answer, or for each that refuses or fails: what a request id finds.

It names the route and, of a failure, the service; never the path, the query, headers or a body: these may hold personal
data and secrets.
"""

import time
from collections.abc import Callable
from typing import Literal

import structlog

from crm_gateway.exchange import Exchange

Logged = Literal["off", "errors", "all"]
REFUSED, TOO_MANY, FAILED = 400, 429, 500
# Callers may be refused for their rate as often as they like, and the log has to hold.
LINES_PER_SECOND = 10

logger = structlog.get_logger(__name__)


class AccessLog:
    """Writes about answers at the level `info`. `errors` are answers from 400 on."""

    def __init__(self, logged: Logged, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._least = {"off": None, "errors": REFUSED, "all": 0}[logged]
        self._monotonic = monotonic
        self._sample = Sample()

    def ended(self, exchange: Exchange) -> None:
        """Write about a request that has ended, unless it was left unanswered."""
        status = exchange.status
        if self._least is None or not status or status < self._least:
            return
        now = self._monotonic()
        more: dict[str, object] = {"peer": exchange.peer} if exchange.peer and status >= FAILED else {}
        if status == TOO_MANY:
            left_out = self._sample.take(exchange.tenant_id or exchange.client, now)
            if left_out is None:
                return
            more["left_out"] = left_out
        logger.info(
            "request refused" if status >= REFUSED else "request answered",
            request_id=exchange.request_id,
            verb=exchange.verb,
            route=exchange.route,
            status=status,
            reason=exchange.reason,
            milliseconds=round((now - exchange.began) * 1000, 1),
            tenant_id=exchange.tenant_id,
            **more,
        )


class Sample:
    """Of what comes too often: one of each owner in a second, and of all owners at most ten. The others are counted."""

    def __init__(self) -> None:
        self._owners: set[str] = set()
        self._since = 0.0
        self._left_out = 0

    def take(self, owner: str, now: float) -> int | None:
        """How many were left out since the last that was taken; None to leave out this one too."""
        if now - self._since >= 1:
            self._owners.clear()
            self._since = now
        if owner in self._owners or len(self._owners) >= LINES_PER_SECOND:
            self._left_out += 1
            return None
        self._owners.add(owner)
        left_out, self._left_out = self._left_out, 0
        return left_out
