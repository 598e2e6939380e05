"""Cases through their contract."""

import asyncio
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from crm.service_desk.v1 import cases_pb2 as pb
from crm.service_desk.v1 import events_pb2
from crm.service_desk.v1.service_levels_pb2 import Milestone
from crm_kit.clock import system_now
from crm_kit.identity.access import Scope

from tests.service.clocks import until_weekday
from tests.service.history import changes_of
from tests.service.nameless import nameless
from tests.service.running import Running, refused
from tests.service.service_desk.desk import Desk, milestone, patch, state, state_of

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")
WEDNESDAY = 2


# --- creating and reading


async def test_a_created_case_is_read_back_as_it_was_answered(desk: Desk) -> None:
    account_id = await desk.account()
    created = await desk.create(
        title="电表不走",
        description="since Monday",
        account_id=str(account_id),
        channel=pb.Case.CHANNEL_WECHAT,
        category="billing/meter",
        impact=pb.Case.LEVEL_HIGH,
        tags=["vip"],
    )
    assert (state(created), created.priority) == ("NEW", pb.Case.PRIORITY_HIGH)
    assert created.creator_id == str(desk.user.id)
    assert await desk.get(created) == created
    (event,) = await desk.emitted(events_pb2.CaseCreated)
    assert event.case == nameless(created)


@pytest.mark.parametrize("hour", [6, 10, 21], ids=["before_office_hours", "during", "after"])
async def test_a_new_tenant_promises_an_answer_in_an_hour_and_a_solution_by_the_close_of_the_third_working_day(
    desk: Desk, hour: int
) -> None:
    await desk.advance(until_weekday(WEDNESDAY, time(hour), SHANGHAI))
    created = await desk.create()
    assert (state_of(created, "FIRST_RESPONSE"), state_of(created, "RESOLUTION")) == ("RUNNING", "RUNNING")
    monday = created.create_time.ToDatetime(tzinfo=UTC).astimezone(SHANGHAI).date() + timedelta(days=5)
    due = milestone(created, "RESOLUTION").due_time.ToDatetime(tzinfo=UTC)
    assert due == datetime.combine(monday, time(18), SHANGHAI)
    explained = await desk.explain(created)
    assert explained[milestone(created, "FIRST_RESPONSE").kind].budget.ToTimedelta() == HOUR


async def test_numbers_of_cases_created_at_once_are_unique_and_begin_anew_with_the_year_of_the_office(
    desk: Desk,
) -> None:
    year = system_now().year + 2
    new_year = datetime(year, 1, 1, tzinfo=SHANGHAI)
    await desk.advance(new_year - HOUR - system_now())
    created = await asyncio.gather(*(desk.create() for _ in range(20)))
    numbers = sorted(each.number for each in created)
    assert numbers == [f"C-{year - 1}-{number:06}" for number in range(1, 21)]
    assert (await desk.create()).number == f"C-{year - 1}-000021"
    await desk.advance(HOUR)
    assert (await desk.create()).number == f"C-{year}-000001"


async def test_a_case_created_for_somebody_is_open(desk: Desk) -> None:
    created = await desk.create(assignee_id=str(desk.user.id))
    assert (state(created), await desk.log(created)) == ("OPEN", ["CREATED", "OPENED"])


async def test_an_assignee_who_does_not_exist_is_refused(desk: Desk) -> None:
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await desk.create(assignee_id=str(uuid4()))
    assert refusal.fields == ["case.assignee_id"]


async def test_a_case_without_kind_and_title_names_both(desk: Desk) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await desk.create(kind=0, title="")
    assert {"case.kind", "case.title"} == set(refusal.fields)


async def test_a_repeated_create_with_the_same_key_creates_once(desk: Desk) -> None:
    created = await asyncio.gather(*(desk.create(key="k-1") for _ in range(10)))
    assert len({each.id for each in created}) == 1


# --- who may


