"""Rate limits: a token bucket per tenant and per token, as a pure step and a store around it.

A bucket holds up to `burst` permits and gains `per_second` of them; a request takes one. A refused request takes none.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """`per_second` permits are gained, at most `burst` are kept. A limit of 0 per second does not limit."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Level:
    """Permits in a bucket at a moment (seconds of a monotonic clock)."""

    permits: float
    at: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request may pass; permits left, seconds until the bucket is full, seconds until the next permit."""

    allowed: bool
    limit: int
    remaining: int
    reset: int
    retry_after: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """`RateLimit-*` as the IETF HTTPAPI drafts up to 06 name them."""
        return [
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % self.reset),
        ]


def take(level: Level | None, limit: Limit, now: float) -> tuple[Level, Decision]:
    """One request on a bucket; a bucket never seen is full. The clock going backwards gains nothing."""
    if level is None:
        permits = float(limit.burst)
    else:
        gained = max(0.0, now - level.at) * limit.per_second
        permits = min(float(limit.burst), level.permits + gained)
    allowed = permits >= 1.0
    left = permits - 1.0 if allowed else permits
    decision = Decision(
        allowed=allowed,
        limit=limit.burst,
        remaining=int(left),
        reset=math.ceil((limit.burst - left) / limit.per_second),
        retry_after=0 if allowed else max(1, math.ceil((1.0 - left) / limit.per_second)),
    )
    return Level(left, now), decision


class Limiter:
    """The buckets of this process. Behind several gateways each counts for itself."""

    def __init__(self, *, most_buckets: int = 100_000) -> None:
        self._levels: dict[str, Level] = {}
        self._most = most_buckets

    def admit(self, keys: Iterable[tuple[str, Limit]], now: float) -> Decision | None:
        """Take one permit of every bucket, or of none when one refuses. Answers the tightest; None without limits."""
        taken: dict[str, Level] = {}
        tightest: Decision | None = None
        for key, limit in keys:
            if limit.per_second <= 0:
                continue
            taken[key], decision = take(self._levels.get(key), limit, now)
            if not decision.allowed:
                return decision
            if tightest is None or decision.remaining < tightest.remaining:
                tightest = decision
        self._levels.update(taken)
        if len(self._levels) > self._most:
            self._forget_oldest()
        return tightest

    def _forget_oldest(self) -> None:
        # What was used longest ago is most likely full again, and a forgotten bucket counts as full.
        by_age = sorted(self._levels, key=lambda key: self._levels[key].at)
        for key in by_age[: len(by_age) // 2]:
            del self._levels[key]
