from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from crm_kit.errors import FailedPrecondition, InvalidArgument
from crm_sales.pools.claims import Claimant, PoolEntry, check_claim, claim_day_start
from crm_sales.pools.model import Extension, FollowUpKind, PoolRules
from crm_sales.pools.protection import ATTEMPT_LASTS, CLOCK_SKEW, FollowUp, Holding, ProtectionReason, protection
from crm_sales.pools.simulation import Return, Simulation
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LEAD, LI, WANG, FORMER = (UUID(int=number) for number in range(1, 5))
RULES = PoolRules(
    reclaim_after=72 * HOUR,
    extensions=(Extension(FollowUpKind.CALL, 48 * HOUR), Extension(FollowUpKind.VISIT, 240 * HOUR)),
    hard_maximum=30 * DAY,
    capacity=3,
    claims_per_day=2,
    former_owner_cool_down=7 * DAY,
    time_zone="Asia/Shanghai",
)


def call(at: datetime, recorded: datetime | None = None) -> FollowUp:
    return FollowUp(FollowUpKind.CALL, at, recorded or at)


def test_a_lead_never_followed_counts_from_when_it_was_taken() -> None:
    got = protection(Holding(LEAD, LI, NOW, NOW), RULES, NOW)
    assert (got.safe_until_time, got.reason) == (NOW + 72 * HOUR, ProtectionReason.TAKEN)
    assert got.warning_time == NOW + 48 * HOUR
    assert not got.is_lapsed(NOW + 72 * HOUR - timedelta(microseconds=1))
    assert got.is_lapsed(NOW + 72 * HOUR)


def test_a_follow_up_protects_by_the_extension_of_its_kind() -> None:
    visit = FollowUp(FollowUpKind.VISIT, NOW + HOUR, NOW + HOUR)
    got = protection(Holding(LEAD, LI, NOW, NOW, (visit,)), RULES, NOW + DAY)
    assert (got.safe_until_time, got.reason) == (NOW + 241 * HOUR, ProtectionReason.FOLLOW_UP)


def test_a_short_extension_does_not_move_the_protection_back() -> None:
    got = protection(Holding(LEAD, LI, NOW, NOW, (call(NOW + HOUR),)), RULES, NOW + DAY)
    assert (got.safe_until_time, got.reason) == (NOW + 72 * HOUR, ProtectionReason.TAKEN)


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
    got = protection(Holding(LEAD, LI, NOW, NOW, (call(happened, recorded),)), RULES, NOW + 10 * DAY)
    assert got.safe_until_time == NOW + 72 * HOUR
    assert why in got.steps[1].explanation
    assert got.steps[1].safe_until_time is None


def test_a_fast_watch_gains_nothing() -> None:
    recorded = NOW + 50 * HOUR
    got = protection(Holding(LEAD, LI, NOW, NOW, (call(recorded + CLOCK_SKEW, recorded),)), RULES, recorded)
    assert got.safe_until_time == recorded + 48 * HOUR


def test_a_kind_without_extension_does_not_count() -> None:
    note = FollowUp(FollowUpKind.NOTE, NOW + 50 * HOUR, NOW + 50 * HOUR)
    assert protection(Holding(LEAD, LI, NOW, NOW, (note,)), RULES, NOW + 3 * DAY).safe_until_time == NOW + 72 * HOUR


def test_nothing_passes_the_hard_maximum() -> None:
    got = protection(Holding(LEAD, LI, NOW, NOW, (call(NOW + 29 * DAY),)), RULES, NOW + 29 * DAY)
    assert (got.safe_until_time, got.reason) == (NOW + 30 * DAY, ProtectionReason.HARD_MAXIMUM)


def test_an_attempt_to_convert_that_begins_while_the_lead_is_safe_may_end() -> None:
    began = NOW + 72 * HOUR - timedelta(seconds=1)
    got = protection(Holding(LEAD, LI, NOW, NOW, attempt_time=began), RULES, NOW + 900 * DAY)
    assert (got.safe_until_time, got.reason) == (began + ATTEMPT_LASTS, ProtectionReason.CONVERTING)
    early = protection(Holding(LEAD, LI, NOW, NOW, attempt_time=NOW), RULES, NOW)
    assert (early.safe_until_time, early.reason) == (NOW + 72 * HOUR, ProtectionReason.TAKEN)


