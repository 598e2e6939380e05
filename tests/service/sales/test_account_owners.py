"""Who sees what of a deal when it and its account have different owners, and what goes along with an account."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.sales.v1 import opportunities_pb2, orders_pb2, payments_pb2, pipelines_pb2
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.customers import new_account
from tests.service.eventually import eventually
from tests.service.history import changes_of
from tests.service.running import Running, User, refused
from tests.service.sales.selling import Sales, also_in, cny

OWN = {
    f"{resource}.{verb}": Scope.OWN
    for resource in ("accounts", "opportunities", "orders", "payments")
    for verb in ("read", "write")
}
NOT_SEEN = ("NOT_FOUND", "OPPORTUNITY_NOT_FOUND")
Give = Callable[..., Awaitable[accounts_pb2.Account]]


@dataclass(frozen=True)
class Business:
    """Li's account, with an open deal, a won one and an order of theirs."""

    li: User
    wang: User
    account_id: str
    open: opportunities_pb2.Opportunity
    won: opportunities_pb2.Opportunity
    order: orders_pb2.Order


@pytest.fixture
async def business(api: Sales, sales: Running, customer: Running, user: User) -> Business:
    li, wang = [await sales.user(user.tenant_id, grants=OWN) for _ in range(2)]
    for each, grants in ((user, None), (li, OWN), (wang, OWN)):
        await (also_in(customer, each) if grants is None else also_in(customer, each, grants))
    account = await new_account(customer, li)

    async def opportunity() -> opportunities_pb2.Opportunity:
        request = opportunities_pb2.CreateOpportunityRequest(
            opportunity=opportunities_pb2.Opportunity(
                account_id=account.id, display_name="boilers", amount=cny("10.00")
            )
        )
        return await api.opportunities.CreateOpportunity(request, metadata=li.metadata)

    still_open, won = await opportunity(), await opportunity()
    won = await api.opportunities.WinOpportunity(
        opportunities_pb2.WinOpportunityRequest(id=won.id, reason="price"), metadata=user.metadata
    )
    line = orders_pb2.OrderLine(product="boiler", quantity="1", unit_price=cny("100.00"))
    order = orders_pb2.Order(opportunity_id=still_open.id, currency_code="CNY", lines=[line])
    request = orders_pb2.CreateOrderRequest(order=order)
    return Business(li, wang, account.id, still_open, won, await api.orders.CreateOrder(request, metadata=li.metadata))


@pytest.fixture
def give(api: Sales, customer: Running, user: User, business: Business) -> Give:
    """Gives the account to another owner, and waits until sales has heard of it."""

    async def give_account(owner: User, *, keep_opportunities: bool = False) -> accounts_pb2.Account:
        account = accounts_pb2.Account(id=business.account_id, owner_id=str(owner.id))
        request = accounts_pb2.UpdateAccountRequest(
            account=account, update_mask=FieldMask(paths=["owner_id"]), keep_opportunities=keep_opportunities
        )
        given = await AccountServiceStub(customer.channel).UpdateAccount(request, metadata=user.metadata)

        async def heard() -> bool:
            return business.won.id in await seen_by(api, owner)

        await eventually(heard)
        return given

    return give_account


async def seen_by(api: Sales, user: User) -> set[str]:
    """The opportunities that somebody sees."""
    request = opportunities_pb2.ListOpportunitiesRequest()
    page = await api.opportunities.ListOpportunities(request, metadata=user.metadata)
    return {each.id for each in page.opportunities}


async def owner_of(api: Sales, by: User, id: str) -> str:
    request = opportunities_pb2.GetOpportunityRequest(id=id)
    return (await api.opportunities.GetOpportunity(request, metadata=by.metadata)).owner_id


async def test_a_new_owner_gets_what_is_open_and_sees_what_was_done(api: Sales, business: Business, give: Give) -> None:
    assert not await seen_by(api, business.wang)
    await give(business.wang)
    assert await seen_by(api, business.wang) == {business.open.id, business.won.id}
    assert await owner_of(api, business.wang, business.open.id) == str(business.wang.id)
    assert await owner_of(api, business.wang, business.won.id) == str(business.li.id)
    orders = await api.orders.ListOrders(orders_pb2.ListOrdersRequest(), metadata=business.wang.metadata)
    assert [each.id for each in orders.orders] == [business.order.id]


