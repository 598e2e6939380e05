"""Service levels through their contract."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from crm.service_desk.v1 import calendars_pb2, cases_pb2, events_pb2
from crm.service_desk.v1 import service_levels_pb2 as pb
from crm_kit.identity.access import Scope
from crm_kit.wire import timestamp
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.nameless import nameless
from tests.service.running import Running, User, refused
from tests.service.service_desk.desk import Desk
from tests.steps import soonest

HOUR = timedelta(hours=1)
OFFICE = calendars_pb2.Calendar(
    display_name="office",
    time_zone="Asia/Shanghai",
    weekly=[
        calendars_pb2.DayHours(
            weekday=day,
            hours=[
                calendars_pb2.Hours(opens="09:00", closes="12:00"),
                calendars_pb2.Hours(opens="13:00", closes="18:00"),
            ],
        )
        for day in calendars_pb2.DayHours.Weekday.values()[1:6]
    ],
    # Sunday made up for the holiday that follows.
    exceptions=[
        calendars_pb2.DatedException(
            local_date="2026-09-27", hours=[calendars_pb2.Hours(opens="09:00", closes="12:00")]
        ),
        calendars_pb2.DatedException(local_date="2026-10-01"),
    ],
)
NINE_HOURS = pb.Target(business_minutes=540)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """An instant of September 2026 (31 is the first of October), given as the clock in Shanghai shows it."""
    return datetime(2026, 9, 1, tzinfo=UTC) + timedelta(days=day - 1, hours=hour - 8, minutes=minute)


async def preview(desk: Desk, **fields: Any) -> pb.MilestoneExplanation:
    values: dict[str, Any] = {"calendar": OFFICE, "target": NINE_HOURS, "start_time": at(25, 17)}
    request = pb.PreviewServiceLevelRequest(**values | fields)
    answer = await desk.levels.PreviewServiceLevel(request, metadata=desk.user.metadata)
    return answer.explanation


async def update(desk: Desk, level: pb.ServiceLevel, *paths: str, **fields: Any) -> pb.ServiceLevel:
    request = pb.UpdateServiceLevelRequest(
        service_level=pb.ServiceLevel(id=level.id, **fields), update_mask=FieldMask(paths=paths)
    )
    return await desk.levels.UpdateServiceLevel(request, metadata=desk.user.metadata)


async def get(desk: Desk, level: pb.ServiceLevel, *, by: User | None = None) -> pb.ServiceLevel:
    request = pb.GetServiceLevelRequest(id=level.id)
    return await desk.levels.GetServiceLevel(request, metadata=(by or desk.user).metadata)


# --- previews


async def test_a_preview_says_when_it_is_due_and_which_time_counts(desk: Desk) -> None:
    # Friday 17:00, nine hours: one on Friday, three on the Sunday made up, five of Monday.
    explanation = await preview(desk, at_time=at(30, 0))
    assert explanation.milestone.due_time.ToDatetime(tzinfo=UTC) == at(28, 15)
    counted = [
        (each.start_time.ToDatetime(tzinfo=UTC), each.end_time.ToDatetime(tzinfo=UTC)) for each in explanation.counted
    ]
    assert counted[:4] == [
        (at(25, 17), at(25, 18)),
        (at(27, 9), at(27, 12)),
        (at(28, 9), at(28, 12)),
        (at(28, 13), at(28, 18)),
    ]
    assert explanation.budget.ToTimedelta() == 9 * HOUR
    assert explanation.milestone.state == pb.Milestone.STATE_MISSED


async def test_a_previewed_pause_moves_the_due_time_and_says_who_had_the_ball(desk: Desk) -> None:
    facts = [
        pb.PreviewFact(
            kind=pb.PreviewFact.KIND_PAUSED,
            occur_time=timestamp(at(28, 10)),
            pause_reason=pb.PausedInterval.REASON_CUSTOMER,
        ),
        pb.PreviewFact(kind=pb.PreviewFact.KIND_CUSTOMER_MESSAGE, occur_time=timestamp(at(28, 14))),
    ]
    explanation = await preview(desk, facts=facts, at_time=at(28, 15))
    assert explanation.milestone.due_time.ToDatetime(tzinfo=UTC) == at(28, 18)
    assert explanation.elapsed.ToTimedelta() == 6 * HOUR
    assert {each.reason for each in explanation.paused} == {pb.PausedInterval.REASON_CUSTOMER}
    unpaused = await preview(desk, facts=facts, at_time=at(28, 14, 30), pauses_given=True)
    assert unpaused.milestone.due_time.ToDatetime(tzinfo=UTC) == at(28, 15)


async def test_a_preview_of_more_than_ten_years_is_refused_by_name(desk: Desk) -> None:
    start = at(25, 17)
    ten_years = await preview(desk, at_time=start + timedelta(days=3653))
    assert ten_years.milestone.state == pb.Milestone.STATE_MISSED
    # All of it is counted, and what is listed is of the last year.
    assert ten_years.elapsed.ToTimedelta() > 3653 * 5 / 7 * 8 * HOUR - 20 * HOUR
    assert 500 < len(ten_years.counted) <= 366 * 2
    assert ten_years.counted[0].start_time.ToDatetime(tzinfo=UTC) > start + timedelta(days=3653 - 370)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await preview(desk, at_time=start + timedelta(days=3653, seconds=1))
    assert refusal.detail == "at_time: a preview ends at most ten years after its start_time"
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await preview(desk, start_time=datetime(1970, 1, 1, tzinfo=UTC))
    assert refusal.detail == "start_time: a preview ends at most ten years after its start_time"


async def test_a_case_that_is_open_for_a_century_is_explained_by_its_last_year(desk: Desk) -> None:
    calendar = await desk.calendars.CreateCalendar(
        calendars_pb2.CreateCalendarRequest(calendar=OFFICE), metadata=desk.user.metadata
    )
    await desk.promise(first_response=60, resolution=600, calendar_id=calendar.id)
    case = await desk.create()
    await desk.advance(timedelta(days=36_500))
    # Counting every day of it would take some five seconds.
    assert await soonest(lambda: desk.do("AddNote", case, text="still nothing"), 0.5) < 0.5
    explained = await desk.explain(case)
    assert len(explained) == 2
    for each in explained.values():
        assert each.elapsed.ToTimedelta() > 36_500 * 5 / 7 * 8 * HOUR - 40 * HOUR
        assert 500 < len(each.counted) <= 366 * 2


async def test_working_days_end_at_the_close_of_the_last(desk: Desk) -> None:
    days = pb.Target(working_days=2)
    explanation = await preview(desk, target=days, at_time=at(25, 17))
    assert explanation.milestone.due_time.ToDatetime(tzinfo=UTC) == at(28, 18)
    same_time = pb.Target(working_days=3, end=pb.Target.END_SAME_TIME)
    explanation = await preview(desk, target=same_time, at_time=at(25, 17))
    assert explanation.milestone.due_time.ToDatetime(tzinfo=UTC) == at(29, 17)


async def test_a_preview_by_a_stored_calendar_names_its_version(desk: Desk) -> None:
    calendar = await desk.around_the_clock()
    explanation = await preview(desk, calendar=None, calendar_id=calendar.id, at_time=at(25, 18))
    assert explanation.milestone.due_time.ToDatetime(tzinfo=UTC) == at(26, 2)
    assert (explanation.calendar_id, explanation.calendar_version) == (calendar.id, 1)
    with refused("NOT_FOUND", "CALENDAR_NOT_FOUND"):
        await preview(desk, calendar=None, calendar_id=str(uuid4()))


async def test_a_preview_needs_one_calendar_and_one_measure(desk: Desk) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await preview(desk, calendar_id=str(uuid4()))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await preview(desk, target=pb.Target(business_minutes=1, working_days=1))


# --- service levels


async def test_a_created_service_level_is_read_back(desk: Desk) -> None:
    created = await desk.promise(first_response=30, resolution=300, condition="kind = COMPLAINT", position=7)
    assert (created.position, created.warning_percent, created.is_default) == (7, 75, False)
    assert [each.target.business_minutes for each in created.targets] == [30, 300]
    assert await get(desk, created) == created


async def test_every_tenant_has_one_default_which_is_tried_last(desk: Desk) -> None:
    created = await desk.promise(first_response=30, resolution=300)
    answer = await desk.levels.ListServiceLevels(pb.ListServiceLevelsRequest(), metadata=desk.user.metadata)
    assert [each.is_default for each in answer.service_levels] == [False, True]
    assert answer.service_levels[0] == created


async def test_the_first_service_level_that_takes_a_case_counts(desk: Desk) -> None:
    calendar_id = (await desk.around_the_clock()).id
    urgent = 'priority = CRITICAL AND category = "POWER"'
    second = await desk.promise(first_response=30, resolution=300, position=2, calendar_id=calendar_id)
    first = await desk.promise(first_response=5, resolution=50, position=1, condition=urgent, calendar_id=calendar_id)
    high = cases_pb2.Case.LEVEL_HIGH
    assert (await desk.create(impact=high, urgency=high, category="power")).service_level_id == first.id
    assert (await desk.create(impact=high, urgency=high)).service_level_id == second.id


async def test_a_changed_service_level_counts_for_new_cases(desk: Desk) -> None:
    level = await desk.promise(first_response=30, resolution=300)
    before = await desk.create()
    targets = [
        pb.MilestoneTarget(kind=pb.Milestone.KIND_RESOLUTION, target=pb.Target(business_minutes=100)),
    ]
    updated = await update(desk, level, "targets", "warning_percent", targets=targets, warning_percent=50)
    (event,) = await desk.emitted(events_pb2.ServiceLevelUpdated)
    assert (event.service_level, set(event.changed_fields)) == (nameless(updated), {"targets", "warning_percent"})
    assert (updated.display_name, list(updated.targets), updated.warning_percent) == ("promise", targets, 50)
    assert len((await desk.create()).milestones) == 1
    assert (await desk.get(before)).milestones == before.milestones


async def test_a_warning_percent_that_is_not_given_is_75_again(desk: Desk) -> None:
    level = await desk.promise(first_response=30, resolution=300, warning_percent=50)
    assert (level.warning_percent, (await update(desk, level, "warning_percent")).warning_percent) == (50, 75)


async def test_a_promise_of_one_condition_may_tell_channels_apart(desk: Desk) -> None:
    called = await desk.promise(first_response=5, resolution=50, position=1, condition="channel = PHONE")
    assert (await desk.create(channel=cases_pb2.Case.CHANNEL_PHONE)).service_level_id == called.id
    assert (await desk.create()).service_level_id != called.id
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await desk.promise(first_response=5, resolution=50, condition="channel = PIGEON")


async def test_a_condition_that_cannot_be_read_is_refused_with_the_place(desk: Desk) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_FILTER") as refusal:
        await desk.promise(first_response=30, resolution=300, condition="kind = COMPLAINT AND colour = red")
    assert "22" in refusal.detail


async def test_a_calendar_that_does_not_exist_is_refused(desk: Desk) -> None:
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await desk.promise(first_response=30, resolution=300, calendar_id=str(uuid4()))
    assert refusal.fields == ["service_level.calendar_id"]


async def test_a_milestone_is_promised_once(desk: Desk) -> None:
    target = pb.MilestoneTarget(kind=pb.Milestone.KIND_RESOLUTION, target=NINE_HOURS)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await desk.promise(first_response=30, resolution=300, targets=[target, target])
    assert refusal.fields == ["service_level.targets"]


async def test_a_stale_etag_is_refused(desk: Desk) -> None:
    level = await desk.promise(first_response=30, resolution=300)
    await update(desk, level, "position", position=3)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await update(desk, level, "position", position=4, etag=level.etag)


async def test_another_tenant_and_a_reader_may_not(desk: Desk, service_desk: Running) -> None:
    level = await desk.promise(first_response=30, resolution=300)
    with refused("NOT_FOUND", "SERVICE_LEVEL_NOT_FOUND"):
        await get(desk, level, by=await service_desk.user())
    reader = await service_desk.user(desk.user.tenant_id, grants={"service_levels.read": Scope.ALL})
    assert await get(desk, level, by=reader) == level
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await desk.levels.UpdateServiceLevel(pb.UpdateServiceLevelRequest(), metadata=reader.metadata)