@given(st.integers(0, 45 * 24 * 60), st.lists(st.integers(0, 45 * 24 * 60)))
def test_attempts_to_convert_never_keep_a_lead_longer_than_one_that_began_in_time(
    age: int, follow_up_minutes: list[int]
) -> None:
    calls = tuple(call(NOW + minutes * timedelta(minutes=1)) for minutes in follow_up_minutes)
    began = NOW + age * timedelta(minutes=1)
    plain = protection(Holding(LEAD, LI, NOW, NOW, calls), RULES, began).safe_until_time
    kept = protection(Holding(LEAD, LI, NOW, NOW, calls, attempt_time=began), RULES, began).safe_until_time
    assert plain is not None
    assert kept == (max(plain, began + ATTEMPT_LASTS) if began < plain else plain)
    assert RULES.hard_maximum is not None
    assert kept < NOW + RULES.hard_maximum + ATTEMPT_LASTS


def test_without_rules_nothing_goes_back() -> None:
    assert protection(Holding(LEAD, LI, NOW, NOW), PoolRules(), NOW + 900 * DAY).reason is ProtectionReason.NO_RULE


def test_the_hard_maximum_counts_from_the_first_of_the_owners_since_the_pool() -> None:
    got = protection(Holding(LEAD, LI, NOW + 29 * DAY, NOW), RULES, NOW + 29 * DAY)
    assert (got.safe_until_time, got.reason) == (NOW + 30 * DAY, ProtectionReason.HARD_MAXIMUM)
    assert got.steps[-1].start_time == NOW


