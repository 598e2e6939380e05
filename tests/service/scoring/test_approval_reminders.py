"""Who has not decided is reminded before a step is due: once, on the tenant's clock and by its working hours."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
from crm_kit.approvals.gate import Gate
from crm_kit.approvals.overdue import OverdueApprovals, due_approvals
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.plumbing import approval_timers

from tests.service.approving import ALL, Approval, asks, stand_in, step
from tests.service.eventually import eventually
from tests.service.notices import told
from tests.service.running import Running, User, refused
from tests.service.scoring.approved_limits import READER, People
from tests.service.scoring.test_approvals_in_working_hours import Office as WorkingOffice
from tests.service.scoring.test_approvals_in_working_hours import closed_days
from tests.service.scoring.test_overdue_approvals import Office

WRITER = READER | {"credit.write": Scope.ALL}
REMINDED = ["APPROVAL_WAITING", "APPROVAL_REMINDER"]


@pytest.fixture
async def office(scoring: Running) -> Office:
    tenant = await scoring.tenant(sandbox=True)
    people = People(*[await scoring.user(tenant, grants=WRITER) for _ in range(3)])
    return Office(scoring, await scoring.user(tenant), people)


async def come_to(office: Office, user: User, kinds: list[str]) -> None:
    """Wait until somebody has been told these."""

    async def is_told() -> bool:
        return await told(office.scoring, user) == kinds

    await eventually(is_told)


def looking(scoring: Running, ahead: timedelta) -> OverdueApprovals:
    """The job of another process, whose time is ahead."""
    service = scoring.service
    tenants = Tenants(service.database, service.clock, lambda: system_now() + ahead)
    return OverdueApprovals(tenants, Gate(service.approvables, service.directory, service.calendars))


async def test_who_has_not_decided_is_reminded_once_for_each_step_and_the_approval_stays_as_it_was(
    office: Office,
) -> None:
    desk, people = office.desk, office.people
    first = step(people.boss, people.other, mode=ALL, due_hours=24, reminder_hours=4)
    policy = await desk.policy(office.user, asks(first, step(people.other, due_hours=24, reminder_hours=1)))
    assert policy.rows[0].steps[0].reminder_hours == 4
    approval = await office.submit()
    heard = await desk.approve(people.other, approval)
    await office.advance(timedelta(hours=21))
    await come_to(office, people.boss, REMINDED)
    assert await told(office.scoring, people.other) == ["APPROVAL_WAITING"]
    assert await told(office.scoring, people.rep) == []
    # What somebody has seen of it can still be sent with their decision.
    assert (await desk.get(office.user, approval)).etag == heard.etag
    second = await desk.approve(people.boss, approval, etag=heard.etag)
    assert second.current_step == 2
    await office.advance(timedelta(hours=44, minutes=30))
    await come_to(office, people.other, ["APPROVAL_WAITING", *REMINDED])
    assert await told(office.scoring, people.boss) == REMINDED


async def test_processes_that_look_at_once_and_again_remind_once(office: Office) -> None:
    scoring, people = office.scoring, office.people
    await office.desk.policy(office.user, asks(step(people.boss, due_hours=3, reminder_hours=2)))
    for _ in range(3):
        await office.submit()
    jobs = [looking(scoring, timedelta(hours=2)) for _ in range(3)]
    await asyncio.gather(*(job.look() for job in jobs for _ in range(2)))
    assert sorted(await told(scoring, people.boss)) == ["APPROVAL_REMINDER"] * 3 + ["APPROVAL_WAITING"] * 3
    await jobs[0].look()
    assert len(await told(scoring, people.boss)) == 6


async def test_nobody_is_reminded_while_the_tenant_is_closed(office: Office) -> None:
    scoring, boss = office.scoring, office.people.boss
    await office.desk.policy(office.user, asks(step(boss, due_hours=3, reminder_hours=2)))
    await office.submit()
    job = looking(scoring, timedelta(hours=2))
    await scoring.know_tenant(office.user.tenant_id, active=False, sandbox=True, version=2)
    await job.look()
    assert await told(scoring, boss) == ["APPROVAL_WAITING"]
    await scoring.know_tenant(office.user.tenant_id, sandbox=True, version=3)
    await job.look()
    assert sorted(await told(scoring, boss)) == sorted(REMINDED)


async def test_a_tenant_whose_approvals_cannot_be_looked_at_keeps_no_other_waiting(office: Office) -> None:
    scoring, troubled = office.scoring, await office.scoring.tenant()
    await office.desk.policy(office.user, asks(step(office.people.boss, due_hours=3, reminder_hours=2)))
    await office.submit()
    async with scoring.unit_of_work(troubled) as work:
        for days in range(2, 5):
            # Of nothing that is there.
            row = {"approval_id": new_id(), "collection": "credit_limits", "due_time": work.now - timedelta(days=days)}
            work.insert(approval_timers, row)
    now = {"now": system_now() + timedelta(hours=2)}
    found = [row["tenant_id"] for row in await scoring.service.database.all(ALL_TENANTS, due_approvals(), now)]
    async with scoring.unit_of_work(troubled) as work:
        work.delete(approval_timers)
    (turn,) = [at for at, tenant_id in enumerate(found) if tenant_id == office.user.tenant_id]
    assert [each for each in found[:turn] if each == troubled] == [troubled]


async def test_what_is_decided_while_others_are_reminded_is_the_one_or_the_other_first(office: Office) -> None:
    scoring, people = office.scoring, office.people
    await office.desk.policy(office.user, asks(step(people.boss, due_hours=3, reminder_hours=2)))
    for _ in range(4):
        approval = await office.submit()
        job = looking(scoring, timedelta(hours=2))
        await asyncio.gather(job.look(), office.desk.approve(people.boss, approval))
        assert (await office.desk.get(office.user, approval)).state == Approval.STATE_APPROVED
        before = await told(scoring, people.boss)
        await job.look()
        assert await told(scoring, people.boss) == before


async def test_whoever_it_is_handed_to_is_reminded_and_what_is_overdue_already_is_told_of_as_that(
    office: Office,
) -> None:
    desk, people = office.desk, office.people
    await desk.policy(office.user, asks(step(people.boss, due_hours=24, reminder_hours=8)))
    handed = await office.submit()
    await desk.reassign(people.boss, handed, people.other)
    await office.advance(timedelta(hours=17))
    await come_to(office, people.other, REMINDED)
    assert await told(office.scoring, people.boss) == ["APPROVAL_WAITING"]
    late = await office.submit()
    await office.advance(timedelta(hours=17 + 25))
    await office.found_overdue(late)
    assert (await told(office.scoring, people.boss)) == ["APPROVAL_WAITING", "APPROVAL_WAITING", "APPROVAL_OVERDUE"]


async def test_a_reminder_goes_by_working_hours_and_with_the_calendar_and_who_had_it_gets_no_other(
    scoring: Running,
) -> None:
    tenant = await scoring.tenant(sandbox=True)
    people = People(*[await scoring.user(tenant, grants=WRITER) for _ in range(3)])
    office = WorkingOffice(scoring, await scoring.user(tenant), people)
    await office.hear(office.calendar())
    hours: dict[str, Any] = {"due_hours": 72, "reminder_hours": 24, "hours_counted": 2}
    await office.desk.policy(office.user, asks(step(people.boss, **hours)))
    approval = await office.submit()
    await office.hear(office.calendar(*closed_days(3), version=2))
    assert await eventually(lambda: office.is_due_after(approval, 96))
    # Three days later it is the last working day before it is due, and an hour more than that.
    await looking(scoring, timedelta(hours=47)).look()
    assert await told(scoring, people.boss) == ["APPROVAL_WAITING"]
    await looking(scoring, timedelta(hours=49)).look()
    assert await told(scoring, people.boss) == REMINDED
    await office.hear(office.calendar(*closed_days(3, 4), version=3))
    assert await eventually(lambda: office.is_due_after(approval, 120))
    await looking(scoring, timedelta(hours=97)).look()
    assert await told(scoring, people.boss) == REMINDED


@pytest.mark.parametrize(("due", "before"), [(0, 1), (4, 4), (4, 5)])
async def test_a_reminder_comes_before_a_step_is_due(office: Office, due: int, before: int) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await office.desk.policy(office.user, asks(step(office.people.boss, due_hours=due, reminder_hours=before)))
    assert refusal.fields == ["approval_policy.rows[0].steps[0].reminder_hours"]


async def test_deputies_are_told_as_those_are_in_whose_place_they_may_decide_it_that_day(office: Office) -> None:
    scoring, desk, people = office.scoring, office.desk, office.people
    tenant_id = office.user.tenant_id
    deputy, twice, past, elsewhere = [await scoring.user(tenant_id, grants=WRITER) for _ in range(4)]
    none = await scoring.user(tenant_id, grants={"scores.read": Scope.ALL})
    # Whichever of the two the first deputy decides for, it waits for the other.
    for absent in (people.boss, people.other):
        for each in (deputy, twice, people.rep, none):
            await stand_in(scoring, each, absent)
        await stand_in(scoring, past, absent, days=(date(2000, 1, 1), date(2000, 1, 2)))
        await stand_in(scoring, elsewhere, absent, collection="orders")
    both = step(people.boss, people.other, mode=ALL, due_hours=24, reminder_hours=4)
    await desk.policy(office.user, asks(both))
    approval = await office.submit()
    assert await told(scoring, deputy) == await told(scoring, twice) == ["APPROVAL_WAITING"]
    await desk.approve(twice, approval)
    await office.advance(timedelta(hours=21))
    await come_to(office, deputy, REMINDED)
    await office.advance(timedelta(hours=25))
    await come_to(office, deputy, [*REMINDED, "APPROVAL_OVERDUE"])
    # Who has decided for one is told no more; who submitted it, that it is overdue; who may not decide it, nothing.
    assert await told(scoring, twice) == ["APPROVAL_WAITING"]
    assert await told(scoring, people.rep) == ["APPROVAL_OVERDUE"]
    for each in (past, elsewhere, none):
        assert await told(scoring, each) == []


async def test_the_deputy_of_whom_it_is_handed_to_is_told(office: Office) -> None:
    scoring, desk, people = office.scoring, office.desk, office.people
    deputy = await scoring.user(office.user.tenant_id, grants=WRITER)
    await stand_in(scoring, deputy, people.other)
    await desk.policy(office.user, asks(step(people.boss, due_hours=24)))
    approval = await office.submit()
    assert await told(scoring, deputy) == []
    await desk.reassign(people.boss, approval, people.other)
    assert await told(scoring, deputy) == await told(scoring, people.other) == ["APPROVAL_WAITING"]
