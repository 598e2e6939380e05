from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from crm_kit.errors import FailedPrecondition, InvalidArgument
from crm_sales.pools.model import (
    CLOCK_SKEW,
    Claimant,
    FollowUp,
    FollowUpKind,
    Holding,
    PoolEntry,
    PoolRules,
    ProtectionReason,
    check_claim,
    claim_day_start,
    protection,
    simulate,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
RULES = PoolRules(
    reclaim_after=72 * HOUR,
    extensions={FollowUpKind.CALL: 48 * HOUR, FollowUpKind.VISIT: 240 * HOUR},
    hard_maximum=30 * DAY,
    capacity=3,
    claims_per_day=2,
    former_owner_cool_down=7 * DAY,
    time_zone="Asia/Shanghai",
)


def call(at: datetime, recorded: datetime | None = None) -> FollowUp:
    return FollowUp(FollowUpKind.CALL, at, recorded or at)


def test_a_lead_never_followed_counts_from_when_it_was_taken() -> None:
    got = protection(Holding("l1", "u1", NOW), RULES, NOW)
    assert (got.safe_until, got.reason) == (NOW + 72 * HOUR, ProtectionReason.TAKEN)
    assert got.warning_time == NOW + 48 * HOUR
    assert not got.is_lapsed(NOW + 72 * HOUR - timedelta(microseconds=1))
    assert got.is_lapsed(NOW + 72 * HOUR)


def test_a_follow_up_protects_by_the_extension_of_its_kind() -> None:
    visit = FollowUp(FollowUpKind.VISIT, NOW + HOUR, NOW + HOUR)
    got = protection(Holding("l1", "u1", NOW, (visit,)), RULES, NOW + DAY)
    assert (got.safe_until, got.reason) == (NOW + 241 * HOUR, ProtectionReason.FOLLOW_UP)


def test_a_short_extension_does_not_move_the_protection_back() -> None:
    got = protection(Holding("l1", "u1", NOW, (call(NOW + HOUR),)), RULES, NOW + DAY)
    assert (got.safe_until, got.reason) == (NOW + 72 * HOUR, ProtectionReason.TAKEN)


@pytest.mark.parametrize(
    ("happened", "recorded", "why"),
    [
        (NOW + 60 * HOUR, NOW + 50 * HOUR, "future"),
        (NOW + 2 * HOUR, NOW + 2 * HOUR + 72 * HOUR + timedelta(seconds=1), "after it happened"),
        (NOW - HOUR, NOW + 50 * HOUR, "before the lead was taken"),
    ],
)
def test_a_follow_up_that_is_not_credible_does_not_move_the_clock(
    happened: datetime, recorded: datetime, why: str
) -> None:
    got = protection(Holding("l1", "u1", NOW, (call(happened, recorded),)), RULES, NOW + 10 * DAY)
    assert got.safe_until == NOW + 72 * HOUR
    assert why in got.explanation[1].explanation
    assert got.explanation[1].until is None


def test_a_fast_watch_gains_nothing() -> None:
    recorded = NOW + 50 * HOUR
    got = protection(Holding("l1", "u1", NOW, (call(recorded + CLOCK_SKEW, recorded),)), RULES, recorded)
    assert got.safe_until == recorded + 48 * HOUR


def test_a_kind_without_extension_does_not_count() -> None:
    note = FollowUp(FollowUpKind.NOTE, NOW + 50 * HOUR, NOW + 50 * HOUR)
    assert protection(Holding("l1", "u1", NOW, (note,)), RULES, NOW + 3 * DAY).safe_until == NOW + 72 * HOUR


def test_nothing_passes_the_hard_maximum() -> None:
    facts = Holding("l1", "u1", NOW, (call(NOW + 29 * DAY),), extended_until=NOW + 90 * DAY)
    got = protection(facts, RULES, NOW + 29 * DAY)
    assert (got.safe_until, got.reason) == (NOW + 30 * DAY, ProtectionReason.HARD_MAXIMUM)


def test_the_managers_extension_protects() -> None:
    got = protection(Holding("l1", "u1", NOW, extended_until=NOW + 10 * DAY), RULES, NOW)
    assert (got.safe_until, got.reason) == (NOW + 10 * DAY, ProtectionReason.EXTENSION)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (Holding("l1", "u1", NOW, has_open_opportunity=True), "OPEN_OPPORTUNITY"),
        (Holding("l1", "u1", NOW, has_deal=True), "DEAL"),
        (Holding("l1", "u1", NOW, is_locked=True), "LOCKED"),
        (Holding("l1", "u1", NOW, is_converting=True), "CONVERTING"),
    ],
)
def test_an_exempt_lead_is_safe_without_limit(facts: Holding, reason: str) -> None:
    got = protection(facts, RULES, NOW + 900 * DAY)
    assert (got.safe_until, got.reason, got.remaining(NOW)) == (None, reason, None)


