"""Rules that a date sets off, on opportunities and leads, through the contract."""

import asyncio
from datetime import date, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from crm.resource.v1 import custom_fields_pb2
from crm.sales.v1 import opportunities_pb2 as pb
from crm_kit.automation.doing import Subject
from crm_kit.automation.due import job
from crm_kit.automation.due.planning import plan_of
from crm_kit.automation.running import Runner
from crm_kit.clock import system_now
from crm_kit.events.leases import Lease
from crm_kit.identity.access import Scope
from crm_kit.zones import DEFAULT_ZONE
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.automating import (
    FAILED,
    STOPPED_LOOP,
    SUCCEEDED,
    Rule,
    Rules,
    action,
    looked,
    notify,
    reaches,
    timed_rules,
)
from tests.service.clocks import until_noon
from tests.service.history import changes_of
from tests.service.kit.custom_fields import DATE, TEXT, message_values, new_field, stub_of
from tests.service.running import Running, User, refused
from tests.service.sales.selling import Sales, cny, known_account, move_clock

NOON = until_noon()


class Days:
    """A sandbox tenant at noon of its own day 0, to which tests add days."""

    def __init__(self, sales: Running, api: Sales, user: User, account_id: str) -> None:
        self.sales, self.api, self.user, self.account_id = sales, api, user, account_id
        self.version = 2

    def day(self, later: int) -> str:
        return str(self.date(later))

    def date(self, later: int) -> date:
        return (system_now() + NOON).astimezone(ZoneInfo(DEFAULT_ZONE)).date() + timedelta(days=later)

    async def come(self, later: int, **more: int) -> None:
        """It is that day, at eight in the evening where the tenant is, or so much later; all that is due is done."""
        self.version += 1
        ahead = NOON + timedelta(days=later, **more)
        await move_clock(self.sales, self.user.tenant_id, ahead, version=self.version)
        await looked(self.sales)

    async def opportunity(self, closes: str, **fields: Any) -> pb.Opportunity:
        told = {"account_id": self.account_id, "display_name": "锅炉", "amount": cny("1.00"), **fields}
        opportunity = pb.Opportunity(expected_close_date=closes, **told)
        request = pb.CreateOpportunityRequest(opportunity=opportunity)
        return await self.api.opportunities.CreateOpportunity(request, metadata=self.user.metadata)

    async def change(self, id: str, **fields: Any) -> pb.Opportunity:
        request = pb.UpdateOpportunityRequest(
            opportunity=pb.Opportunity(id=id, **fields), update_mask=FieldMask(paths=list(fields))
        )
        return await self.api.opportunities.UpdateOpportunity(request, metadata=self.user.metadata)

    async def names(self) -> dict[str, str]:
        request = pb.ListOpportunitiesRequest()
        page = await self.api.opportunities.ListOpportunities(request, metadata=self.user.metadata)
        return {each.id: each.display_name for each in page.opportunities}


@pytest.fixture
async def user(sales: Running) -> User:
    return await sales.user(await sales.tenant(sandbox=True))


@pytest.fixture
async def days(sales: Running, api: Sales, user: User) -> Days:
    days = Days(sales, api, user, await known_account(sales, user.tenant_id, user))
    await days.come(0)
    return days


@pytest.fixture
def rules(sales: Running) -> Rules:
    return Rules(sales.channel, "opportunities")


RENAME = action("update", display_name="{{record.display_name}}!")


