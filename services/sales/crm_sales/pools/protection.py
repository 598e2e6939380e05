"""How long a lead is safe with its owner, and why.

`protection` is the one function behind the remaining time shown, the explanation and the reclaim run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from crm_kit.durations import duration_text, duration_words
from crm_kit.zones import time_text

from crm_sales.pools.model import FollowUpKind, PoolRules

# Two clocks that mean the same moment differ by no more than this.
CLOCK_SKEW = timedelta(minutes=5)
# No attempt at a conversion takes longer: its calls have deadlines.
ATTEMPT_LASTS = timedelta(minutes=2)
MAX_SECONDS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class FollowUp:
    """One follow-up: when the user says it happened, when the server learned of it, what came of it, and by whom."""

    kind: FollowUpKind
    happen_time: datetime
    record_time: datetime
    note: str | None = None
    id: UUID | None = None
    user_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """The facts that protect a lead owned by somebody since `take_time`, by anybody since `owned_since_time`.

    `attempt_time` is when an attempt to convert it began that has not ended.
    """

    id: UUID
    owner_id: UUID
    take_time: datetime
    owned_since_time: datetime
    follow_ups: tuple[FollowUp, ...] = ()
    attempt_time: datetime | None = None


class ProtectionReason(StrEnum):
    """What decides until when it is safe."""

    CONVERTING = "CONVERTING"
    NO_RULE = "NO_RULE"
    TAKEN = "TAKEN"
    FOLLOW_UP = "FOLLOW_UP"
    HARD_MAXIMUM = "HARD_MAXIMUM"


class ProtectionRule(StrEnum):
    """What a fact is judged by; callers have a text for each, in every language."""

    CONVERTING = "CONVERTING"
    TAKEN = "TAKEN"
    FOLLOW_UP = "FOLLOW_UP"
    FOLLOW_UP_KIND_NOT_COUNTED = "FOLLOW_UP_KIND_NOT_COUNTED"
    FOLLOW_UP_IN_FUTURE = "FOLLOW_UP_IN_FUTURE"
    FOLLOW_UP_ENTERED_LATE = "FOLLOW_UP_ENTERED_LATE"
    FOLLOW_UP_BEFORE_TAKEN = "FOLLOW_UP_BEFORE_TAKEN"
    HARD_MAXIMUM = "HARD_MAXIMUM"


@dataclass(frozen=True, slots=True)
class ProtectionStep:
    """One fact, the protection it gives (None: none), and why: a rule in words, with its values in `metadata`.

    Of the values durations are written as `604800s`, instants as `2026-01-31T09:30:00Z`.
    """

    reason: ProtectionReason
    start_time: datetime
    safe_until_time: datetime | None
    code: str
    explanation: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Protection:
    """Safe until `safe_until_time` (None: no limit); from that instant on it goes back."""

    safe_until_time: datetime | None
    reason: ProtectionReason
    steps: tuple[ProtectionStep, ...]
    warning_time: datetime | None = None

    def is_lapsed(self, now: datetime) -> bool:
        """Whether a reclaim run at `now` takes it back."""
        return self.safe_until_time is not None and now >= self.safe_until_time

    def remaining(self, now: datetime) -> timedelta | None:
        """The time left, zero when lapsed, None without limit."""
        return None if self.safe_until_time is None else max(self.safe_until_time - now, timedelta())

    def remaining_seconds(self, now: datetime) -> int | None:
        """The time left in whole seconds, as many as the contract's int32 can say."""
        remaining = self.remaining(now)
        return None if remaining is None else min(int(remaining.total_seconds()), MAX_SECONDS)


def protection(holding: Holding, rules: PoolRules, now: datetime) -> Protection:
    """Until when a lead is safe, and why.

    The latest of taking it and credible follow-ups, capped by the hard maximum. What was recorded after `now` is
    not known yet. An attempt to convert it that began before that may end; attempts that follow give no more.
    """
    steps = _steps(holding, rules, now)
    latest = max((step for step in steps if step.safe_until_time), key=_end, default=None)
    hard = None if rules.hard_maximum is None else _hard_maximum(holding, rules.hard_maximum)
    if hard is not None and (latest is None or _end(latest) > _end(hard)):
        latest = hard
        steps.append(latest)
    if latest is None:
        return Protection(None, ProtectionReason.NO_RULE, tuple(steps))
    if holding.attempt_time is not None and holding.attempt_time < _end(latest):
        steps.append(_converting(holding.attempt_time))
        latest = max(latest, steps[-1], key=_end)
    return Protection(_end(latest), latest.reason, tuple(steps), _end(latest) - rules.warning_before)


