"""What members of the teams of accounts reach of deals, orders and payments, and what they cannot make of it."""

from collections.abc import AsyncIterator
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import pytest
from crm.customer.v1 import account_members_pb2 as pb
from crm.customer.v1 import accounts_pb2, events_pb2
from crm.customer.v1.account_members_pb2_grpc import AccountMemberServiceStub
from crm.sales.v1 import opportunities_pb2, orders_pb2
from crm_kit.database.statements import compile_statement
from crm_kit.identity.access import Scope
from crm_kit.identity.membership import READING
from crm_kit.ids import new_id
from crm_kit.resource.reach import Reach, owned
from crm_local.testing import Servers
from crm_sales.accounts.tables import accounts
from crm_sales.opportunities.resource import OPPORTUNITIES
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import bindparam, select

from tests.service.customer.customers import new_account
from tests.service.eventually import eventually
from tests.service.kit.plans import indexes_in, plan_of
from tests.service.notices import raised
from tests.service.running import Running, User, refused
from tests.service.sales.selling import Sales, also_in, cny

if TYPE_CHECKING:
    from crm.customer.v1.account_members_pb2_grpc import AccountMemberServiceAsyncStub

Member = pb.AccountMember
OWN = {
    f"{name}.{verb}": Scope.OWN
    for name in ("accounts", "opportunities", "orders", "payments")
    for verb in ("read", "write")
}
NOT_SEEN = ("NOT_FOUND", "OPPORTUNITY_NOT_FOUND")
ONLY_READ = ("PERMISSION_DENIED", "PERMISSION_DENIED")


class Deal:
    """Li's deal at Li's account, and Wang, who has neither."""

    def __init__(self, api: Sales, sales: Running, li: User, wang: User, deal: opportunities_pb2.Opportunity) -> None:
        self.api, self.sales, self.li, self.wang, self.deal = api, sales, li, wang, deal

    async def hear(self, access: Member.Access.ValueType, *, id: str, version: int, **fields: Any) -> None:
        """Have sales hear that Wang is in the account's team."""
        state = Member.STATE_REMOVED if fields.pop("state", "") else Member.STATE_ACTIVE
        member = Member(
            id=id, account_id=self.deal.account_id, user_id=str(self.wang.id), access=access, state=state, **fields
        )
        told = events_pb2.AccountMemberUpdated(account_member=member)
        await self.sales.hear(told, tenant_id=self.li.tenant_id, aggregate_id=UUID(id), version=version)

    async def seen(self, by: User) -> list[str]:
        request = opportunities_pb2.ListOpportunitiesRequest()
        return [
            each.id
            for each in (await self.api.opportunities.ListOpportunities(request, metadata=by.metadata)).opportunities
        ]

    async def rename(self, by: User) -> opportunities_pb2.Opportunity:
        changed = opportunities_pb2.Opportunity(id=self.deal.id, display_name="kettles")
        request = opportunities_pb2.UpdateOpportunityRequest(
            opportunity=changed, update_mask=FieldMask(paths=["display_name"])
        )
        return await self.api.opportunities.UpdateOpportunity(request, metadata=by.metadata)


@pytest.fixture
async def deal(api: Sales, sales: Running, customer: Running, user: User) -> Deal:
    li, wang = [await sales.user(user.tenant_id, grants=OWN) for _ in range(2)]
    for each in (li, wang):
        await also_in(customer, each, OWN)
    account = await new_account(customer, li)
    wanted = opportunities_pb2.Opportunity(account_id=account.id, display_name="boilers", amount=cny("10.00"))
    request = opportunities_pb2.CreateOpportunityRequest(opportunity=wanted)
    return Deal(api, sales, li, wang, await api.opportunities.CreateOpportunity(request, metadata=li.metadata))


async def test_a_member_reaches_deals_and_orders_once_sales_hears_of_them(
    deal: Deal, customer: Running, api: Sales
) -> None:
    line = orders_pb2.OrderLine(product="boiler", quantity="1", unit_price=cny("100.00"))
    order = orders_pb2.Order(opportunity_id=deal.deal.id, currency_code="CNY", lines=[line])
    placed = await api.orders.CreateOrder(orders_pb2.CreateOrderRequest(order=order), metadata=deal.li.metadata)
    members: AccountMemberServiceAsyncStub = AccountMemberServiceStub(customer.channel)
    wanted = Member(
        account_id=deal.deal.account_id, user_id=str(deal.wang.id), role=Member.ROLE_DEPUTY, access=Member.ACCESS_WRITE
    )
    created = await members.CreateAccountMember(
        pb.CreateAccountMemberRequest(account_member=wanted), metadata=deal.li.metadata
    )

    async def seen() -> list[str]:
        return await deal.seen(deal.wang)

    await eventually(seen)
    assert await deal.seen(deal.wang) == [deal.deal.id]
    orders = await api.orders.ListOrders(orders_pb2.ListOrdersRequest(), metadata=deal.wang.metadata)
    assert [each.id for each in orders.orders] == [placed.id]
    assert (await deal.rename(deal.wang)).display_name == "kettles"
    # What is theirs as a member is not theirs to take.
    taken = opportunities_pb2.Opportunity(id=deal.deal.id, owner_id=str(deal.wang.id))
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await api.opportunities.UpdateOpportunity(
            opportunities_pb2.UpdateOpportunityRequest(opportunity=taken, update_mask=FieldMask(paths=["owner_id"])),
            metadata=deal.wang.metadata,
        )
    await members.RemoveAccountMember(pb.RemoveAccountMemberRequest(id=created.id), metadata=deal.li.metadata)

    async def gone() -> bool:
        return not await deal.seen(deal.wang)

    await eventually(gone)