async def test_a_rule_runs_days_before_a_date_once_for_each_record_that_its_filter_takes(
    sales: Running, user: User, rules: Rules, days: Days
) -> None:
    rule = await rules.active(
        user,
        RENAME,
        trigger=reaches("expected_close_date", offset_days=-3),
        filter="state = OPEN AND amount.amount > 0",
    )
    due, other, free = [
        await days.opportunity(days.day(later), amount=cny(amount))
        for later, amount in ((5, "7.00"), (6, "7.00"), (5, "0.00"))
    ]
    await days.come(1)
    assert await rules.runs_of(user, rule) == []
    await days.come(2)
    (run,) = await rules.runs_of(user, rule)
    assert (run.state, run.record_id, run.record_etag, run.event) == (SUCCEEDED, due.id, "v1", "DATE_REACHED")
    assert run.due_time.ToDatetime(ZoneInfo(DEFAULT_ZONE)).isoformat().startswith(f"{days.day(2)}T09:00")
    await days.come(2, minutes=5)
    assert await rules.runs_of(user, rule) == [run]
    assert await days.names() == {due.id: "锅炉!", other.id: "锅炉", free.id: "锅炉"}
    page = await changes_of(sales, "opportunities", due.id, user.metadata)
    assert (page.changes[0].action, page.changes[0].actor_id) == ("UPDATED", str(user.id))


async def test_a_date_that_is_moved_before_it_is_reached_moves_what_is_due(
    user: User, rules: Rules, days: Days
) -> None:
    rule = await rules.active(user, RENAME, trigger=reaches("expected_close_date"))
    moved, cleared = await days.opportunity(days.day(2)), await days.opportunity(days.day(2))
    await days.change(moved.id, expected_close_date=days.day(4))
    await days.change(cleared.id, expected_close_date="")
    await days.come(3)
    assert await rules.runs_of(user, rule) == []
    await days.come(4)
    await days.change(moved.id, expected_close_date=days.day(6))
    await days.come(7)
    assert [each.record_id for each in await rules.runs_of(user, rule)] == [moved.id, moved.id]
    assert (await days.names())[moved.id] == "锅炉!!"


async def test_dates_of_before_the_activation_and_of_before_they_were_set_do_nothing(
    user: User, rules: Rules, days: Days
) -> None:
    for later in (-40, -1, 0):
        await days.opportunity(days.day(later))
    rule = await rules.active(user, RENAME, trigger=reaches("expected_close_date"))
    await days.come(1)
    await days.opportunity(days.day(1))
    await days.come(5)
    assert await rules.runs_of(user, rule) == []


async def test_what_fell_due_while_nobody_looked_is_done_late_up_to_31_days(
    user: User, rules: Rules, days: Days
) -> None:
    rule = await rules.active(user, RENAME, trigger=reaches("expected_close_date"))
    made = [await days.opportunity(days.day(later)) for later in (3, 10, 20, 41, 42)]
    await days.come(41)
    ran = {each.record_id for each in await rules.runs_of(user, rule)}
    assert ran == {each.id for each in made[1:4]}


async def test_a_tenants_own_dates_are_reached_and_a_rule_on_one_that_is_gone_stops(
    sales: Running, user: User, rules: Rules, days: Days
) -> None:
    field = await new_field(sales, user, "contract_end", DATE, collection="opportunities")
    await new_field(sales, user, "memo", TEXT, collection="opportunities")
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await rules.create(user, RENAME, trigger=reaches("custom.memo"))
    assert refusal.fields == ["automation_rule.trigger.date_reached.field"]
    rule = await rules.active(user, RENAME, trigger=reaches("custom.contract_end", offset_days=-30))
    due = await days.opportunity("", custom=message_values({"contract_end": days.day(31)}))
    await days.opportunity("", custom=message_values({"contract_end": days.day(33)}))
    await days.come(1)
    (run,) = await rules.runs_of(user, rule)
    assert (run.record_id, run.state) == (due.id, SUCCEEDED)
    await archive(sales, user, field.id)
    await days.come(3)
    stopped = await rules.get(user, rule)
    assert (stopped.state, stopped.stop_reason) == (Rule.STATE_INACTIVE, Rule.STOP_REASON_BROKEN)
    assert await rules.runs_of(user, rule) == [run]


async def archive(sales: Running, user: User, id: str) -> None:
    request = custom_fields_pb2.ArchiveCustomFieldRequest(collection="opportunities", id=id)
    await stub_of(sales).ArchiveCustomField(request, metadata=user.metadata)