def test_without_rules_nothing_goes_back() -> None:
    assert protection(Holding("l1", "u1", NOW), PoolRules(), NOW + 900 * DAY).reason is ProtectionReason.NO_RULE


def test_the_hard_maximum_stands_alone_too() -> None:
    got = protection(Holding("l1", "u1", NOW), PoolRules(hard_maximum=DAY), NOW)
    assert (got.safe_until, got.reason) == (NOW + DAY, ProtectionReason.HARD_MAXIMUM)


def test_days_go_by_customer_tier() -> None:
    rules = PoolRules(reclaim_after=72 * HOUR, reclaim_after_by_tier={"KEY": 240 * HOUR})
    assert protection(Holding("l1", "u1", NOW, tier="KEY"), rules, NOW).safe_until == NOW + 240 * HOUR
    assert protection(Holding("l1", "u1", NOW, tier="SMALL"), rules, NOW).safe_until == NOW + 72 * HOUR


def test_a_pool_in_business_hours_brings_its_calendar() -> None:
    def weekends_do_not_count(start: datetime, duration: timedelta) -> datetime:
        return start + duration + 2 * DAY

    got = protection(Holding("l1", "u1", NOW), RULES, NOW, weekends_do_not_count)
    assert got.safe_until == NOW + 72 * HOUR + 2 * DAY


hours = st.integers(-200, 1000)
follow_ups = st.lists(
    st.builds(
        lambda kind, happened, late: FollowUp(kind, NOW + happened * HOUR, NOW + (happened + late) * HOUR),
        st.sampled_from(list(FollowUpKind)),
        hours,
        st.integers(-50, 100),
    ),
    max_size=6,
).map(tuple)
rules_given = st.builds(
    PoolRules,
    reclaim_after=st.integers(1, 300).map(lambda n: n * HOUR),
    extensions=st.dictionaries(st.sampled_from(list(FollowUpKind)), st.integers(1, 300).map(lambda n: n * HOUR)),
    hard_maximum=st.none() | st.integers(1, 40).map(lambda n: n * DAY),
)


