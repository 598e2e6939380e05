"""How long a lead is safe with its owner, and why.

`protection` is the one function behind the remaining time shown, the explanation and the reclaim run.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from crm_sales.pools.model import FollowUpKind, PoolRules

# Two clocks that mean the same moment differ by no more than this.
CLOCK_SKEW = timedelta(minutes=5)
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
    """The facts that protect a lead owned by somebody since `take_time`, by anybody since `owned_since_time`."""

    id: UUID
    owner_id: UUID
    take_time: datetime
    owned_since_time: datetime
    follow_ups: tuple[FollowUp, ...] = ()
    is_converting: bool = False


class ProtectionReason(StrEnum):
    """What decides until when it is safe."""

    CONVERTING = "CONVERTING"
    NO_RULE = "NO_RULE"
    TAKEN = "TAKEN"
    FOLLOW_UP = "FOLLOW_UP"
    HARD_MAXIMUM = "HARD_MAXIMUM"


@dataclass(frozen=True, slots=True)
class ProtectionStep:
    """One fact, the protection it gives (None: none), and why."""

    reason: ProtectionReason
    start_time: datetime
    safe_until_time: datetime | None
    explanation: str


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
    not known yet.
    """
    if holding.is_converting:
        reason = ProtectionReason.CONVERTING
        step = ProtectionStep(reason, holding.take_time, None, "being converted: the pool's rules do not apply")
        return Protection(None, reason, (step,))
    steps = _steps(holding, rules, now)
    latest = max((step for step in steps if step.safe_until_time), key=_end, default=None)
    hard = None if rules.hard_maximum is None else holding.owned_since_time + rules.hard_maximum
    if hard is not None and (latest is None or _end(latest) > hard):
        explanation = f"nothing protects longer than {rules.hard_maximum}"
        latest = ProtectionStep(ProtectionReason.HARD_MAXIMUM, holding.owned_since_time, hard, explanation)
        steps.append(latest)
    if latest is None:
        return Protection(None, ProtectionReason.NO_RULE, tuple(steps))
    return Protection(_end(latest), latest.reason, tuple(steps), _end(latest) - rules.warning_before)


def _steps(holding: Holding, rules: PoolRules, now: datetime) -> list[ProtectionStep]:
    if rules.reclaim_after is None:
        return []
    end, explanation = holding.take_time + rules.reclaim_after, f"taken, safe for {rules.reclaim_after}"
    taken = ProtectionStep(ProtectionReason.TAKEN, holding.take_time, end, explanation)
    known = [each for each in holding.follow_ups if holding.take_time <= each.record_time <= now]
    return [taken, *(_follow_up_step(each, holding, rules) for each in known)]


def _follow_up_step(follow_up: FollowUp, holding: Holding, rules: PoolRules) -> ProtectionStep:
    extension = rules.extension(follow_up.kind)
    refusal = (
        f"{follow_up.kind} does not count in this pool" if extension is None else _refusal(follow_up, holding, rules)
    )
    if extension is None or refusal:
        return ProtectionStep(ProtectionReason.FOLLOW_UP, follow_up.record_time, None, refusal)
    # Within the skew of clocks the server's time holds, so that nobody gains by a fast watch.
    start = max(min(follow_up.happen_time, follow_up.record_time), holding.take_time)
    explanation = f"{follow_up.kind}, safe for {extension}"
    return ProtectionStep(ProtectionReason.FOLLOW_UP, start, start + extension, explanation)


def _refusal(follow_up: FollowUp, holding: Holding, rules: PoolRules) -> str:
    if follow_up.happen_time > follow_up.record_time + CLOCK_SKEW:
        return "dated into the future, does not count"
    if follow_up.happen_time < follow_up.record_time - rules.backdating:
        return f"entered more than {rules.backdating} after it happened, does not count"
    if follow_up.happen_time < holding.take_time - CLOCK_SKEW:
        return "happened before the lead was taken, does not count"
    return ""


def _end(step: ProtectionStep) -> datetime:
    assert step.safe_until_time is not None
    return step.safe_until_time
