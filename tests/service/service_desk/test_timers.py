"""Promises that fall due: on the tenant's clock, each told once."""

import asyncio
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest
from crm.service_desk.v1 import calendars_pb2, cases_pb2, events_pb2, service_levels_pb2
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_local.testing import Servers
from crm_service_desk.cases import timers
from crm_service_desk.cases.timers import Timers
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.eventually import eventually
from tests.service.service_desk.desk import Desk, milestone, state, state_of

FIRST_RESPONSE = service_levels_pb2.Milestone.KIND_FIRST_RESPONSE
RESOLUTION = service_levels_pb2.Milestone.KIND_RESOLUTION
MINUTE = timedelta(minutes=1)


async def breached(desk: Desk) -> list[int]:
    return [each.milestone.kind for each in await desk.emitted(events_pb2.MilestoneBreached)]


async def warned(desk: Desk) -> list[int]:
    return [each.milestone.kind for each in await desk.emitted(events_pb2.MilestoneWarned)]


async def test_a_warning_comes_at_three_quarters_and_the_breach_at_the_end(desk: Desk) -> None:
    await desk.promise(first_response=60, resolution=600)
    case = await desk.create()
    await desk.advance(44 * MINUTE)
    await desk.advance(2 * MINUTE)
    assert await eventually(lambda: warned(desk)) == [FIRST_RESPONSE]
    now = await desk.get(case)
    assert (milestone(now, "FIRST_RESPONSE").warned, state_of(now, "FIRST_RESPONSE")) == (True, "RUNNING")
    await desk.advance(15 * MINUTE)
    assert await eventually(lambda: breached(desk)) == [FIRST_RESPONSE]
    now = await desk.get(case)
    late = milestone(now, "FIRST_RESPONSE")
    assert state_of(now, "FIRST_RESPONSE") == "MISSED"
    assert late.breach_time.ToDatetime() == case.create_time.ToDatetime() + 60 * MINUTE
    (event,) = await desk.emitted(events_pb2.MilestoneBreached)
    assert (event.case.id, event.milestone) == (case.id, late)
    request = cases_pb2.ListCasesRequest(filter="breached = true")
    page = await desk.cases.ListCases(request, metadata=desk.user.metadata)
    assert [each.id for each in page.cases] == [case.id]
    names = ["CaseCreated", "MilestoneWarned", "MilestoneBreached"]
    assert await desk.versions(case.id) == list(enumerate(names, 1))


def timers_of(desk: Desk) -> Timers:
    """Timers of one more process."""
    return Timers(Tenants(desk.running.service.database, desk.running.service.clock))


async def test_each_fires_once_although_many_look_at_once(desk: Desk) -> None:
    await desk.promise(first_response=60, resolution=60)
    for _ in range(3):
        await desk.create()
    await desk.advance(61 * MINUTE)
    lookers = [timers_of(desk) for _ in range(4)]
    await asyncio.gather(*(looker.fire_due() for looker in lookers))

    async def all_told() -> bool:
        return len(await breached(desk)) >= 6 and len(await warned(desk)) >= 6

    await eventually(all_told)
    await asyncio.gather(*(looker.fire_due() for looker in lookers))
    assert sorted(await breached(desk)) == [FIRST_RESPONSE] * 3 + [RESOLUTION] * 3
    assert sorted(await warned(desk)) == [FIRST_RESPONSE] * 3 + [RESOLUTION] * 3