async def test_a_deal_that_goes_along_stands_where_it_stood(
    api: Sales, user: User, business: Business, give: Give
) -> None:
    pipelines = await api.pipelines.ListPipelines(pipelines_pb2.ListPipelinesRequest(), metadata=user.metadata)
    move = opportunities_pb2.MoveOpportunityRequest(
        id=business.open.id, stage_id=pipelines.pipelines[0].stages[1].id, override_reason="known for years"
    )
    moved = await api.opportunities.MoveOpportunity(move, metadata=user.metadata)
    await give(business.wang)
    request = opportunities_pb2.GetOpportunityRequest(id=moved.id)
    given = await api.opportunities.GetOpportunity(request, metadata=business.wang.metadata)
    for name in ("stage_id", "stage_time", "state", "amount", "display_name", "account_id", "probability_percent"):
        assert getattr(given, name) == getattr(moved, name), name
    won = opportunities_pb2.GetOpportunityRequest(id=business.won.id)
    assert await api.opportunities.GetOpportunity(won, metadata=user.metadata) == business.won


async def test_the_history_of_a_deal_that_went_along_names_who_gave_the_account(
    sales: Running, user: User, business: Business, give: Give
) -> None:
    await give(business.wang)
    history = await changes_of(sales, "opportunities", business.open.id, user.metadata)
    newest = history.changes[0]
    assert {each.field: each.new_value.string_value for each in newest.fields}["owner_id"] == str(business.wang.id)
    assert newest.actor_id == str(user.id)


async def test_who_may_write_all_deals_takes_none_to_pass_over_its_exit_criteria(
    api: Sales, sales: Running, user: User, business: Business
) -> None:
    """With the right to override them for their own deals only."""
    over_all = {"opportunities.read": Scope.ALL, "opportunities.write": Scope.ALL}
    grants = OWN | over_all | {"opportunities.override": Scope.OWN}
    zhao = await sales.user(user.tenant_id, grants=grants)
    changed = opportunities_pb2.Opportunity(id=business.open.id, owner_id=str(zhao.id))
    request = opportunities_pb2.UpdateOpportunityRequest(opportunity=changed, update_mask=FieldMask(paths=["owner_id"]))
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await api.opportunities.UpdateOpportunity(request, metadata=zhao.metadata)
    request.opportunity.owner_id = str(business.wang.id)
    given = await api.opportunities.UpdateOpportunity(request, metadata=zhao.metadata)
    assert given.owner_id == str(business.wang.id)


async def test_who_takes_no_account_sees_and_writes_no_deal_at_it(
    api: Sales, sales: Running, customer: Running, user: User, business: Business
) -> None:
    grants = OWN | {"accounts.read": Scope.ALL, "accounts.write": Scope.ALL}
    zhao = await sales.user(user.tenant_id, grants=grants)
    await also_in(customer, zhao, grants)
    account = accounts_pb2.Account(id=business.account_id, owner_id=str(zhao.id))
    request = accounts_pb2.UpdateAccountRequest(account=account, update_mask=FieldMask(paths=["owner_id"]))
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await AccountServiceStub(customer.channel).UpdateAccount(request, metadata=zhao.metadata)
    assert not await seen_by(api, zhao)


async def test_a_former_owner_keeps_what_they_did_and_sells_no_more_by_what_went_on(
    api: Sales, business: Business, give: Give
) -> None:
    await give(business.wang)
    assert await seen_by(api, business.li) == {business.won.id}
    with refused(*NOT_SEEN):
        await owner_of(api, business.li, business.open.id)
    for order in (
        orders_pb2.Order(opportunity_id=business.open.id, currency_code="CNY", lines=business.order.lines),
        orders_pb2.Order(account_id=business.account_id, currency_code="CNY", lines=business.order.lines),
    ):
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
            await api.orders.CreateOrder(orders_pb2.CreateOrderRequest(order=order), metadata=business.li.metadata)
    own = await api.orders.GetOrder(orders_pb2.GetOrderRequest(id=business.order.id), metadata=business.li.metadata)
    assert own.owner_id == str(business.li.id)


