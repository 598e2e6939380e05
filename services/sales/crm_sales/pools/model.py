"""Public pools: who may claim what, and how long what was claimed is safe.

`protection` is the one function behind the remaining time shown, the explanation and the reclaim run.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from crm_kit.errors import FailedPrecondition, invalid_field
from crm_kit.etags import check_etag

# Two clocks that mean the same moment differ by no more than this.
CLOCK_SKEW = timedelta(minutes=5)


class FollowUpKind(StrEnum):
    """What counts as taking care of a lead."""

    CALL = "CALL"
    VISIT = "VISIT"
    MEETING = "MEETING"
    EMAIL = "EMAIL"
    MESSAGE = "MESSAGE"
    NOTE = "NOTE"


Advance = Callable[[datetime, timedelta], datetime]


def calendar_time(start: datetime, duration: timedelta) -> datetime:
    """Hours on the wall; a pool in business hours brings its calendar's function instead."""
    return start + duration


@dataclass(frozen=True, slots=True)
class PoolRules:
    """The rules of a pool; None switches one off.

    `reclaim_after` counts from when a lead was taken, by customer tier where `reclaim_after_by_tier` has it;
    `extensions` are what a follow-up of a kind protects for, from its own time; a kind not named does not
    count. `hard_maximum` from when it was taken is passed by nothing. A follow-up entered more than
    `backdating` after it happened does not count. The day of `claims_per_day` is that of `time_zone`.
    Raises InvalidArgument for a duration or number that is not positive, or an unknown zone.
    """

    reclaim_after: timedelta | None = None
    reclaim_after_by_tier: Mapping[str, timedelta] = field(default_factory=lambda: MappingProxyType({}))
    extensions: Mapping[FollowUpKind, timedelta] = field(default_factory=lambda: MappingProxyType({}))
    hard_maximum: timedelta | None = None
    warning_before: timedelta = timedelta(hours=24)
    backdating: timedelta = timedelta(hours=72)
    capacity: int | None = None
    claims_per_day: int | None = None
    former_owner_cool_down: timedelta | None = None
    fresh_entry_cool_down: timedelta | None = None
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        durations = {
            "reclaim_after": self.reclaim_after,
            "hard_maximum": self.hard_maximum,
            "warning_before": self.warning_before,
            "backdating": self.backdating,
            "former_owner_cool_down": self.former_owner_cool_down,
            "fresh_entry_cool_down": self.fresh_entry_cool_down,
            **{f"extensions.{kind}": given for kind, given in self.extensions.items()},
            **{f"reclaim_after_by_tier.{tier}": given for tier, given in self.reclaim_after_by_tier.items()},
        }
        for name, duration in durations.items():
            if duration is not None and duration <= timedelta():
                raise invalid_field(f"rules.{name}", "positive", f"{duration} is not longer than zero")
        for name, number in (("capacity", self.capacity), ("claims_per_day", self.claims_per_day)):
            if number is not None and number < 0:
                raise invalid_field(f"rules.{name}", "not_negative", f"{number} is below zero")
        self.zone()

    def zone(self) -> ZoneInfo:
        """The zone whose days count. Raises InvalidArgument."""
        try:
            return ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise invalid_field("rules.time_zone", "iana", f"{self.time_zone!r} is not an IANA time zone") from error


# What a pool starts with: a week for what was just taken, and a week more for each time somebody took care.
STARTING_RULES = PoolRules(
    reclaim_after=timedelta(days=7),
    extensions=MappingProxyType({kind: timedelta(days=7) for kind in FollowUpKind if kind is not FollowUpKind.NOTE}),
    hard_maximum=timedelta(days=90),
    claims_per_day=50,
    former_owner_cool_down=timedelta(hours=24),
    time_zone="Asia/Shanghai",
)


@dataclass(frozen=True, slots=True)
class Pool:
    """The public pool of a tenant. Its version counts the versions of its rules."""

    id: UUID
    display_name: str
    rules: PoolRules
    create_time: datetime
    update_time: datetime
    version: int = 1

    def update(self, values: dict[str, Any], *, now: datetime, etag: str = "") -> "Pool":
        """With new values of some fields."""
        check_etag(etag, self.version)
        after = replace(self, **values)
        if after == self:
            return self
        return replace(after, version=self.version + 1, update_time=max(now, self.update_time))


@dataclass(frozen=True, slots=True)
class FollowUp:
    """One follow-up: when the user says it happened, and when the server learned of it."""

    kind: FollowUpKind
    happened: datetime
    recorded: datetime


