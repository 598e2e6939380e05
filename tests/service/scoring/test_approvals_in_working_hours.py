"""Steps that are due in working hours: by the tenant's calendar, also when that changes, and however it is heard of."""

import asyncio
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from crm.resource.v1.approval_policies_pb2 import ApprovalPolicy
from crm.service_desk.v1 import calendars_pb2 as pb
from crm.service_desk.v1 import events_pb2
from crm_kit.approvals.gate import Gate
from crm_kit.approvals.rescheduling import RescheduledApprovals, outdated_timers
from crm_kit.background import Tenants
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.identity.access import Scope
from crm_kit.working_time.calendars import default_calendar
from crm_kit.working_time.model import default_calendar_id

from tests.service.approving import Approval, Desk, asks, step
from tests.service.eventually import eventually
from tests.service.running import Running, User, refused
from tests.service.scoring.approved_limits import READER, People, asked, told
from tests.service.scoring.business import also_known_to, new_account

# No clock of it was ever moved at night: a day has 24 hours, whenever the test runs.
ZONE = ZoneInfo("Asia/Shanghai")
WRITER = READER | {"credit.write": Scope.ALL}
WORKING = ApprovalPolicy.HOURS_COUNTED_WORKING
ROUND_THE_CLOCK = [pb.Hours(opens="00:00", closes="24:00")]
EVERY_DAY = [pb.DayHours(weekday=day, hours=ROUND_THE_CLOCK) for day in pb.DayHours.Weekday.values() if day]


class Office:
    """A tenant that works day and night, except on the days that it is told of, and its approvals."""

    def __init__(self, scoring: Running, user: User, people: People) -> None:
        self.scoring, self.user, self.people = scoring, user, people
        self.desk = Desk(scoring.channel, "credit_limits", "setLimit")

    def calendar(self, *closed: date, version: int = 1, **fields: Any) -> pb.Calendar:
        return pb.Calendar(
            **{
                "id": str(default_calendar_id(self.user.tenant_id)),
                "time_zone": ZONE.key,
                "weekly": EVERY_DAY,
                "exceptions": [pb.DatedException(local_date=day.isoformat()) for day in closed],
                "is_default": True,
                "version": version,
                **fields,
            }
        )

    async def hear(self, calendar: pb.Calendar) -> None:
        """Have the service know a calendar in its version."""
        told = (events_pb2.CalendarCreated if calendar.version == 1 else events_pb2.CalendarUpdated)(calendar=calendar)
        tenant_id, id = self.user.tenant_id, UUID(calendar.id)
        await self.scoring.hear(told, tenant_id=tenant_id, aggregate_id=id, version=calendar.version)

    def job(self) -> RescheduledApprovals:
        """The job of another process."""
        service = self.scoring.service
        gate = Gate(service.approvables, service.directory, service.calendars)
        return RescheduledApprovals(Tenants(service.database, service.clock), gate)

    async def policy(self, *hours: int, counted: Any = WORKING) -> Any:
        """A step of each of these hours, for one person after the other."""
        people = (self.people.boss, self.people.other)
        steps = [step(each, due_hours=of, hours_counted=counted) for each, of in zip(people, hours, strict=False)]
        return await self.desk.policy(self.user, asks(*steps))

    async def submit(self) -> Approval:
        account = await new_account(self.scoring, self.user.tenant_id, self.user)
        return await self.desk.submit(self.people.rep, asked(account, 5000))

    async def get(self, approval: Approval) -> Approval:
        return await self.desk.get(self.user, approval)

    async def is_due_after(self, approval: Approval, hours: int) -> bool:
        return span(await self.get(approval)) == timedelta(hours=hours)

    async def told(self, name: str = "ApprovalDueTimeChanged") -> list[str]:
        return [each.aggregate_id for each in await told(self.scoring, self.user, name)]


def span(approval: Approval) -> timedelta:
    """How much later than it was submitted it is due."""
    return approval.due_time.ToDatetime() - approval.create_time.ToDatetime()


def today() -> date:
    return datetime.now(ZONE).date()


def closed_days(*after: int) -> list[date]:
    """Days from today on, as of the middle of the test: it may go over midnight."""
    return [today() + timedelta(days=each) for each in after]


@pytest.fixture
async def office(scoring: Running) -> Office:
    tenant = await scoring.tenant(sandbox=True)
    people = People(*[await scoring.user(tenant, grants=WRITER) for _ in range(3)])
    return Office(scoring, await scoring.user(tenant), people)


async def test_a_step_is_due_when_its_working_hours_have_passed_and_elapsed_hours_know_no_holidays(
    office: Office,
) -> None:
    # Closed from two days on for five days: 72 hours end behind them, whether it is today or tomorrow by then.
    await office.hear(office.calendar(*closed_days(2, 3, 4, 5, 6)))
    policy = await office.policy(72)
    assert policy.rows[0].steps[0].hours_counted == WORKING
    assert span(await office.submit()) == timedelta(hours=72 + 5 * 24)
    policy.rows[0].steps[0].hours_counted = ApprovalPolicy.HOURS_COUNTED_UNSPECIFIED
    policy = await office.desk.change_policy(office.user, policy, "rows")
    assert policy.rows[0].steps[0].hours_counted == ApprovalPolicy.HOURS_COUNTED_ELAPSED
    assert span(await office.submit()) == timedelta(hours=72)