async def test_a_time_is_reached_so_long_after_it_and_moves_with_it(user: User, rules: Rules, days: Days) -> None:
    """Such as: nobody has touched it for a week."""
    trigger = Rule.Trigger(date_reached=Rule.DateReached(field="update_time", offset_days=7))
    rule = await rules.active(user, action("update", next_step="{{record.update_time}}"), trigger=trigger)
    quiet, touched = await days.opportunity(days.day(90)), await days.opportunity(days.day(90))
    await days.come(6)
    await days.change(touched.id, display_name="touched")
    await days.come(7, minutes=1)
    (run,) = await rules.runs_of(user, rule)
    assert run.record_id == quiet.id
    assert run.due_time.ToDatetime() == quiet.update_time.ToDatetime() + timedelta(days=7)
    await days.come(7, minutes=3)
    assert len(await rules.runs_of(user, rule)) == 1
    await days.come(13, minutes=1)
    assert {each.record_id for each in await rules.runs_of(user, rule)} == {quiet.id, touched.id}
    # The rule has changed the first one a week ago.
    await days.come(14, minutes=3)
    assert len(await rules.runs_of(user, rule)) == 3


async def test_a_time_that_moves_twice_on_a_day_is_reached_twice(user: User, rules: Rules, days: Days) -> None:
    trigger = Rule.Trigger(date_reached=Rule.DateReached(field="update_time", offset_minutes=60))
    rule = await rules.active(user, notify("x", user), trigger=trigger)
    opportunity = await days.opportunity("")
    for round in (1, 2):
        await days.come(0, hours=round, minutes=3 * round)
        assert len(await rules.runs_of(user, rule)) == round
        await days.change(opportunity.id, next_step=str(round))


async def test_a_rule_that_changes_nothing_does_not_set_itself_off_again(user: User, rules: Rules, days: Days) -> None:
    trigger = Rule.Trigger(date_reached=Rule.DateReached(field="update_time", offset_days=1))
    rule = await rules.active(user, action("update", next_step="call them"), trigger=trigger)
    await days.opportunity("", next_step="call them")
    for day in (1, 2, 3):
        await days.come(day, minutes=5)
    (run,) = await rules.runs_of(user, rule)
    assert list(run.effects[0].changed_fields) == []


async def test_a_rule_that_sets_itself_off_by_its_own_change_is_stopped_in_that_circle(
    user: User, rules: Rules, days: Days
) -> None:
    trigger = Rule.Trigger(date_reached=Rule.DateReached(field="update_time", offset_minutes=10))
    rule = await rules.active(user, RENAME, trigger=trigger)
    opportunity = await days.opportunity("")
    for minutes in (15, 30, 45):
        await days.come(0, minutes=minutes)
    stopped, run = await rules.runs_of(user, rule)
    assert (run.state, stopped.state, stopped.reason) == (SUCCEEDED, STOPPED_LOOP, "AUTOMATION_LOOP")
    assert [each.rule_id for each in stopped.causes] == [rule.id, rule.id]
    assert await days.names() == {opportunity.id: "锅炉!"}
    # What somebody else has changed meanwhile is another beginning.
    await days.change(opportunity.id, next_step="call them")
    await days.come(0, minutes=60)
    assert await days.names() == {opportunity.id: "锅炉!!"}
    # And so is another day.
    await days.come(3)
    assert await days.names() == {opportunity.id: "锅炉!!!"}


async def test_two_rules_that_set_each_other_off_by_their_changes_are_stopped_in_that_circle(
    user: User, rules: Rules, days: Days
) -> None:
    trigger = Rule.Trigger(date_reached=Rule.DateReached(field="update_time", offset_minutes=10))
    adds = action("update", next_step="{{record.next_step}}?")
    both = [await rules.active(user, does, trigger=trigger) for does in (RENAME, adds)]
    await days.opportunity("", next_step="call them")
    for minutes in (15, 30, 45, 60, 75, 90):
        await days.come(0, minutes=minutes)
    runs = [run for rule in both for run in await rules.runs_of(user, rule)]
    assert len([run for run in runs if run.state == SUCCEEDED]) == 2
    assert {tuple(each.rule_id for each in run.causes) for run in runs if run.state == STOPPED_LOOP} <= {
        (one.id, *more, one.id) for one, other in (both, reversed(both)) for more in ((), (other.id,))
    }
    assert set((await days.names()).values()) == {"锅炉!"}


