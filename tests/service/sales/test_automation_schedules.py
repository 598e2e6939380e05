"""Rules that a schedule sets off, on leads, through the contract."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from crm_kit.automation.due import job
from crm_kit.clock import system_now
from crm_kit.zones import DEFAULT_ZONE

from tests.service.automating import FAILED, SUCCEEDED, Rule, Rules, action, every, looked
from tests.service.clocks import until_weekday
from tests.service.running import Running, User, refused
from tests.service.sales.conftest import CreateLead
from tests.service.sales.selling import move_clock

DAILY, WEEKLY, MONTHLY = (Rule.Schedule.Every.Value(f"EVERY_{name}") for name in ("DAILY", "WEEKLY", "MONTHLY"))
MONDAY, FRIDAY = Rule.Schedule.WEEKDAY_MONDAY, Rule.Schedule.WEEKDAY_FRIDAY
SAY = action("update", campaign="{{record.campaign}}+")


class Clock:
    """A sandbox tenant's, which begins on a Wednesday at noon in the tenant's zone."""

    def __init__(self, sales: Running, user: User) -> None:
        self.sales, self.user, self.version = sales, user, 1
        self.wednesday = until_weekday(2, time(12), ZoneInfo(DEFAULT_ZONE))

    async def come(self, days: float) -> None:
        """So many days later than that Wednesday; all that is due is done."""
        self.version += 1
        ahead = self.wednesday + timedelta(days=days)
        await move_clock(self.sales, self.user.tenant_id, ahead, version=self.version)
        await looked(self.sales)


@pytest.fixture
async def user(sales: Running) -> User:
    return await sales.user(await sales.tenant(sandbox=True))


@pytest.fixture
async def clock(sales: Running, user: User) -> Clock:
    clock = Clock(sales, user)
    await clock.come(0)
    return clock


@pytest.fixture
def rules(sales: Running) -> Rules:
    return Rules(sales.channel, "leads")


async def test_a_schedule_takes_all_records_of_its_filter_each_time(
    user: User, rules: Rules, clock: Clock, create: CreateLead
) -> None:
    rule = await rules.active(user, SAY, trigger=every(DAILY), filter="source = fair AND owner_id = me")
    taken, other = [await create(source=source) for source in ("fair", "web")]
    await clock.come(0.1)
    assert await rules.runs_of(user, rule) == []
    await clock.come(1)
    (run,) = await rules.runs_of(user, rule)
    assert (run.state, run.event, run.record_id) == (SUCCEEDED, "SCHEDULED", taken.id)
    assert run.due_time.ToDatetime(UTC).astimezone(ZoneInfo(DEFAULT_ZONE)).time() == time(9)
    await clock.come(1.5)
    assert len(await rules.runs_of(user, rule)) == 1
    await clock.come(2)
    assert [each.record_id for each in await rules.runs_of(user, rule)] == [taken.id, taken.id]
    assert other.etag == "v1"


async def test_a_week_has_the_days_that_were_chosen_and_what_was_missed_is_done_once(
    user: User, rules: Rules, clock: Clock, create: CreateLead
) -> None:
    rule = await rules.active(user, SAY, trigger=every(WEEKLY, "18:30", weekdays=[MONDAY, FRIDAY]))
    await create()
    counts = []
    # Thursday, Friday evening, Monday noon and evening, the Monday after it.
    for days in (1, 2.5, 5, 5.5, 12.5):
        await clock.come(days)
        counts.append(len(await rules.runs_of(user, rule)))
    assert counts == [0, 1, 1, 2, 3]
    newest = (await rules.runs_of(user, rule))[0]
    assert newest.due_time.ToDatetime(UTC).astimezone(ZoneInfo(DEFAULT_ZONE)).weekday() == 0


async def test_a_month_has_its_last_day_where_it_is_shorter(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    rule = await rules.active(user, SAY, trigger=every(MONTHLY, day_of_month=31))
    await create()
    year = system_now().year + 2
    days = []
    for version, (month, day) in enumerate(((2, 10), (3, 5), (4, 15), (5, 1)), 2):
        ahead = datetime(year, month, day, 4, tzinfo=UTC) - system_now()
        await move_clock(sales, user.tenant_id, ahead, version=version)
        await looked(sales)
        run = (await rules.runs_of(user, rule))[0]
        days.append(run.due_time.ToDatetime(UTC).astimezone(ZoneInfo(DEFAULT_ZONE)).date())
    february = 29 if year % 4 == 0 else 28
    assert [(each.month, each.day) for each in days] == [(1, 31), (2, february), (3, 31), (4, 30)]


async def test_records_beyond_the_most_are_left_out_and_the_first_of_them_says_so(
    monkeypatch: pytest.MonkeyPatch, user: User, rules: Rules, clock: Clock, create: CreateLead
) -> None:
    monkeypatch.setattr(job, "MAX_RECORDS", 3)
    monkeypatch.setattr(job, "BATCH", 2)
    rule = await rules.active(user, SAY, trigger=every(DAILY))
    made = [await create() for _ in range(5)]
    await clock.come(1)
    runs = sorted(await rules.runs_of(user, rule), key=lambda each: each.record_id)
    assert [each.record_id for each in runs] == [each.id for each in made[:4]]
    assert [each.state for each in runs] == [SUCCEEDED] * 3 + [FAILED]
    assert (runs[-1].reason, runs[-1].failed_action) == ("AUTOMATION_TOO_MANY_RECORDS", 0)
    await clock.come(2)
    assert len(await rules.runs_of(user, rule)) == 8


async def test_a_rule_that_is_stopped_or_changed_meanwhile_does_nothing_more(
    user: User, rules: Rules, clock: Clock, create: CreateLead
) -> None:
    await create()
    rule = await rules.active(user, SAY, trigger=every(DAILY))
    stopped = await rules.does("Deactivate", user, rule)
    await clock.come(1)
    assert await rules.runs_of(user, rule) == []
    again = await rules.does("Activate", user, stopped)
    again.display_name = "another name"
    renamed = await rules.update(user, again, "display_name")
    await clock.come(2)
    assert len(await rules.runs_of(user, rule)) == 1
    renamed.trigger.CopyFrom(every(DAILY, "10:00"))
    assert (await rules.update(user, renamed, "trigger")).stop_reason == Rule.STOP_REASON_CHANGED
    await clock.come(3)
    assert len(await rules.runs_of(user, rule)) == 1


async def test_a_tenant_whose_rule_never_ends_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch, sales: Running, user: User, rules: Rules, clock: Clock, create: CreateLead
) -> None:
    """Of each tenant's turn a part is for the one with more to do, and the others have had theirs after one look."""
    monkeypatch.setattr(job, "A_TENANTS_SECONDS", 0.0)
    monkeypatch.setattr(job, "BATCH", 1)
    other = await sales.user(await sales.tenant(sandbox=True))
    ran = {}
    for each, leads in ((user, 6), (other, 1)):
        ran[each.id] = await rules.active(each, SAY, trigger=every(DAILY))
        for _ in range(leads):
            await create(by=each)
    await move_clock(sales, other.tenant_id, clock.wednesday + timedelta(days=1), version=2)
    await clock.come(1)
    assert len(await rules.runs_of(user, ran[user.id])) == 6
    assert len(await rules.runs_of(other, ran[other.id])) == 1