async def test_timers_that_fail_keep_none_of_their_tenants_others_waiting(desk: Desk, servers: Servers) -> None:
    """More than are looked at of a tenant at once, of cases that are not there, and due before any other."""
    await desk.promise(first_response=60, resolution=600)
    connection = await asyncpg.connect(servers.superuser_url("crm_service_desk"))
    try:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(
            "INSERT INTO milestone_timers (tenant_id, case_id, kind, level, due_time, try_time)"
            " SELECT $1, gen_random_uuid(), 'RESOLUTION', 'BREACH', $2, $2 FROM generate_series(1, 250)",
            desk.user.tenant_id,
            system_now() - timedelta(days=1),
        )
        await desk.create()
        await desk.advance(61 * MINUTE)
        assert await eventually(lambda: breached(desk)) == [FIRST_RESPONSE]
        # They are tried again later, and later again.
        tried = await connection.fetchval(
            "SELECT min(try_time) FROM milestone_timers WHERE tenant_id = $1 AND fire_time IS NULL AND kind = $2",
            desk.user.tenant_id,
            "RESOLUTION",
        )
        assert tried > system_now() + 61 * MINUTE
    finally:
        await connection.execute("DELETE FROM milestone_timers WHERE tenant_id = $1", desk.user.tenant_id)
        await connection.close()


async def test_a_reply_in_time_leaves_nothing_to_tell(desk: Desk) -> None:
    await desk.promise(first_response=60, resolution=600)
    answered = await desk.create()
    await desk.do("ReplyToCustomer", answered, text="we come today")
    unanswered = await desk.create()
    await desk.advance(61 * MINUTE)
    await eventually(lambda: breached(desk))
    assert [each.case.id for each in await desk.emitted(events_pb2.MilestoneBreached)] == [unanswered.id]
    assert state_of(await desk.get(answered), "FIRST_RESPONSE") == "MET"


async def test_a_late_reply_does_not_mend_a_broken_promise(desk: Desk) -> None:
    await desk.promise(first_response=60, resolution=600)
    case = await desk.create()
    await desk.advance(61 * MINUTE)
    replied = await desk.do("ReplyToCustomer", case, text="sorry")
    assert state_of(replied, "FIRST_RESPONSE") == "MISSED"
    assert milestone(replied, "FIRST_RESPONSE").HasField("complete_time")
    assert await eventually(lambda: breached(desk)) == [FIRST_RESPONSE]


async def test_waiting_for_the_customer_stops_the_clock_until_they_wrote(desk: Desk) -> None:
    await desk.promise(first_response=600, resolution=60)
    case = await desk.create(assignee_id=str(desk.user.id))
    due = milestone(case, "RESOLUTION").due_time.ToDatetime()
    waiting = await desk.do("WaitForCustomer", case, text="when are you at home?")
    assert (state_of(waiting, "RESOLUTION"), milestone(waiting, "RESOLUTION").HasField("due_time")) == (
        "PAUSED",
        False,
    )
    await desk.advance(500 * MINUTE)
    sent = waiting.update_time.ToDatetime() + 200 * MINUTE
    told = await desk.do("RecordCustomerMessage", waiting, text="all day", send_time=sent)
    assert state(told) == "OPEN"
    assert milestone(told, "RESOLUTION").due_time.ToDatetime() == due + 200 * MINUTE
    assert await eventually(lambda: breached(desk)) == [RESOLUTION]
    explained = (await desk.explain(told))[RESOLUTION]
    (pause,) = explained.paused
    assert pause.reason == service_levels_pb2.PausedInterval.REASON_CUSTOMER
    assert pause.end_time.ToDatetime() - pause.start_time.ToDatetime() == 200 * MINUTE


async def test_a_message_that_crossed_our_waiting_ends_it_where_it_began(desk: Desk) -> None:
    await desk.promise(first_response=600, resolution=60)
    case = await desk.create(assignee_id=str(desk.user.id))
    await desk.advance(10 * MINUTE)
    waiting = await desk.do("WaitForCustomer", case)
    await desk.advance(10 * MINUTE)
    sent = case.create_time.ToDatetime() + 5 * MINUTE
    told = await desk.do("RecordCustomerMessage", waiting, text="at home", send_time=sent)
    assert (state(told), state_of(told, "RESOLUTION")) == ("OPEN", "RUNNING")
    assert milestone(told, "RESOLUTION").due_time == milestone(case, "RESOLUTION").due_time