async def test_deals_stay_with_their_owner_when_that_is_asked_for(api: Sales, business: Business, give: Give) -> None:
    """Both work on them then: who has the deal, and who has the account."""
    await give(business.wang, keep_opportunities=True)
    for each in (business.li, business.wang):
        assert await seen_by(api, each) == {business.open.id, business.won.id}
        changed = opportunities_pb2.Opportunity(id=business.open.id, next_step=f"by {each.id}")
        request = opportunities_pb2.UpdateOpportunityRequest(
            opportunity=changed, update_mask=FieldMask(paths=["next_step"])
        )
        updated = await api.opportunities.UpdateOpportunity(request, metadata=each.metadata)
        assert updated.owner_id == str(business.li.id)


async def test_an_open_deal_of_somebody_else_stays_theirs(
    api: Sales, sales: Running, user: User, business: Business, give: Give
) -> None:
    specialist = await sales.user(user.tenant_id, grants=OWN)
    changed = opportunities_pb2.Opportunity(id=business.open.id, owner_id=str(specialist.id))
    request = opportunities_pb2.UpdateOpportunityRequest(opportunity=changed, update_mask=FieldMask(paths=["owner_id"]))
    await api.opportunities.UpdateOpportunity(request, metadata=user.metadata)
    assert business.open.id in await seen_by(api, business.li)
    await give(business.wang)
    assert await owner_of(api, business.wang, business.open.id) == str(specialist.id)
    assert await seen_by(api, specialist) == {business.open.id}
    assert await seen_by(api, business.li) == {business.won.id}


async def test_money_is_seen_with_the_account_that_paid(api: Sales, user: User, business: Business, give: Give) -> None:
    payment = payments_pb2.Payment(account_id=business.account_id, amount=cny("50.00"))
    request = payments_pb2.RecordPaymentRequest(payment=payment)
    paid = await api.payments.RecordPayment(request, metadata=user.metadata)
    read = payments_pb2.GetPaymentRequest(id=paid.id)
    assert await api.payments.GetPayment(read, metadata=business.li.metadata) == paid
    await give(business.wang)
    assert await api.payments.GetPayment(read, metadata=business.wang.metadata) == paid
    with refused("NOT_FOUND", "PAYMENT_NOT_FOUND"):
        await api.payments.GetPayment(read, metadata=business.li.metadata)


async def test_an_order_whose_owner_has_left_is_saved_as_it_was_read(
    api: Sales, sales: Running, user: User, business: Business
) -> None:
    await sales.change_user(business.li, active=False)
    read = orders_pb2.GetOrderRequest(id=business.order.id)
    order = await api.orders.GetOrder(read, metadata=user.metadata)
    assert await api.orders.UpdateOrder(orders_pb2.UpdateOrderRequest(order=order), metadata=user.metadata) == order


async def test_a_deal_stays_with_its_owner_where_the_new_owner_of_the_account_may_have_none(
    api: Sales, sales: Running, customer: Running, user: User, business: Business
) -> None:
    agent = await sales.user(user.tenant_id, grants={"accounts.read": Scope.OWN, "orders.read": Scope.OWN})
    await also_in(customer, agent, {"accounts.read": Scope.OWN, "orders.read": Scope.OWN})
    account = accounts_pb2.Account(id=business.account_id, owner_id=str(agent.id))
    request = accounts_pb2.UpdateAccountRequest(account=account, update_mask=FieldMask(paths=["owner_id"]))
    await AccountServiceStub(customer.channel).UpdateAccount(request, metadata=user.metadata)

    async def heard() -> bool:
        """The agent sees what is done at their account as soon as sales knows that it is theirs."""
        seen = await api.orders.ListOrders(orders_pb2.ListOrdersRequest(), metadata=agent.metadata)
        return [each.id for each in seen.orders] == [business.order.id]

    await eventually(heard)
    assert await owner_of(api, business.li, business.open.id) == str(business.li.id)