async def test_news_of_a_member_that_come_late_or_twice_change_nothing(deal: Deal) -> None:
    id = str(new_id())
    await deal.hear(Member.ACCESS_READ, id=id, version=2)
    assert await deal.seen(deal.wang) == [deal.deal.id]
    with refused(*ONLY_READ):
        await deal.rename(deal.wang)
    await deal.hear(Member.ACCESS_WRITE, id=id, version=1)
    with refused(*ONLY_READ):
        await deal.rename(deal.wang)
    await deal.hear(Member.ACCESS_WRITE, id=id, version=3, state="REMOVED")
    await deal.hear(Member.ACCESS_READ, id=id, version=2)
    assert await deal.seen(deal.wang) == []


async def test_who_reads_their_own_deal_at_a_restricted_account_as_a_member_is_told_that_they_do_not_change_it(
    deal: Deal, user: User
) -> None:
    given = opportunities_pb2.Opportunity(id=deal.deal.id, owner_id=str(deal.wang.id))
    request = opportunities_pb2.UpdateOpportunityRequest(opportunity=given, update_mask=FieldMask(paths=["owner_id"]))
    await deal.api.opportunities.UpdateOpportunity(request, metadata=user.metadata)
    account = accounts_pb2.Account(
        id=deal.deal.account_id, display_name="华信电力", owner_id=str(deal.li.id), restricted=True
    )
    told = events_pb2.AccountRestricted(account=account)
    await deal.sales.hear(told, tenant_id=deal.li.tenant_id, aggregate_id=UUID(account.id), version=9)
    with refused(*NOT_SEEN):
        await deal.rename(deal.wang)
    await deal.hear(Member.ACCESS_READ, id=str(new_id()), version=1)
    assert await deal.seen(deal.wang) == [deal.deal.id]
    with refused(*ONLY_READ) as error:
        await deal.rename(deal.wang)
    assert error.metadata["rule"] == "member_reads"


async def test_who_is_given_a_deal_at_an_account_that_is_closed_to_them_is_not_told_what_it_is_called(
    deal: Deal, user: User
) -> None:
    account = accounts_pb2.Account(
        id=deal.deal.account_id, display_name="华信电力", owner_id=str(deal.li.id), restricted=True
    )
    told = events_pb2.AccountRestricted(account=account)
    await deal.sales.hear(told, tenant_id=deal.li.tenant_id, aggregate_id=UUID(account.id), version=9)
    for owner in (deal.wang, deal.li):
        given = opportunities_pb2.Opportunity(id=deal.deal.id, owner_id=str(owner.id))
        request = opportunities_pb2.UpdateOpportunityRequest(
            opportunity=given, update_mask=FieldMask(paths=["owner_id"])
        )
        await deal.api.opportunities.UpdateOpportunity(request, metadata=user.metadata)
    notices = [each for each in await raised(deal.sales, user.tenant_id) if each.record_id == deal.deal.id]
    names = {each.user_ids[0]: each.record_name for each in notices}
    assert names[str(deal.wang.id)] == ""
    assert names[str(deal.li.id)] == deal.deal.display_name


async def test_a_period_ends_in_sales_too_when_nobody_tells_of_it(deal: Deal) -> None:
    await deal.hear(Member.ACCESS_WRITE, id=str(new_id()), version=1, end_date=date(2000, 1, 1).isoformat())
    assert await deal.seen(deal.wang) == []
    await deal.hear(Member.ACCESS_WRITE, id=str(new_id()), version=1, start_date="2000-01-01", end_date="2900-01-01")
    assert await deal.seen(deal.wang) == [deal.deal.id]


@pytest.fixture
async def many(sales: Running, servers: Servers) -> AsyncIterator[User]:
    """Somebody whose tenant has so many accounts of others that the planner prefers the index that fits."""
    user = await sales.user()
    connection: Any = await asyncpg.connect(servers.superuser_url("crm_sales"))
    await connection.execute(
        """
        INSERT INTO accounts (tenant_id, id, display_name, owner_id, owner_team_id, version)
        SELECT $1, gen_random_uuid(), 'x', gen_random_uuid(), gen_random_uuid(), 1 FROM generate_series(1, 3000)
        """,
        user.tenant_id,
    )
    await connection.execute("ANALYZE accounts")
    yield user
    await connection.execute("DELETE FROM accounts WHERE tenant_id = $1", user.tenant_id)
    await connection.close()


async def test_ones_own_accounts_those_of_teams_and_those_of_a_member_are_each_found_by_an_index(
    sales: Running, many: User
) -> None:
    deals = OPPORTUNITIES.visible
    assert isinstance(deals, Reach)
    # Of no teams at all the planner knows that nothing is theirs, whichever index it takes.
    values = {"tenant_id": many.tenant_id, "me": many.id, "team_ids": [new_id()], "memberships": READING}
    own = {"accounts_owner_index", "account_members_user_index"}
    for reach, scope, indexes in (
        (deals, Scope.OWN, own),
        (deals, Scope.TEAM, own | {"accounts_owner_team_index"}),
        (owned(accounts), Scope.OWN, own),
    ):
        of_tenant = reach.table.c.tenant_id == bindparam("tenant_id")
        statement = compile_statement(select(reach.table.c.id).where(of_tenant, reach.of_many(scope)))
        plan = await plan_of(sales.service.database, many.tenant_id, statement, values | {"today": date(2027, 3, 1)})
        assert indexes <= set(indexes_in(plan))