def test_the_hard_maximum_stands_alone_too() -> None:
    got = protection(Holding(LEAD, LI, NOW, NOW), PoolRules(hard_maximum=DAY), NOW)
    assert (got.safe_until_time, got.reason) == (NOW + DAY, ProtectionReason.HARD_MAXIMUM)


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
    extensions=st.dictionaries(st.sampled_from(list(FollowUpKind)), st.integers(1, 300)).map(
        lambda hours: tuple(Extension(kind, number * HOUR) for kind, number in hours.items())
    ),
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
            ago = (one.record_time - one.happen_time) // HOUR
            extension = next((each.duration for each in rules.extensions if each.kind is one.kind), None)
            if extension and one.record_time == moment and 0 <= ago <= 72 and ago <= hour:
                left = max(left, extension // HOUR - ago)
        if hour < age:
            left -= 1
    safe_until = NOW + (age + left) * HOUR
    if rules.hard_maximum:
        safe_until = min(safe_until, NOW + rules.hard_maximum)
    got = protection(Holding(LEAD, LI, NOW, NOW, given_follow_ups), rules, NOW + age * HOUR)
    assert got.safe_until_time == safe_until
    assert got.remaining(NOW + age * HOUR) == max(safe_until - NOW - age * HOUR, timedelta())


@given(follow_ups, follow_ups, rules_given, st.integers(0, 1000))
def test_a_follow_up_moves_the_protection_only_forward(
    some: tuple[FollowUp, ...], more: tuple[FollowUp, ...], rules: PoolRules, age: int
) -> None:
    now = NOW + age * HOUR
    before = protection(Holding(LEAD, LI, NOW, NOW, some), rules, now).safe_until_time
    after = protection(Holding(LEAD, LI, NOW, NOW, some + more), rules, now).safe_until_time
    assert before is not None
    assert after is not None
    assert after >= before
    assert rules.hard_maximum is None or after <= NOW + rules.hard_maximum


ENTRY = PoolEntry(NOW - 3 * DAY, former_owner_id=FORMER)


def test_a_claim_within_all_limits_passes() -> None:
    check_claim(ENTRY, Claimant(LI, held=2, claims_today=1), RULES, NOW)


@pytest.mark.parametrize(
    ("claimant", "reason"),
    [
        (Claimant(LI, held=3, claims_today=0), "POOL_CAPACITY_REACHED"),
        (Claimant(LI, held=0, claims_today=2), "POOL_DAILY_LIMIT_REACHED"),
        (Claimant(FORMER, held=0, claims_today=0), "POOL_COOL_DOWN"),
    ],
)
def test_a_claim_over_a_limit_is_refused_with_its_reason(claimant: Claimant, reason: str) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        check_claim(ENTRY, claimant, RULES, NOW)
    assert refused.value.reason == reason


def test_a_cool_down_says_when_it_ends() -> None:
    with pytest.raises(FailedPrecondition) as refused:
        check_claim(ENTRY, Claimant(FORMER, 0, 0), RULES, NOW)
    assert refused.value.retry_after_seconds == (4 * DAY).total_seconds()
    check_claim(ENTRY, Claimant(FORMER, 0, 0), RULES, NOW + 4 * DAY)


def test_what_has_just_come_in_cools_down_for_everybody() -> None:
    rules = PoolRules(fresh_entry_cool_down=4 * DAY)
    with pytest.raises(FailedPrecondition, match="just come"):
        check_claim(ENTRY, Claimant(LI, 0, 0), rules, NOW)
    check_claim(ENTRY, Claimant(LI, 0, 0), rules, NOW + DAY)


def test_claims_are_counted_by_the_day_of_the_pools_zone() -> None:
    assert claim_day_start(RULES, datetime(2026, 3, 2, 15, 59, tzinfo=UTC)) == datetime(2026, 3, 1, 16, tzinfo=UTC)
    assert claim_day_start(RULES, datetime(2026, 3, 2, 16, tzinfo=UTC)) == datetime(2026, 3, 2, 16, tzinfo=UTC)
    with pytest.raises(FailedPrecondition) as refused:
        check_claim(ENTRY, Claimant(LI, 0, 2), RULES, NOW)
    assert refused.value.retry_after_seconds == (4 * HOUR).total_seconds()


@pytest.mark.parametrize(("day", "seconds"), [(8, 23 * 3600), (1, 24 * 3600)])
def test_the_next_day_begins_on_time_when_clocks_change(day: int, seconds: int) -> None:
    rules = PoolRules(claims_per_day=0, time_zone="America/New_York")
    midnight = datetime(2026, 3, day, 5, tzinfo=UTC)
    with pytest.raises(FailedPrecondition) as refused:
        check_claim(ENTRY, Claimant(LI, 0, 0), rules, midnight)
    assert refused.value.retry_after_seconds == seconds


def test_a_simulation_names_what_would_go_back_and_counts_what_would_be_safe() -> None:
    old = Holding(UUID(int=11), LI, NOW - 100 * HOUR, NOW - 100 * HOUR)
    middle = Holding(UUID(int=12), WANG, NOW - 60 * HOUR, NOW - 60 * HOUR)
    young = Holding(UUID(int=13), WANG, NOW - HOUR, NOW - HOUR)
    stricter = Simulation(RULES, PoolRules(reclaim_after=48 * HOUR), NOW)
    for batch in ([old, middle], [young]):
        stricter.add(batch)
    assert stricter.first_returns == [
        Return(old.id, LI, NOW - 52 * HOUR, lapsed_anyway=True),
        Return(middle.id, WANG, NOW - 12 * HOUR, lapsed_anyway=False),
    ]
    assert (stricter.held_count, stricter.return_count, stricter.newly_safe_count) == (3, 2, 0)
    milder = Simulation(RULES, PoolRules(reclaim_after=480 * HOUR), NOW)
    milder.add([old, middle, young])
    assert (milder.first_returns, milder.newly_safe_count) == ([], 1)


def test_a_zone_that_does_not_exist_and_a_kind_given_twice_are_refused() -> None:
    twice = (Extension(FollowUpKind.CALL, HOUR), Extension(FollowUpKind.CALL, DAY))
    for rules, field in (({"time_zone": "Mars/Olympus"}, "time_zone"), ({"extensions": twice}, "extensions[1].kind")):
        with pytest.raises(InvalidArgument) as refused:
            PoolRules(**rules)
        assert [violation.field for violation in refused.value.violations] == [field]
