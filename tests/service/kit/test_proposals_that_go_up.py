"""Proposals that nobody decides: they go up to the leaders above the owner, once each time, on the tenant's clock."""

from datetime import timedelta
from uuid import UUID

import pytest
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_kit.background import Tenants
from crm_kit.change_proposals.commands import escalate_proposal
from crm_kit.change_proposals.escalating import due_proposals
from crm_kit.change_proposals.proposable import proposables_among
from crm_kit.clock import system_now
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.errors import Conflict
from crm_kit.identity.access import Scope
from crm_kit.jobs.calling import changeable_among
from crm_kit.proposed import ANSWER_DAYS
from crm_kit.working_time.calendars import put_calendar
from crm_kit.working_time.model import DayHours, Hours, Weekday, WorkingCalendar, default_calendar_id

from tests.service.customer.customers import new_account
from tests.service.customer.told import told_of
from tests.service.eventually import eventually
from tests.service.notices import raised
from tests.service.proposing import Desk, Proposal
from tests.service.running import Running, User

READER = {"accounts.read": Scope.ALL}
# Of a tenant that has chosen nothing, and of whose calendar nothing is known.
ANSWERED_WITHIN = timedelta(days=ANSWER_DAYS)
LEADER = {"accounts.read": Scope.TEAM, "accounts.write": Scope.TEAM}


class House:
    """A sandbox with a team, the one above, and somebody who owns an account; nobody's clock stands still."""

    def __init__(self, customer: Running) -> None:
        self.customer, self.desk = customer, Desk(customer)
        self._version = 1

    async def open(self) -> "House":
        customer = self.customer
        tenant = self.tenant_id = await customer.tenant(sandbox=True)
        top = await customer.team(tenant)
        self.head = await customer.user(tenant, grants=LEADER, team_id=top)
        # Leads the team and may not change what it has.
        self.deputy = await customer.user(tenant, grants={"accounts.read": Scope.TEAM}, team_id=top)
        division = await customer.team(tenant, top, leader=self.head)
        group = await customer.team(tenant, division, leader=self.deputy)
        # Does not see what is proposed.
        self.blind = await customer.user(tenant, grants=LEADER, team_id=top, hidden_fields=["accounts.industry"])
        group = await customer.team(tenant, group, leader=self.blind)
        self.leader = await customer.user(tenant, grants=LEADER, team_id=group)
        team = await customer.team(tenant, group, leader=self.leader)
        self.owner = await customer.user(tenant, team_id=team)
        # Of no team, so that nobody is above.
        self.alone = await customer.user(tenant)
        self.clerk = await customer.user(tenant, grants=READER)
        return self

    async def proposed(self) -> Proposal:
        account = await new_account(self.customer, self.owner)
        return await self.desk.propose(self.clerk, account.id, {"industry": "power"})

    async def advance(self, ahead: timedelta) -> None:
        self._version += 1
        tenant_id, version = self.tenant_id, self._version
        await self.customer.know_tenant(tenant_id, sandbox=True, clock_offset=ahead, version=version)

    async def gone_up(self, proposal: Proposal, to: User) -> Proposal:
        async def has_gone_up() -> bool:
            return str(to.id) in (await self.desk.get(self.owner, proposal)).escalated_to_ids

        await eventually(has_gone_up)
        return await self.desk.get(to, proposal)

    async def is_due(self, proposal: Proposal) -> bool:
        now = {"now": Tenants(self.customer.service.database, self.customer.service.clock).now()}
        rows = await self.customer.service.database.all(ALL_TENANTS, due_proposals(), now)
        return proposal.id in {str(row["proposal_id"]) for row in rows}


@pytest.fixture
async def house(customer: Running) -> House:
    return await House(customer).open()