async def test_a_rule_that_cannot_be_looked_at_keeps_no_other_from_its_turn(
    monkeypatch: pytest.MonkeyPatch, user: User, rules: Rules, days: Days
) -> None:
    bad, good = [await rules.active(user, RENAME, trigger=reaches("expected_close_date")) for _ in range(2)]
    await days.opportunity(days.day(1))

    async def breaks(*asked: Any) -> Any:
        if any(getattr(each, "id", None) == UUID(bad.id) for each in asked):
            raise RuntimeError
        return await plan_of(*asked)

    monkeypatch.setattr("crm_kit.automation.due.job.plan_of", breaks)
    await days.come(1)
    assert len(await rules.runs_of(user, good)) == 1
    assert await rules.runs_of(user, bad) == []
    monkeypatch.undo()
    await days.come(1, minutes=5)
    assert len(await rules.runs_of(user, bad)) == 1


async def test_a_day_of_a_time_is_that_of_the_tenants_calendar(user: User, rules: Rules, days: Days) -> None:
    rule = await rules.active(user, RENAME, trigger=reaches("create_time", offset_days=1))
    opportunity = await days.opportunity("")
    await days.come(1)
    await days.come(2)
    (run,) = await rules.runs_of(user, rule)
    assert run.record_id == opportunity.id


async def test_many_processes_at_once_and_one_that_dies_between_run_each_record_once(
    monkeypatch: pytest.MonkeyPatch, sales: Running, user: User, rules: Rules, days: Days
) -> None:
    rule = await rules.active(user, RENAME, trigger=reaches("expected_close_date"))
    made = [await days.opportunity(days.day(1)) for _ in range(7)]
    act, died = Runner._act, list[Any]()

    async def dies(runner: Runner, *asked: Any) -> Any:
        ended = await act(runner, *asked)
        if len(died) < 2:
            died.append(ended)
            raise asyncio.CancelledError
        return ended

    monkeypatch.setattr(Runner, "_act", dies)
    days.version += 1
    await move_clock(sales, user.tenant_id, NOON + timedelta(days=1), version=days.version)
    await asyncio.gather(*(looked(sales) for _ in range(4)), return_exceptions=True)
    await looked(sales)
    runs = await rules.runs_of(user, rule)
    assert sorted(each.record_id for each in runs) == sorted(each.id for each in made)
    assert set((await days.names()).values()) == {"锅炉!"}


async def test_a_run_that_fails_keeps_no_other_record_from_its_own(
    monkeypatch: pytest.MonkeyPatch, user: User, rules: Rules, days: Days
) -> None:
    rule = await rules.active(user, RENAME, trigger=reaches("expected_close_date"))
    bad, good = await days.opportunity(days.day(1)), await days.opportunity(days.day(1))
    do = Runner._do_all

    async def breaks(runner: Runner, work: Any, subject: Subject) -> Any:
        if str(subject.id) == bad.id:
            raise RuntimeError
        return await do(runner, work, subject)

    monkeypatch.setattr(Runner, "_do_all", breaks)
    await days.come(1)
    runs = {each.record_id: (each.state, each.reason) for each in await rules.runs_of(user, rule)}
    assert runs == {bad.id: (FAILED, "INTERNAL"), good.id: (SUCCEEDED, "")}