async def test_after_a_reopening_the_clock_goes_on_without_the_time_it_was_resolved(desk: Desk) -> None:
    await desk.promise(first_response=600, resolution=60)
    case = await desk.create(assignee_id=str(desk.user.id))
    due = milestone(case, "RESOLUTION").due_time.ToDatetime()
    resolved = await desk.do("ResolveCase", case, resolution="new fuse")
    assert state_of(resolved, "RESOLUTION") == "MET"
    await desk.advance(100 * MINUTE)
    reopened = await desk.do("ReopenCase", resolved, cause="dark again")
    away = reopened.update_time.ToDatetime() - resolved.resolve_time.ToDatetime()
    assert milestone(reopened, "RESOLUTION").due_time.ToDatetime() == due + away
    await desk.advance(61 * MINUTE)
    assert await eventually(lambda: breached(desk)) == [RESOLUTION]


async def test_what_was_breached_is_not_breached_twice(desk: Desk) -> None:
    await desk.promise(first_response=6000, resolution=60)
    case = await desk.create(assignee_id=str(desk.user.id))
    await desk.advance(61 * MINUTE)
    await eventually(lambda: breached(desk))
    await desk.do("ResolveCase", case, resolution="new fuse")
    await desk.do("ReopenCase", case, cause="dark again")
    await desk.advance(100 * MINUTE)
    await timers_of(desk).fire_due()
    assert await breached(desk) == [RESOLUTION]
    assert state_of(await desk.get(case), "RESOLUTION") == "MISSED"


async def test_a_changed_calendar_moves_what_runs_and_leaves_what_has_ended(desk: Desk) -> None:
    calendar = await desk.around_the_clock()
    await desk.promise(first_response=60, resolution=2000, calendar_id=calendar.id)
    case = await desk.do("ReplyToCustomer", await desk.create(), text="we come today")
    days = [
        calendars_pb2.DayHours(weekday=day, hours=[calendars_pb2.Hours(opens="00:00", closes="12:00")])
        for day in calendars_pb2.DayHours.Weekday.values()[1:]
    ]
    request = calendars_pb2.UpdateCalendarRequest(
        calendar=calendars_pb2.Calendar(id=calendar.id, weekly=days), update_mask=FieldMask(paths=["weekly"])
    )
    updated = await desk.calendars.UpdateCalendar(request, metadata=desk.user.metadata)

    async def moved() -> cases_pb2.Case | None:
        now = await desk.get(case)
        before, after = milestone(case, "RESOLUTION"), milestone(now, "RESOLUTION")
        return now if after.due_time.ToDatetime() > before.due_time.ToDatetime() else None

    now = await eventually(moved)
    assert now is not None
    assert milestone(now, "FIRST_RESPONSE") == milestone(case, "FIRST_RESPONSE")
    explained = await desk.explain(now)
    assert explained[FIRST_RESPONSE].calendar_version == 1
    assert explained[RESOLUTION].calendar_version == updated.version == 2
    assert (await desk.versions(case.id))[-1] == (3, "MilestonesRecounted")


async def test_cases_that_cannot_be_counted_anew_keep_no_others_waiting(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than are looked at once, and the first by id."""
    monkeypatch.setattr(timers, "BATCH", 2)
    calendar = await desk.around_the_clock()
    await desk.promise(first_response=60, resolution=2000, calendar_id=calendar.id)
    *bad, good = [await desk.create() for _ in range(6)]
    counted: list[str] = []

    async def recount(_work: object, id: UUID) -> None:
        if str(id) != good.id:
            raise ValueError("a defect")
        counted.append(str(id))

    monkeypatch.setattr(timers, "recount", recount)
    looker = timers_of(desk)
    key = {"tenant_id": desk.user.tenant_id, "calendar_id": UUID(calendar.id), "version": 2}
    asked = cast("Any", key | {"clock_offset": timedelta()})
    while await looker.recount_some(asked):
        pass
    assert counted == [good.id]
    assert len(bad) == 5