async def test_trying_a_schedule_says_whom_it_would_take_next_and_when(
    user: User, rules: Rules, clock: Clock, create: CreateLead
) -> None:
    await clock.come(0)
    filter = "source = fair AND NOT campaign:*"
    rule = await rules.create(user, SAY, trigger=every(WEEKLY, weekdays=[FRIDAY]), filter=filter)
    taken, other = [await create(source=source) for source in ("fair", "web")]
    tried = await rules.tried(user, rule)
    (match,) = tried.matches
    assert (tried.record_count, tried.event_count, match.possible) == (2, 1, True)
    assert (match.record_id, match.record_etag, match.event) == (taken.id, "v1", "SCHEDULED")
    next_time = match.event_time.ToDatetime(UTC).astimezone(ZoneInfo(DEFAULT_ZONE))
    assert (next_time.weekday(), next_time.time()) == (4, time(9))
    assert await rules.runs_of(user, rule) == []
    assert other.etag == "v1"


@pytest.mark.parametrize(
    ("trigger", "place"),
    [
        (every(DAILY, "9:00"), "at"),
        (every(0), "every"),
        (every(WEEKLY), "weekdays"),
        (every(DAILY, weekdays=[MONDAY]), "weekdays"),
        (every(MONTHLY), "day_of_month"),
        (every(MONTHLY, day_of_month=32), "day_of_month"),
        (every(WEEKLY, weekdays=[MONDAY, MONDAY]), "weekdays"),
    ],
)
async def test_a_schedule_that_never_comes_is_refused(
    user: User, rules: Rules, trigger: Rule.Trigger, place: str
) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await rules.create(user, SAY, trigger=trigger)
    assert refusal.fields == [f"automation_rule.trigger.schedule.{place}"]