def _steps(holding: Holding, rules: PoolRules, now: datetime) -> list[ProtectionStep]:
    if rules.reclaim_after is None:
        return []
    known = [each for each in holding.follow_ups if holding.take_time <= each.record_time <= now]
    return [_taken(holding, rules.reclaim_after), *(_follow_up_step(each, holding, rules) for each in known)]


def _converting(attempt_time: datetime) -> ProtectionStep:
    return ProtectionStep(
        ProtectionReason.CONVERTING,
        attempt_time,
        attempt_time + ATTEMPT_LASTS,
        ProtectionRule.CONVERTING,
        f"being converted, safe for {duration_words(ATTEMPT_LASTS)}",
        {"safe_for": duration_text(ATTEMPT_LASTS)},
    )


def _taken(holding: Holding, safe_for: timedelta) -> ProtectionStep:
    return ProtectionStep(
        ProtectionReason.TAKEN,
        holding.take_time,
        holding.take_time + safe_for,
        ProtectionRule.TAKEN,
        f"taken, safe for {duration_words(safe_for)}",
        {"safe_for": duration_text(safe_for)},
    )


def _hard_maximum(holding: Holding, most: timedelta) -> ProtectionStep:
    return ProtectionStep(
        ProtectionReason.HARD_MAXIMUM,
        holding.owned_since_time,
        holding.owned_since_time + most,
        ProtectionRule.HARD_MAXIMUM,
        f"nothing protects longer than {duration_words(most)}",
        {"most": duration_text(most)},
    )


def _follow_up_step(follow_up: FollowUp, holding: Holding, rules: PoolRules) -> ProtectionStep:
    extension = rules.extension(follow_up.kind)
    if extension is None:
        return _not_counted(follow_up)
    if refused := _refused(follow_up, holding, rules):
        return refused
    # Within the skew of clocks the server's time holds, so that nobody gains by a fast watch.
    start = max(min(follow_up.happen_time, follow_up.record_time), holding.take_time)
    return ProtectionStep(
        ProtectionReason.FOLLOW_UP,
        start,
        start + extension,
        ProtectionRule.FOLLOW_UP,
        f"{follow_up.kind.capitalize()}: safe for {duration_words(extension)}",
        {"kind": follow_up.kind, "safe_for": duration_text(extension)},
    )


def _not_counted(follow_up: FollowUp) -> ProtectionStep:
    code, explanation = ProtectionRule.FOLLOW_UP_KIND_NOT_COUNTED, "does not count in this pool"
    return _unprotected(follow_up, code, f"{follow_up.kind.capitalize()}: {explanation}", kind=follow_up.kind)


def _refused(follow_up: FollowUp, holding: Holding, rules: PoolRules) -> ProtectionStep | None:
    """Why a follow-up is not believed; None when it is."""
    happened, known, taken = follow_up.happen_time, follow_up.record_time, holding.take_time
    if happened > known + CLOCK_SKEW:
        explanation = f"dated into the future ({time_text(happened)}), does not count"
        code = ProtectionRule.FOLLOW_UP_IN_FUTURE
        return _unprotected(follow_up, code, explanation, happen_time=time_text(happened))
    if happened < known - rules.backdating:
        explanation = f"entered more than {duration_words(rules.backdating)} after it happened, does not count"
        code = ProtectionRule.FOLLOW_UP_ENTERED_LATE
        return _unprotected(follow_up, code, explanation, backdating=duration_text(rules.backdating))
    if happened < taken - CLOCK_SKEW:
        explanation = f"happened before the lead was taken ({time_text(taken)}), does not count"
        return _unprotected(follow_up, ProtectionRule.FOLLOW_UP_BEFORE_TAKEN, explanation, take_time=time_text(taken))
    return None


def _unprotected(follow_up: FollowUp, code: ProtectionRule, explanation: str, **metadata: str) -> ProtectionStep:
    return ProtectionStep(ProtectionReason.FOLLOW_UP, follow_up.record_time, None, code, explanation, metadata)


def _end(step: ProtectionStep) -> datetime:
    assert step.safe_until_time is not None
    return step.safe_until_time