async def test_the_next_step_has_the_hours_that_there_are_when_it_begins(office: Office) -> None:
    await office.hear(office.calendar())
    await office.policy(0, 72, counted=ApprovalPolicy.HOURS_COUNTED_ELAPSED)
    policy = (await office.desk.policies(office.user))[0]
    policy.rows[0].steps[1].hours_counted = WORKING
    await office.desk.change_policy(office.user, policy, "rows")
    approval = await office.submit()
    assert not approval.HasField("due_time")
    await office.hear(office.calendar(*closed_days(2, 3), version=2))
    second = await office.desk.approve(office.people.boss, approval)
    waited = second.due_time.ToDatetime() - second.opinions[0].opinion_time.ToDatetime()
    assert (second.current_step, waited) == (2, timedelta(hours=72 + 48))


async def test_a_calendar_that_changes_moves_what_is_pending_once_and_nothing_else(office: Office) -> None:
    await office.hear(office.calendar())
    await office.policy(72)
    moved, ended = await office.submit(), await office.submit()
    await office.desk.reject(office.people.boss, ended)
    assert span(moved) == timedelta(hours=72)
    newer = office.calendar(*closed_days(2, 3), version=3)
    await office.hear(newer)
    assert await eventually(lambda: office.is_due_after(moved, 72 + 48))
    assert [each.action for each in await office.desk.changes(office.user, moved)] == ["DUE_TIME_CHANGED", "CREATED"]
    assert (await office.get(ended)).due_time == ended.due_time
    # Neither an older version, nor the same again, nor another calendar of the tenant changes anything.
    await office.hear(office.calendar(version=2))
    await office.hear(newer)
    await office.hear(office.calendar(version=4, id=str(UUID(int=7)), is_default=False))
    # One in which nothing is different for it is known to have been looked at.
    await office.hear(office.calendar(*closed_days(2, 3, 300), version=5))
    later = await office.submit()
    await office.hear(office.calendar(version=6))
    assert await eventually(lambda: office.is_due_after(later, 72))
    assert await eventually(lambda: office.is_due_after(moved, 72))
    assert sorted(await office.told()) == sorted([moved.id, moved.id, later.id])


async def test_what_is_late_by_the_new_hours_is_overdue_and_what_was_overdue_stays_so(office: Office) -> None:
    await office.hear(office.calendar(*closed_days(*range(-1, 40))))
    await office.policy(1)
    approval = await office.submit()
    assert span(approval) > timedelta(days=30)
    ahead, tenant_id = timedelta(days=2), office.user.tenant_id
    await office.scoring.know_tenant(tenant_id, sandbox=True, clock_offset=ahead, version=2)
    await office.hear(office.calendar(version=2))

    async def late() -> Approval | None:
        found = await office.get(approval)
        return found if found.overdue else None

    found = await eventually(late)
    assert found is not None
    assert span(found) == timedelta(hours=1)
    await office.hear(office.calendar(*closed_days(*range(-1, 40)), version=3))
    await office.job().look()
    assert (await office.get(approval)).due_time == found.due_time
    assert (await office.told("ApprovalOverdue"), await office.told()) == ([approval.id], [approval.id])


async def test_two_processes_that_find_a_changed_calendar_at_once_move_each_approval_once(office: Office) -> None:
    await office.hear(office.calendar())
    await office.policy(72)
    approvals = [await office.submit() for _ in range(3)]
    await office.hear(office.calendar(*closed_days(2), version=2))
    jobs = [office.job() for _ in range(2)]
    await asyncio.gather(*(job.look() for job in jobs for _ in range(2)))

    async def all_are_moved() -> bool:
        # The service's own job has heard of the calendar, too: what it is at, others leave to it.
        rows = await office.scoring.service.database.all(ALL_TENANTS, outdated_timers(), {})
        return office.user.tenant_id not in {row["tenant_id"] for row in rows}

    await eventually(all_are_moved)
    assert [await office.is_due_after(each, 96) for each in approvals] == [True] * 3
    assert sorted(await office.told()) == sorted(each.id for each in approvals)


async def test_hours_that_could_not_be_counted_are_refused_by_name(office: Office) -> None:
    await office.hear(office.calendar())
    for hours in (0, 2001):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await office.policy(hours)
        assert refusal.fields == ["approval_policy.rows[0].steps[0].due_hours"]
    await office.policy(2000)
    assert span(await office.submit()) == timedelta(hours=2000)


async def test_a_calendar_that_is_not_known_yet_is_asked_for_and_then_known(
    office: Office, scoring: Running, service_desk: Running
) -> None:
    tenant_id = office.user.tenant_id
    # Without an answer nothing is put into use that could not be counted.
    with refused("UNAVAILABLE", "UNAVAILABLE"):
        await office.policy(8)
    await service_desk.know_tenant(tenant_id, sandbox=True)
    await also_known_to(service_desk, office.user)
    await office.policy(8)
    # Whoever submits may not read calendars, and need not.
    approval = await office.submit()
    assert approval.HasField("due_time")
    calendar = await scoring_calendar(scoring, tenant_id)
    assert (calendar["time_zone"], calendar["version"], len(calendar["weekly"])) == ("Asia/Shanghai", 1, 5)


async def scoring_calendar(scoring: Running, tenant_id: UUID) -> Any:
    """The calendar as the service keeps it."""
    (row,) = await scoring.service.database.all(tenant_id, default_calendar(), {"tenant_id": tenant_id})
    return row