@dataclass(frozen=True, slots=True)
class Holding:
    """The facts that protect a lead (or an account) in somebody's hands since `taken`.

    `extended_until` is what the pool's manager granted on request.
    """

    id: str
    owner_id: str
    taken: datetime
    follow_ups: tuple[FollowUp, ...] = ()
    tier: str = ""
    extended_until: datetime | None = None
    has_open_opportunity: bool = False
    has_deal: bool = False
    is_locked: bool = False
    is_converting: bool = False


class ProtectionReason(StrEnum):
    """What decides until when it is safe."""

    OPEN_OPPORTUNITY = "OPEN_OPPORTUNITY"
    DEAL = "DEAL"
    LOCKED = "LOCKED"
    CONVERTING = "CONVERTING"
    NO_RULE = "NO_RULE"
    TAKEN = "TAKEN"
    FOLLOW_UP = "FOLLOW_UP"
    EXTENSION = "EXTENSION"
    HARD_MAXIMUM = "HARD_MAXIMUM"


@dataclass(frozen=True, slots=True)
class ProtectionStep:
    """One fact, the protection it would give (None: none), and why."""

    reason: ProtectionReason
    at: datetime
    until: datetime | None
    explanation: str


@dataclass(frozen=True, slots=True)
class Protection:
    """Safe until `safe_until` (None: no limit); from that instant on it goes back."""

    safe_until: datetime | None
    reason: ProtectionReason
    explanation: tuple[ProtectionStep, ...]
    warning_time: datetime | None

    def is_lapsed(self, now: datetime) -> bool:
        """Whether a reclaim run at `now` takes it back."""
        return self.safe_until is not None and now >= self.safe_until

    def remaining(self, now: datetime) -> timedelta | None:
        """The time left, zero when lapsed, None without limit."""
        return None if self.safe_until is None else max(self.safe_until - now, timedelta())


@dataclass(frozen=True, slots=True)
class Claimant:
    """What limits a user: held now (without what the pool does not count) and claims made since the day began."""

    user_id: str
    held: int
    claims_today: int


@dataclass(frozen=True, slots=True)
class PoolEntry:
    """What lies in the pool since `entered`, and who let it go."""

    id: str
    entered: datetime
    former_owner_id: str = ""


@dataclass(frozen=True, slots=True)
class Return:
    """One that would go back under the proposed rules, and until when it would have been safe."""

    id: str
    owner_id: str
    safe_until: datetime


@dataclass(frozen=True, slots=True)
class Simulation:
    """What proposed rules would do at once; `newly_lapsed` leaves out what goes back anyway."""

    lapsed: tuple[Return, ...]
    newly_lapsed: tuple[Return, ...]
    newly_safe: tuple[str, ...]
    by_owner: Mapping[str, int]


def protection(facts: Holding, rules: PoolRules, now: datetime, advance: Advance = calendar_time) -> Protection:
    """Until when a lead is safe, and why.

    The latest of taking it, credible follow-ups and a granted extension, capped by the hard maximum. What was
    recorded after `now` is not known yet.
    """
    exempt = _exemption(facts)
    if exempt:
        step = ProtectionStep(exempt, facts.taken, None, f"{exempt}: the pool's rules do not apply")
        return Protection(None, exempt, (step,), None)
    steps = _steps(facts, rules, now, advance)
    latest = max((step for step in steps if step.until), key=_until_of, default=None)
    hard = None if rules.hard_maximum is None else facts.taken + rules.hard_maximum
    if hard is not None and (latest is None or _until_of(latest) > hard):
        latest = ProtectionStep(
            ProtectionReason.HARD_MAXIMUM, facts.taken, hard, f"nothing protects longer than {rules.hard_maximum}"
        )
        steps.append(latest)
    if latest is None:
        return Protection(None, ProtectionReason.NO_RULE, tuple(steps), None)
    until = _until_of(latest)
    return Protection(until, latest.reason, tuple(steps), until - rules.warning_before)


def check_claim(entry: PoolEntry, claimant: Claimant, rules: PoolRules, now: datetime) -> None:
    """Lets a claim pass, or raises FailedPrecondition.

    Reasons: POOL_COOL_DOWN, POOL_CAPACITY_REACHED, POOL_DAILY_LIMIT_REACHED; where time heals it, with the
    seconds to wait.
    """
    _check_cool_down(entry, claimant, rules, now)
    if rules.capacity is not None and claimant.held >= rules.capacity:
        raise FailedPrecondition(
            f"the pool allows {rules.capacity} in one hand, you hold {claimant.held}",
            reason="POOL_CAPACITY_REACHED",
        )
    if rules.claims_per_day is not None and claimant.claims_today >= rules.claims_per_day:
        raise FailedPrecondition(
            f"the pool allows {rules.claims_per_day} claims a day, you made {claimant.claims_today} today",
            reason="POOL_DAILY_LIMIT_REACHED",
            retry_after_seconds=(_day_after(rules, now) - now).total_seconds(),
        )