async def test_a_case_of_another_tenant_is_not_found(desk: Desk, service_desk: Running) -> None:
    created = await desk.create()
    stranger = await service_desk.user()
    with refused("NOT_FOUND", "CASE_NOT_FOUND"):
        await desk.cases.GetCase(pb.GetCaseRequest(id=created.id), metadata=stranger.metadata)
    with refused("NOT_FOUND", "CASE_NOT_FOUND"):
        await desk.do("AddNote", created, by=stranger, text="x")


async def test_reading_does_not_allow_writing(desk: Desk, service_desk: Running) -> None:
    created = await desk.create()
    reader = await service_desk.user(desk.user.tenant_id, grants={"cases.read": Scope.ALL})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await desk.do("CloseCase", created, by=reader)


async def test_one_sees_what_one_works_on_or_created_and_the_cases_of_ones_accounts(
    desk: Desk, service_desk: Running
) -> None:
    tenant = desk.user.tenant_id
    north = await service_desk.team(tenant)
    own = {"cases.read": Scope.OWN, "cases.write": Scope.OWN}
    rep = await service_desk.user(tenant, grants=own)
    agent = await service_desk.user(tenant, grants=own, team_id=north)
    lead = await service_desk.user(tenant, grants={"cases.read": Scope.TEAM}, team_id=north)
    account_id = await desk.account(owner_id=rep.id)
    of_account = await desk.create(account_id=str(account_id))
    of_rep = await desk.create(by=rep)
    of_agent = await desk.create(assignee_id=str(agent.id))
    by_agent = await desk.create(by=agent)
    await desk.create()

    async def seen(user: Any) -> set[str]:
        page = await desk.cases.ListCases(pb.ListCasesRequest(), metadata=user.metadata)
        return {each.id for each in page.cases}

    assert await seen(rep) == {of_account.id, of_rep.id}
    assert await seen(agent) == await seen(lead) == {of_agent.id, by_agent.id}
    with refused("NOT_FOUND", "CASE_NOT_FOUND"):
        await desk.cases.GetCase(pb.GetCaseRequest(id=of_rep.id), metadata=agent.metadata)


# --- changing


async def test_only_the_fields_in_the_mask_change(desk: Desk) -> None:
    case = await desk.create(category="meter", description="old")
    request = patch(case, "title", "category", title="no light", description="ignored")
    updated = await desk.cases.UpdateCase(request, metadata=desk.user.metadata)
    assert (updated.title, updated.category, updated.description) == ("no light", "", "old")
    again = await desk.cases.UpdateCase(request, metadata=desk.user.metadata)
    assert again == updated


async def test_history_says_who_changed_which_field(desk: Desk) -> None:
    case = await desk.create()
    await desk.cases.UpdateCase(patch(case, title="no light"), metadata=desk.user.metadata)
    await desk.do("OpenCase", case)
    changes = (await changes_of(desk.running, "cases", case.id, desk.user.metadata)).changes
    assert [each.action for each in changes] == ["OPENED", "UPDATED", "CREATED"]
    assert [(each.field, each.new_value.string_value) for each in changes[0].fields] == [("state", "OPEN")]
    assert changes[1].actor_id == str(desk.user.id)


async def test_history_shows_of_a_promise_what_the_case_shows_of_it(desk: Desk) -> None:
    await desk.promise(first_response=60, resolution=600)
    case = await desk.create()
    await desk.do("ReplyToCustomer", case, text="we are on our way")
    newest = (await changes_of(desk.running, "cases", case.id, desk.user.metadata)).changes[0]
    told = next(each.new_value for each in newest.fields if each.field == "milestones")
    parts = {name for each in told.list_value.values for name in each.struct_value.fields}
    assert {"kind", "state", "complete_time"} < parts <= set(Milestone.DESCRIPTOR.fields_by_name)


async def test_an_update_refuses_by_name_what_verbs_change(desk: Desk) -> None:
    case = await desk.create()
    assert await desk.cases.UpdateCase(pb.UpdateCaseRequest(case=case), metadata=desk.user.metadata) == case
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        request = patch(case, state=pb.Case.STATE_CLOSED, assignee_id=str(desk.user.id))
        await desk.cases.UpdateCase(request, metadata=desk.user.metadata)
    assert refusal.fields == ["case.state", "case.assignee_id"]