async def test_what_nobody_decides_goes_up_to_each_leader_who_may_decide_it(house: House, customer: Running) -> None:
    proposal = await house.proposed()
    due = proposal.create_time.ToDatetime() + ANSWERED_WITHIN
    assert (proposal.escalate_time.ToDatetime(), await house.desk.list(house.leader, "awaits_me = true")) == (due, [])
    await house.advance(ANSWERED_WITHIN + timedelta(minutes=1))
    up = await house.gone_up(proposal, house.leader)
    assert (up.awaits_me, list(up.escalated_to_ids), up.state) == (
        True,
        [str(house.leader.id)],
        Proposal.STATE_PENDING,
    )
    assert [each.id for each in await house.desk.list(house.leader, "awaits_me = true")] == [proposal.id]
    await house.advance(2 * ANSWERED_WITHIN + timedelta(minutes=2))
    # The leaders between the two could not decide it, and are passed over.
    up = await house.gone_up(proposal, house.head)
    assert list(up.escalated_to_ids) == [str(house.leader.id), str(house.head.id)]
    names = [type(each).__name__ for each in await told_of(customer, house.tenant_id, proposal.id)]
    assert names == ["ChangeProposalCreated", "ChangeProposalEscalated", "ChangeProposalEscalated"]
    told = [list(each.user_ids) for each in await raised(customer, house.tenant_id)]
    assert told == [[str(each.id)] for each in (house.owner, house.leader, house.head)]
    done = await house.desk.accept(house.head, proposal)
    assert (done.state, done.HasField("escalate_time")) == (Proposal.STATE_ACCEPTED, False)


async def test_where_nobody_is_left_above_it_is_looked_at_again_later_and_stays_as_it_is(
    house: House, customer: Running
) -> None:
    account = await new_account(customer, house.alone)
    proposal = await house.desk.propose(house.clerk, account.id, {"industry": "power"})
    await house.advance(ANSWERED_WITHIN + timedelta(minutes=1))

    async def was_looked_at() -> bool:
        return (await house.desk.get(house.owner, proposal)).escalate_time.ToDatetime() > system_now().replace(
            tzinfo=None
        ) + ANSWERED_WITHIN + timedelta(seconds=30)

    await eventually(was_looked_at)
    after = await house.desk.get(house.owner, proposal)
    assert (after.etag, list(after.escalated_to_ids)) == (proposal.etag, [])
    assert not await house.is_due(proposal)


async def test_what_is_decided_while_nobody_is_found_above_it_is_not_looked_at_again(
    house: House, customer: Running
) -> None:
    proposal = await house.proposed()
    on = proposables_among(changeable_among([ACCOUNTS], {}).values())["accounts"]
    with pytest.raises(Conflict):
        async with customer.unit_of_work(house.tenant_id) as work:
            before = await on.proposals.get(work, UUID(proposal.id))
            await house.desk.decline(house.owner, proposal)
            await escalate_proposal(work, on, before, [])
    await house.advance(2 * ANSWERED_WITHIN)
    assert not await house.is_due(proposal)


async def test_what_is_decided_goes_up_no_more(house: House) -> None:
    declined, withdrawn, waiting = [await house.proposed() for _ in range(3)]
    await house.desk.decline(house.owner, declined)
    await house.desk.withdraw(house.clerk, withdrawn)
    await house.advance(ANSWERED_WITHIN + timedelta(minutes=1))
    await house.gone_up(waiting, house.leader)
    for each in (declined, withdrawn):
        assert list((await house.desk.get(house.owner, each)).escalated_to_ids) == []
        assert not await house.is_due(each)


async def test_a_tenant_chooses_after_how_many_working_days_of_its_calendar_they_go_up(
    house: House, customer: Running
) -> None:
    tenant_id = house.tenant_id
    # Open on one day of the week alone: two working days later is that day in the week after next at the latest.
    async with customer.unit_of_work(tenant_id) as work:
        hours = (Hours("09:00", "10:00"),)
        weekly = (DayHours(Weekday.WEDNESDAY, hours),)
        put_calendar(work, WorkingCalendar(default_calendar_id(tenant_id), "Asia/Shanghai", 1, weekly))
    await customer.know_tenant(tenant_id, sandbox=True, change_proposal_days=2, version=2)
    proposal = await house.proposed()
    made, due = (each.ToDatetime() + timedelta(hours=8) for each in (proposal.create_time, proposal.escalate_time))
    wednesdays = [made + timedelta(days=ahead) for ahead in range(1, 15)]
    assert due == [each for each in wednesdays if each.weekday() == 2][1]
    ahead = due - made + timedelta(minutes=1)
    await customer.know_tenant(tenant_id, sandbox=True, change_proposal_days=2, clock_offset=ahead, version=3)
    up = await house.gone_up(proposal, house.leader)
    again = up.escalate_time.ToDatetime() + timedelta(hours=8)
    assert (again.weekday(), (again - due).days) == (2, 14)
