"""Rate limits: a token bucket per tenant and per token, as a pure step and a store around it.

A bucket holds up to `burst` permits and gains `per_second` of them; a request takes one. A refused request takes none.

The buckets are in the memory of one process, and each of n gateways admits an n-th of what the limits say. A balancer
that spreads requests evenly lets a caller have all of it; one that keeps a caller at one gateway, that part alone.
Limits keep the platform from being flooded, they do not meter use.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """`per_second` permits are gained, at most `burst` are kept. A limit of 0 per second does not limit."""

    per_second: float
    burst: int


def part_of(per_second: float, burst: int, parts: int) -> Limit:
    """What one of so many gateways admits of a limit that holds for all together; at least one request at a time."""
    return Limit(per_second / parts, math.ceil(burst / parts))


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
    """The buckets of this process, those used longest ago first."""

    def __init__(self, *, max_buckets: int = 100_000) -> None:
        self._levels: dict[str, Level] = {}
        self._max = max_buckets

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
        for key, level in taken.items():
            self._put(key, level)
        return tightest

    def _put(self, key: str, level: Level) -> None:
        self._levels.pop(key, None)
        self._levels[key] = level
        if len(self._levels) > self._max:
            # What was used longest ago is most likely full again, and a forgotten bucket counts as full.
            del self._levels[next(iter(self._levels))]