@given(follow_ups, rules_given, st.integers(0, 1000))
def test_protection_is_what_living_through_the_hours_gives(
    given_follow_ups: tuple[FollowUp, ...], rules: PoolRules, age: int
) -> None:
    """Oracle: hour by hour, a counter of protected hours is refilled, never below what is left."""
    assert rules.reclaim_after
    left = rules.reclaim_after // HOUR
    for hour in range(age + 1):
        moment = NOW + hour * HOUR
        for one in given_follow_ups:
            ago = (one.recorded - one.happened) // HOUR
            if one.recorded == moment and 0 <= ago <= 72 and ago <= hour and one.kind in rules.extensions:
                left = max(left, rules.extensions[one.kind] // HOUR - ago)
        if hour < age:
            left -= 1
    safe_until = NOW + (age + left) * HOUR
    if rules.hard_maximum:
        safe_until = min(safe_until, NOW + rules.hard_maximum)
    got = protection(Holding("l1", "u1", NOW, given_follow_ups), rules, NOW + age * HOUR)
    assert got.safe_until == safe_until
    assert got.remaining(NOW + age * HOUR) == max(safe_until - NOW - age * HOUR, timedelta())


@given(follow_ups, follow_ups, rules_given, st.integers(0, 1000))
def test_a_follow_up_moves_the_protection_only_forward(
    some: tuple[FollowUp, ...], more: tuple[FollowUp, ...], rules: PoolRules, age: int
) -> None:
    now = NOW + age * HOUR
    before = protection(Holding("l1", "u1", NOW, some), rules, now).safe_until
    after = protection(Holding("l1", "u1", NOW, some + more), rules, now).safe_until
    assert before is not None
    assert after is not None
    assert after >= before
    assert rules.hard_maximum is None or after <= NOW + rules.hard_maximum


ENTRY = PoolEntry("l1", NOW - 3 * DAY, former_owner_id="u9")


def test_a_claim_within_all_limits_passes() -> None:
    check_claim(ENTRY, Claimant("u1", held=2, claims_today=1), RULES, NOW)


@pytest.mark.parametrize(
    ("claimant", "reason"),
    [
        (Claimant("u1", held=3, claims_today=0), "POOL_CAPACITY_REACHED"),
        (Claimant("u1", held=0, claims_today=2), "POOL_DAILY_LIMIT_REACHED"),
        (Claimant("u9", held=0, claims_today=0), "POOL_COOL_DOWN"),
    ],
)
def test_a_claim_over_a_limit_is_refused_with_its_reason(claimant: Claimant, reason: str) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        check_claim(ENTRY, claimant, RULES, NOW)
    assert refused.value.reason == reason


def test_a_cool_down_says_when_it_ends() -> None:
    with pytest.raises(FailedPrecondition) as refused:
        check_claim(ENTRY, Claimant("u9", 0, 0), RULES, NOW)
    assert refused.value.retry_after_seconds == (4 * DAY).total_seconds()
    check_claim(ENTRY, Claimant("u9", 0, 0), RULES, NOW + 4 * DAY)


def test_what_has_just_come_in_cools_down_for_everybody() -> None:
    rules = PoolRules(fresh_entry_cool_down=4 * DAY)
    with pytest.raises(FailedPrecondition, match="just come"):
        check_claim(ENTRY, Claimant("u1", 0, 0), rules, NOW)
    check_claim(ENTRY, Claimant("u1", 0, 0), rules, NOW + DAY)


def test_claims_are_counted_by_the_day_of_the_pools_zone() -> None:
    assert claim_day_start(RULES, datetime(2026, 3, 2, 15, 59, tzinfo=UTC)) == datetime(2026, 3, 1, 16, tzinfo=UTC)
    assert claim_day_start(RULES, datetime(2026, 3, 2, 16, tzinfo=UTC)) == datetime(2026, 3, 2, 16, tzinfo=UTC)
    with pytest.raises(FailedPrecondition) as refused:
        check_claim(ENTRY, Claimant("u1", 0, 2), RULES, NOW)
    assert refused.value.retry_after_seconds == (4 * HOUR).total_seconds()


@pytest.mark.parametrize(("day", "seconds"), [(8, 23 * 3600), (1, 24 * 3600)])
def test_the_next_day_begins_on_time_when_clocks_change(day: int, seconds: int) -> None:
    rules = PoolRules(claims_per_day=0, time_zone="America/New_York")
    midnight = datetime(2026, 3, day, 5, tzinfo=UTC)
    with pytest.raises(FailedPrecondition) as refused:
        check_claim(ENTRY, Claimant("u1", 0, 0), rules, midnight)
    assert refused.value.retry_after_seconds == seconds


def test_a_simulation_names_what_would_go_back_and_whose() -> None:
    holdings = [
        Holding("old", "u1", NOW - 100 * HOUR),
        Holding("middle", "u1", NOW - 60 * HOUR),
        Holding("young", "u2", NOW - HOUR),
        Holding("deal", "u2", NOW - 900 * HOUR, has_deal=True),
    ]
    got = simulate(holdings, RULES, PoolRules(reclaim_after=48 * HOUR), NOW)
    assert [back.id for back in got.lapsed] == ["old", "middle"]
    assert [back.id for back in got.newly_lapsed] == ["middle"]
    assert got.by_owner == {"u1": 2}
    assert simulate(holdings, RULES, PoolRules(reclaim_after=480 * HOUR), NOW).newly_safe == ("old",)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: PoolRules(reclaim_after=timedelta()), "reclaim_after"),
        (lambda: PoolRules(extensions={FollowUpKind.CALL: -HOUR}), "extensions.CALL"),
        (lambda: PoolRules(capacity=-1), "capacity"),
        (lambda: PoolRules(time_zone="Mars/Olympus"), "time_zone"),
    ],
)
def test_rules_that_cannot_be_used_are_refused(make: Callable[[], PoolRules], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        make()
    assert [violation.field for violation in refused.value.violations] == [f"rules.{field}"]
