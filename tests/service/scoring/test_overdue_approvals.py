"""Approvals that should be decided in time: told of once when they are not, on the tenant's clock."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from crm_kit.approvals.gate import Gate
from crm_kit.approvals.overdue import OverdueApprovals, due_approvals
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.identity.access import Scope

from tests.service.approving import Approval, Desk, asks, step
from tests.service.eventually import eventually
from tests.service.running import Running, User
from tests.service.scoring.approved_limits import READER, People, asked, told
from tests.service.scoring.business import new_account

WRITER = READER | {"credit.write": Scope.ALL}


class Office:
    """A sandbox in which something waits, and its clock."""

    def __init__(self, scoring: Running, user: User, people: People) -> None:
        self.scoring, self.user, self.people = scoring, user, people
        self.desk = Desk(scoring.channel, "credit_limits", "setLimit")
        self._version = 1

    async def submit(self) -> Approval:
        account = await new_account(self.scoring, self.user.tenant_id, self.user)
        return await self.desk.submit(self.people.rep, asked(account, 5000))

    async def advance(self, ahead: timedelta) -> None:
        self._version += 1
        tenant_id = self.user.tenant_id
        await self.scoring.know_tenant(tenant_id, sandbox=True, clock_offset=ahead, version=self._version)

    async def is_overdue(self, approval: Approval) -> bool:
        return (await self.desk.get(self.user, approval)).overdue

    async def found_overdue(self, approval: Approval) -> Approval:
        await eventually(lambda: self.is_overdue(approval))
        return await self.desk.get(self.user, approval)

    async def told(self) -> list[Any]:
        return await told(self.scoring, self.user, "ApprovalOverdue")


@pytest.fixture
async def office(scoring: Running) -> Office:
    tenant = await scoring.tenant(sandbox=True)
    people = People(*[await scoring.user(tenant, grants=WRITER) for _ in range(3)])
    return Office(scoring, await scoring.user(tenant), people)


async def test_what_is_not_decided_in_time_is_told_of_once_for_each_step_and_can_be_decided_all_the_same(
    office: Office,
) -> None:
    desk, people = office.desk, office.people
    await desk.policy(office.user, asks(step(people.boss, due_hours=24), step(people.other, due_hours=48)))
    approval = await office.submit()
    assert approval.due_time.ToDatetime() - approval.create_time.ToDatetime() == timedelta(hours=24)
    assert not approval.overdue
    await office.advance(timedelta(hours=25))
    late = await office.found_overdue(approval)
    assert (late.due_time, late.state) == (approval.due_time, Approval.STATE_PENDING)
    assert [each.id for each in await desk.listed(office.user, filter="overdue = true AND state = PENDING")] == [
        late.id
    ]
    assert [each.action for each in await desk.changes(office.user, approval)] == ["OVERDUE", "CREATED"]
    next_step = await desk.approve(people.boss, approval)
    assert not next_step.overdue
    passed = next_step.due_time.ToDatetime() - approval.create_time.ToDatetime()
    assert timedelta(hours=73) <= passed < timedelta(hours=74)
    assert len(await office.told()) == 1
    await office.advance(timedelta(hours=80))
    await office.found_overdue(approval)
    assert len(await office.told()) == 2
    assert (await desk.approve(people.other, approval)).state == Approval.STATE_APPROVED


async def test_what_has_ended_or_been_handed_on_in_time_is_due_as_it_was_or_not_at_all(office: Office) -> None:
    desk, people = office.desk, office.people
    await desk.policy(office.user, asks(step(people.boss, due_hours=24)))
    ended, handed = await office.submit(), await office.submit()
    await desk.reject(people.boss, ended)
    await desk.reassign(people.boss, handed, people.other)
    await office.advance(timedelta(hours=25))
    late = await office.found_overdue(handed)
    assert late.due_time == handed.due_time
    assert not await office.is_overdue(ended)
    assert [each.aggregate_id for each in await office.told()] == [handed.id]


async def test_two_processes_that_find_it_at_once_tell_of_it_once(office: Office) -> None:
    service = office.scoring.service
    await office.desk.policy(office.user, asks(step(office.people.boss, due_hours=1)))
    approvals = [await office.submit() for _ in range(3)]
    tenants = Tenants(service.database, service.clock, lambda: system_now() + timedelta(hours=2))
    gate = Gate(service.approvables, service.directory, service.calendars)
    jobs = [OverdueApprovals(tenants, gate) for _ in range(2)]
    await asyncio.gather(*(job.look() for job in jobs for _ in range(2)))
    assert [await office.is_overdue(each) for each in approvals] == [True] * 3
    assert sorted(each.aggregate_id for each in await office.told()) == sorted(each.id for each in approvals)
    rows = await service.database.all(ALL_TENANTS, due_approvals(), {"now": tenants.now()})
    assert office.user.tenant_id not in {row["tenant_id"] for row in rows}


async def test_what_is_due_first_comes_first_and_then_the_oldest(office: Office) -> None:
    desk, people = office.desk, office.people
    policy = await desk.policy(office.user, asks(step(people.boss)))
    made = []
    for hours in (0, 48, 24, 0):
        policy.rows[0].steps[0].due_hours = hours
        policy = await desk.change_policy(office.user, policy, "rows")
        made.append((await office.submit()).id)
    in_order = [made[2], made[1], made[0], made[3]]
    assert await desk.waiting(people.boss) == in_order
    listed = await desk.listed(office.user, order_by="due_time, create_time")
    assert [each.id for each in listed] == in_order