async def test_a_case_is_shown_as_it_was_with_its_promises_as_they_stood(desk: Desk) -> None:
    await desk.promise(first_response=60, resolution=600)
    created = await desk.create()
    await desk.advance(2 * HOUR)
    late = await desk.do("ReplyToCustomer", created, text="sorry")
    resolved = await desk.do("ResolveCase", late, resolution="new fuse")
    assert await desk.as_of(resolved, created.update_time.ToDatetime(tzinfo=UTC)) == created
    assert await desk.as_of(resolved, resolved.update_time.ToDatetime(tzinfo=UTC)) == resolved
    overdue = await desk.as_of(resolved, created.update_time.ToDatetime(tzinfo=UTC) + 90 * MINUTE)
    assert (state(overdue), state_of(overdue, "FIRST_RESPONSE"), overdue.breached) == ("NEW", "MISSED", True)


async def test_a_higher_priority_takes_its_own_promise_from_the_start(desk: Desk) -> None:
    calendar_id = (await desk.around_the_clock()).id
    await desk.promise(first_response=60, resolution=600, position=2, calendar_id=calendar_id)
    condition = "priority = CRITICAL"
    urgent = await desk.promise(
        first_response=10, resolution=100, position=1, condition=condition, calendar_id=calendar_id
    )
    case = await desk.create()
    high = pb.Case.LEVEL_HIGH
    updated = await desk.cases.UpdateCase(patch(case, impact=high, urgency=high), metadata=desk.user.metadata)
    assert (updated.priority, updated.service_level_id) == (pb.Case.PRIORITY_CRITICAL, urgent.id)
    due = milestone(updated, "RESOLUTION").due_time.ToDatetime()
    assert due == case.create_time.ToDatetime() + timedelta(minutes=100)
    assert "POLICY_CHANGED" in await desk.log(case)


async def test_a_case_of_somebody_who_has_left_stays_theirs_until_it_is_given_to_somebody_else(desk: Desk) -> None:
    former = await desk.running.user(desk.user.tenant_id)
    case = await desk.create(assignee_id=str(former.id))
    await desk.running.change_user(former, active=False)
    request = patch(case, title="no power at all", assignee_id=str(former.id))
    changed = await desk.cases.UpdateCase(request, metadata=desk.user.metadata)
    assert (changed.title, changed.assignee_id) == ("no power at all", str(former.id))
    assert (await desk.do("ReplyToCustomer", case, text="we come today")).assignee_id == str(former.id)
    assert (await desk.do("AssignCase", case, assignee_id=str(desk.user.id))).assignee_id == str(desk.user.id)
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await desk.do("AssignCase", case, assignee_id=str(former.id))


async def test_lists_filter_and_order_by_what_is_due(desk: Desk) -> None:
    calendar_id = (await desk.around_the_clock()).id
    await desk.promise(first_response=60, resolution=600, position=2, calendar_id=calendar_id)
    await desk.promise(
        first_response=1, resolution=10, position=1, condition="kind = COMPLAINT", calendar_id=calendar_id
    )
    later = await desk.create()
    sooner = await desk.create(kind=pb.Case.KIND_COMPLAINT)
    waiting = await desk.create(assignee_id=str(desk.user.id))
    await desk.do("WaitForCustomer", waiting)

    async def listed(filter: str) -> list[str]:
        request = pb.ListCasesRequest(filter=filter, order_by="resolution_due_time")
        page = await desk.cases.ListCases(request, metadata=desk.user.metadata)
        return [each.id for each in page.cases]

    assert await listed("") == [sooner.id, later.id, waiting.id]
    assert await listed("kind = COMPLAINT AND state = NEW") == [sooner.id]
    assert await listed("resolution_due_time = null") == [waiting.id]
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await listed("colour = red")
