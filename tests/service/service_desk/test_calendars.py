"""Calendars through their contract."""

from datetime import timedelta
from typing import Any

import pytest
from crm.service_desk.v1 import calendars_pb2 as pb
from crm.service_desk.v1 import events_pb2
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.running import Running, User, refused
from tests.service.service_desk.desk import Desk

OFFICE = [pb.Hours(opens="09:00", closes="12:00"), pb.Hours(opens="13:30", closes="18:00")]
MONDAY = pb.DayHours(weekday=pb.DayHours.WEEKDAY_MONDAY, hours=OFFICE)


async def create(desk: Desk, *, by: User | None = None, key: str = "", **fields: Any) -> pb.Calendar:
    values: dict[str, Any] = {"display_name": "office", "time_zone": "Asia/Shanghai", "weekly": [MONDAY]}
    user = by or desk.user
    metadata = user.with_key(key) if key else user.metadata
    request = pb.CreateCalendarRequest(calendar=pb.Calendar(**values | fields))
    return await desk.calendars.CreateCalendar(request, metadata=metadata)


async def get(desk: Desk, calendar: pb.Calendar, version: int = 0, *, by: User | None = None) -> pb.Calendar:
    request = pb.GetCalendarRequest(id=calendar.id, version=version)
    return await desk.calendars.GetCalendar(request, metadata=(by or desk.user).metadata)


async def update(desk: Desk, calendar: pb.Calendar, *paths: str, **fields: Any) -> pb.Calendar:
    request = pb.UpdateCalendarRequest(
        calendar=pb.Calendar(id=calendar.id, **fields), update_mask=FieldMask(paths=paths)
    )
    return await desk.calendars.UpdateCalendar(request, metadata=desk.user.metadata)


async def test_a_created_calendar_is_read_back_with_holidays_and_make_up_days(desk: Desk) -> None:
    exceptions = [
        pb.DatedException(local_date="2026-10-01"),
        pb.DatedException(local_date="2026-10-10", hours=OFFICE),
    ]
    created = await create(desk, exceptions=exceptions)
    assert list(created.exceptions) == exceptions
    assert (list(created.weekly), created.version, created.is_default) == ([MONDAY], 1, False)
    assert await get(desk, created) == created


async def test_every_tenant_has_one_default_calendar(desk: Desk) -> None:
    for _ in range(2):
        answer = await desk.calendars.ListCalendars(pb.ListCalendarsRequest(), metadata=desk.user.metadata)
    (default,) = answer.calendars
    assert (default.is_default, default.time_zone, len(default.weekly)) == (True, "Asia/Shanghai", 5)
    assert list(default.weekly[0].hours) == OFFICE


async def test_defaults_are_made_with_the_tenant_and_stay_as_they_were_changed(desk: Desk) -> None:
    (created,) = await desk.emitted(events_pb2.CalendarCreated)
    (level,) = await desk.emitted(events_pb2.ServiceLevelCreated)
    assert (created.calendar.is_default, level.service_level.is_default) == (True, True)
    changed = await update(desk, created.calendar, "display_name", display_name="our hours")
    await desk.advance(timedelta(hours=1))
    assert await get(desk, created.calendar) == changed
    assert await desk.versions(changed.id) == [(1, "CalendarCreated"), (2, "CalendarUpdated")]


async def test_an_update_makes_a_version_and_keeps_the_older_one(desk: Desk) -> None:
    created = await create(desk)
    closed = [pb.DatedException(local_date="2026-10-01")]
    updated = await update(desk, created, "exceptions", exceptions=closed)
    assert (updated.version, list(updated.weekly), list(updated.exceptions)) == (2, [MONDAY], closed)
    assert await get(desk, created, 1) == created
    assert await get(desk, created) == updated
    (event,) = await desk.emitted(events_pb2.CalendarUpdated)
    assert (event.calendar, list(event.changed_fields)) == (updated, ["exceptions"])
    with refused("NOT_FOUND", "CALENDAR_NOT_FOUND"):
        await get(desk, created, 3)


async def test_a_stale_etag_is_refused(desk: Desk) -> None:
    created = await create(desk)
    await update(desk, created, "display_name", display_name="shop")
    with refused("ABORTED", "ETAG_MISMATCH"):
        await update(desk, created, "display_name", display_name="x", etag=created.etag)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"time_zone": "Mars/Olympus"}, "calendar.time_zone"),
        ({"weekly": []}, "calendar.weekly"),
        ({"weekly": [MONDAY, MONDAY]}, "calendar.weekly[1].weekday"),
        (
            {"weekly": [pb.DayHours(weekday=pb.DayHours.WEEKDAY_TUESDAY, hours=[OFFICE[0], OFFICE[0]])]},
            "calendar.weekly[0].hours[1]",
        ),
        ({"exceptions": [pb.DatedException(local_date="2026-02-30")]}, "calendar.exceptions[0].local_date"),
    ],
)
async def test_hours_that_cannot_be_are_refused_with_their_place(
    desk: Desk, fields: dict[str, Any], field: str
) -> None:
    with refused("INVALID_ARGUMENT", "CALENDAR_INVALID") as refusal:
        await create(desk, **fields)
    assert refusal.fields == [field]


async def test_a_calendar_of_another_tenant_is_not_found(desk: Desk, service_desk: Running) -> None:
    created = await create(desk)
    with refused("NOT_FOUND", "CALENDAR_NOT_FOUND"):
        await get(desk, created, by=await service_desk.user())


async def test_reading_does_not_allow_writing(desk: Desk, service_desk: Running) -> None:
    reader = await service_desk.user(desk.user.tenant_id, grants={"calendars.read": Scope.ALL})
    created = await create(desk)
    assert await get(desk, created, by=reader) == created
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await create(desk, by=reader)


async def test_a_repeated_create_with_the_same_key_creates_once(desk: Desk) -> None:
    assert await create(desk, key="k-1") == await create(desk, key="k-1")


async def test_a_filter_chooses(desk: Desk) -> None:
    wanted = await create(desk, display_name="night shift")
    await create(desk)
    request = pb.ListCalendarsRequest(filter='display_name:"night"', order_by="display_name")
    answer = await desk.calendars.ListCalendars(request, metadata=desk.user.metadata)
    assert [each.id for each in answer.calendars] == [wanted.id]
