"""Who may claim what from the pool: cool-downs, capacity and claims a day."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from crm_kit.errors import FailedPrecondition
from crm_kit.zones import time_text

from crm_sales.pools.model import PoolRules


@dataclass(frozen=True, slots=True)
class Claimant:
    """What limits a user: how many open leads they own, and how many they have claimed since the day began."""

    user_id: UUID
    held: int
    claims_today: int


@dataclass(frozen=True, slots=True)
class PoolEntry:
    """Since when something lies in the pool, and who owned it before."""

    pool_time: datetime
    former_owner_id: UUID | None = None


def check_claim(entry: PoolEntry, claimant: Claimant, rules: PoolRules, now: datetime) -> None:
    """Let a claim pass, or raise FailedPrecondition.

    Reasons: POOL_COOL_DOWN, POOL_CAPACITY_REACHED, POOL_DAILY_LIMIT_REACHED; with the seconds to wait where
    waiting helps.
    """
    _check_cool_down(entry, claimant, rules, now)
    if rules.capacity is not None and claimant.held >= rules.capacity:
        raise capacity_reached(rules.capacity)
    if rules.claims_per_day is not None and claimant.claims_today >= rules.claims_per_day:
        raise daily_limit_reached(rules, now)


def capacity_reached(capacity: int) -> FailedPrecondition:
    """What who owns as many leads as the pool allows is told."""
    return FailedPrecondition(
        f"a user may own at most {capacity} open leads in this pool",
        reason="POOL_CAPACITY_REACHED",
        metadata={"capacity": str(capacity)},
    )


def daily_limit_reached(rules: PoolRules, now: datetime) -> FailedPrecondition:
    """What who has made all claims of the day is told."""
    return FailedPrecondition(
        f"a user may claim at most {rules.claims_per_day} leads a day from this pool",
        reason="POOL_DAILY_LIMIT_REACHED",
        metadata={"claims_per_day": str(rules.claims_per_day)},
        retry_after_seconds=(_next_day_start(rules, now) - now).total_seconds(),
    )


def claim_day_start(rules: PoolRules, now: datetime) -> datetime:
    """The instant from which the claims of today count."""
    local = now.astimezone(rules.zone())
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)


def _next_day_start(rules: PoolRules, now: datetime) -> datetime:
    # A day has 23 to 25 hours: 36 after its start lie in the next one, whatever the clocks do.
    return claim_day_start(rules, claim_day_start(rules, now) + timedelta(hours=36))


def _check_cool_down(entry: PoolEntry, claimant: Claimant, rules: PoolRules, now: datetime) -> None:
    waits = [(rules.fresh_entry_cool_down, "it has just come into the pool")]
    if entry.former_owner_id == claimant.user_id:
        waits.append((rules.former_owner_cool_down, "you were its last owner"))
    for wait, cause in waits:
        if wait is not None and now < entry.pool_time + wait:
            end = entry.pool_time + wait
            raise FailedPrecondition(
                f"{cause}: you can claim it from {time_text(end)} on",
                reason="POOL_COOL_DOWN",
                metadata={"claimable_time": time_text(end)},
                retry_after_seconds=(end - now).total_seconds(),
            )