def claim_day_start(rules: PoolRules, now: datetime) -> datetime:
    """The instant from which the claims of today count."""
    local = now.astimezone(rules.zone())
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)


def simulate(
    holdings: Iterable[Holding],
    current: PoolRules,
    proposed: PoolRules,
    now: datetime,
    advance: Advance = calendar_time,
) -> Simulation:
    """Which would go back if the proposed rules were in force now."""
    lapsed, newly_lapsed, newly_safe = [], [], []
    by_owner: Counter[str] = Counter()
    for facts in holdings:
        was_lapsed = protection(facts, current, now, advance).is_lapsed(now)
        then = protection(facts, proposed, now, advance)
        if then.safe_until is None or not then.is_lapsed(now):
            newly_safe += [facts.id] if was_lapsed else []
            continue
        back = Return(facts.id, facts.owner_id, then.safe_until)
        lapsed.append(back)
        by_owner[facts.owner_id] += 1
        newly_lapsed += [] if was_lapsed else [back]
    return Simulation(tuple(lapsed), tuple(newly_lapsed), tuple(newly_safe), by_owner)


def _exemption(facts: Holding) -> ProtectionReason | None:
    exemptions = (
        (facts.has_open_opportunity, ProtectionReason.OPEN_OPPORTUNITY),
        (facts.has_deal, ProtectionReason.DEAL),
        (facts.is_locked, ProtectionReason.LOCKED),
        (facts.is_converting, ProtectionReason.CONVERTING),
    )
    return next((reason for holds, reason in exemptions if holds), None)


def _steps(facts: Holding, rules: PoolRules, now: datetime, advance: Advance) -> list[ProtectionStep]:
    base = rules.reclaim_after_by_tier.get(facts.tier, rules.reclaim_after)
    if base is None:
        return []
    taken = ProtectionStep(ProtectionReason.TAKEN, facts.taken, advance(facts.taken, base), f"taken, safe for {base}")
    steps = [taken]
    steps += [
        _follow_up_step(follow_up, facts, rules, advance)
        for follow_up in facts.follow_ups
        if facts.taken <= follow_up.recorded <= now
    ]
    if facts.extended_until is not None:
        steps.append(
            ProtectionStep(
                ProtectionReason.EXTENSION, facts.taken, facts.extended_until, "extended by the pool's manager"
            )
        )
    return steps


def _follow_up_step(follow_up: FollowUp, facts: Holding, rules: PoolRules, advance: Advance) -> ProtectionStep:
    reason = ProtectionReason.FOLLOW_UP
    refusal = _refusal(follow_up, facts, rules)
    if refusal:
        return ProtectionStep(reason, follow_up.recorded, None, refusal)
    extension = rules.extensions[follow_up.kind]
    # Within the skew of clocks the server's time holds, so that nobody gains by a fast watch.
    at = max(min(follow_up.happened, follow_up.recorded), facts.taken)
    return ProtectionStep(reason, at, advance(at, extension), f"{follow_up.kind}, safe for {extension}")


def _refusal(follow_up: FollowUp, facts: Holding, rules: PoolRules) -> str:
    if follow_up.kind not in rules.extensions:
        return f"{follow_up.kind} does not count in this pool"
    if follow_up.happened > follow_up.recorded + CLOCK_SKEW:
        return "dated into the future, does not count"
    if follow_up.happened < follow_up.recorded - rules.backdating:
        return f"entered more than {rules.backdating} after it happened, does not count"
    if follow_up.happened < facts.taken - CLOCK_SKEW:
        return "happened before the lead was taken, does not count"
    return ""


def _until_of(step: ProtectionStep) -> datetime:
    assert step.until is not None
    return step.until


def _check_cool_down(entry: PoolEntry, claimant: Claimant, rules: PoolRules, now: datetime) -> None:
    waits = [(rules.fresh_entry_cool_down, "what has just come into the pool")]
    if entry.former_owner_id == claimant.user_id:
        waits.append((rules.former_owner_cool_down, "its former owner"))
    for wait, whom in waits:
        if wait is not None and now < entry.entered + wait:
            raise FailedPrecondition(
                f"the pool's cool-down of {wait} for {whom} ends at {(entry.entered + wait).isoformat()}",
                reason="POOL_COOL_DOWN",
                retry_after_seconds=(entry.entered + wait - now).total_seconds(),
            )


def _day_after(rules: PoolRules, now: datetime) -> datetime:
    # A day has 23 to 25 hours: 36 after its start lie in the next one, whatever the clocks do.
    return claim_day_start(rules, claim_day_start(rules, now) + timedelta(hours=36))