async def test_a_rule_takes_what_its_activator_sees_and_stops_when_they_may_read_nothing_any_more(
    sales: Running, user: User, rules: Rules, days: Days
) -> None:
    grants = {"opportunities.read": Scope.OWN, "opportunities.write": Scope.OWN, "automation_rules.write": Scope.ALL}
    colleague = await sales.user(user.tenant_id, grants=grants)
    rule = await rules.active(colleague, RENAME, trigger=reaches("expected_close_date"))
    await days.opportunity(days.day(1))
    await days.come(1)
    assert await rules.runs_of(user, rule) == []
    await sales.change_user(colleague, active=False)
    await days.come(2)
    stopped = await rules.get(user, rule)
    assert (stopped.state, stopped.stop_reason) == (Rule.STATE_INACTIVE, Rule.STOP_REASON_LOST_RIGHTS)


@pytest.mark.parametrize(
    ("trigger", "place"),
    [
        (Rule.Trigger(), "trigger.events"),
        (Rule.Trigger(events=["CREATED"], date_reached=Rule.DateReached(field="create_time")), "trigger.events"),
        (reaches("amount"), "trigger.date_reached.field"),
        (reaches("close_time"), "trigger.date_reached.field"),
        (reaches("expected_close_date", at=""), "trigger.date_reached.at"),
        (reaches("expected_close_date", at="24:00"), "trigger.date_reached.at"),
        (reaches("expected_close_date", offset_minutes=5), "trigger.date_reached.offset_minutes"),
        (reaches("create_time", every_year=True), "trigger.date_reached.every_year"),
    ],
)
async def test_a_date_that_cannot_be_reached_is_refused(user: User, rules: Rules, trigger: Any, place: str) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await rules.create(user, RENAME, trigger=trigger)
    assert refusal.fields == [f"automation_rule.{place}"]


async def test_what_was_before_goes_with_events_only(user: User, rules: Rules) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await rules.create(user, RENAME, trigger=reaches("expected_close_date"), filter_before="state = OPEN")
    assert refusal.fields == ["automation_rule.filter_before"]


async def test_a_tenants_turn_ends_between_two_records(
    monkeypatch: pytest.MonkeyPatch, sales: Running, user: User, rules: Rules, days: Days
) -> None:
    """However long each of them takes, others do not wait for the rest of a batch."""
    hold = Lease.hold

    async def hold_others(lease: Lease) -> bool:
        return lease._name != timed_rules(sales).job.name and await hold(lease)

    # The service's own job takes no turn meanwhile.
    monkeypatch.setattr(Lease, "hold", hold_others)
    monkeypatch.setattr(job, "A_TENANTS_SECONDS", 0.0)
    rule = await rules.active(user, RENAME, trigger=reaches("expected_close_date"))
    made = [await days.opportunity(days.day(1)) for _ in range(3)]
    days.version += 1
    await move_clock(sales, user.tenant_id, NOON + timedelta(days=1), version=days.version)
    for done in (1, 2, 3):
        assert await timed_rules(sales).look()
        assert len(await rules.runs_of(user, rule)) == done
    await looked(sales)
    assert sorted(each.record_id for each in await rules.runs_of(user, rule)) == sorted(each.id for each in made)


async def test_a_rule_that_is_activated_anew_while_it_is_looked_at_has_a_timer_of_its_own(
    monkeypatch: pytest.MonkeyPatch, sales: Running, user: User, rules: Rules, days: Days
) -> None:
    trigger = Rule.Trigger(date_reached=Rule.DateReached(field="update_time", offset_minutes=60))
    rule = await rules.active(user, RENAME, trigger=trigger)

    async def changed_meanwhile(*asked: Any) -> Any:
        monkeypatch.undo()
        plan = await plan_of(*asked)
        rule.trigger.CopyFrom(reaches("expected_close_date"))
        await rules.does("Activate", user, await rules.update(user, rule, "trigger"))
        return plan

    monkeypatch.setattr("crm_kit.automation.due.job.plan_of", changed_meanwhile)
    await days.come(0, minutes=5)
    opportunity = await days.opportunity(days.day(1))
    await days.come(1)
    (run,) = await rules.runs_of(user, rule)
    assert run.record_id == opportunity.id
