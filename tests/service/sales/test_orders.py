"""Orders through their contract."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1 import events_pb2 as customer_events
from crm.resource.v1 import resources_pb2 as generic
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.sales.v1 import events_pb2, opportunities_pb2, payments_pb2
from crm.sales.v1 import orders_pb2 as pb
from crm.scoring.v1 import credit_pb2
from crm_kit.identity.access import Scope
from crm_kit.rpc.clients import ServiceClient
from crm_sales.credit.client import CreditClient
from crm_sales.orders.servicer import OrderServicer

from tests.service.nameless import nameless
from tests.service.running import Running, User, refused
from tests.service.sales.ordering import Check, Checked, Draft, Released, approve, pay, placed, refuse
from tests.service.sales.selling import Sales, cny, credit_service, emitted, known_account, names_of

# --- drafting


async def test_what_does_not_fit_is_refused(draft: Draft) -> None:
    euro = credit_pb2.CheckCreditRequest().amount
    euro.amount, euro.currency_code = "1", "EUR"
    for fields, named in (
        ({"account_id": ""}, "order.account_id"),
        ({"lines": []}, "order.lines"),
        ({"lines": [pb.OrderLine(product="a", quantity="0", unit_price=cny("1"))]}, "order.lines[0].quantity"),
        ({"lines": [pb.OrderLine(product="a", quantity="1", unit_price=euro)]},
         "order.lines[0].unit_price.currency_code"),
    ):  # fmt: skip
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await draft(**fields)
        assert refusal.fields == [named]


async def test_a_character_that_the_database_cannot_keep_is_refused_in_a_line_too(draft: Draft) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await draft(lines=[pb.OrderLine(product="a\x00b", quantity="1", unit_price=cny("1"))])
    assert "U+0000" in refusal.detail


async def test_an_order_of_an_opportunity_is_its_accounts(
    api: Sales, user: User, draft: Draft, account_id: str, sales: Running
) -> None:
    deal = opportunities_pb2.Opportunity(account_id=account_id, display_name="Boiler")
    opportunity = await api.opportunities.CreateOpportunity(
        opportunities_pb2.CreateOpportunityRequest(opportunity=deal), metadata=user.metadata
    )
    order = await draft(account_id="", opportunity_id=opportunity.id)
    assert (order.account_id, order.opportunity_id) == (account_id, opportunity.id)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await draft(account_id=await known_account(sales, user.tenant_id), opportunity_id=opportunity.id)
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await draft(opportunity_id="0197c0de-0000-7000-8000-000000000000")


# --- placing


async def test_with_credit_an_order_is_released(
    api: Sales, user: User, draft: Draft, servicer: OrderServicer, sales: Running
) -> None:
    asked: list[Check] = []

    async def answer(request: Check) -> Checked:
        asked.append(request)
        return await approve(request)

    order = await draft("250.00")
    done = await placed(api, servicer, user, order, answer)
    assert (done.state, list(done.hold_reasons)) == (pb.Order.STATE_RELEASED, [])
    assert done.due_date > done.place_time.ToDatetime().date().isoformat()
    assert asked == [Check(account_id=order.account_id, amount=cny("250.00"), order_id=order.id, order_version=1)]
    _, event = await emitted(sales, user.tenant_id, order.id)
    assert isinstance(event, events_pb2.OrderPlaced)
    assert event.order == nameless(done)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await placed(api, servicer, user, order, answer)


async def test_without_credit_an_order_waits_with_the_reasons_and_is_released_by_who_may(
    api: Sales, user: User, draft: Draft, servicer: OrderServicer, sales: Running
) -> None:
    held = await placed(api, servicer, user, await draft(), refuse)
    assert held.state == pb.Order.STATE_ON_HOLD
    (reason,) = held.hold_reasons
    assert (reason.code, reason.explanation[:4]) == ("CREDIT_LIMIT_EXCEEDED", "used")
    assert dict(reason.metadata) == {"used": "90", "new": "20", "limit": "100"}
    with refused("FAILED_PRECONDITION", "ORDER_ON_HOLD"):
        await pay(api, user, "1", order_id=held.id)
    seller = await sales.user(user.tenant_id, grants={"orders.write": Scope.ALL, "orders.read": Scope.ALL})
    request = pb.ReleaseOrderRequest(id=held.id, reason="old friends", etag=held.etag)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await api.orders.ReleaseOrder(request, metadata=seller.metadata)
    done = await api.orders.ReleaseOrder(request, metadata=user.metadata)
    assert (done.state, done.release.actor_id) == (pb.Order.STATE_RELEASED, str(user.id))
    assert (done.release.reason, list(done.hold_reasons)) == ("old friends", [reason])
    with refused("ABORTED", "ETAG_MISMATCH"):
        await api.orders.ReleaseOrder(request, metadata=user.metadata)
    events = names_of(await emitted(sales, user.tenant_id, held.id))
    assert events == ["OrderCreated", "OrderPlaced", "OrderReleased"]


async def test_when_credit_cannot_be_checked_in_time_the_order_waits(
    api: Sales, user: User, draft: Draft, servicer: OrderServicer
) -> None:
    async def never(_request: Check) -> Checked:
        await asyncio.Event().wait()
        raise AssertionError

    async def broken(_request: Check) -> Checked:
        raise ValueError

    for answer in (never, broken):
        held = await placed(api, servicer, user, await draft(), answer, seconds=0.2)
        assert held.state == pb.Order.STATE_ON_HOLD
        assert [reason.code for reason in held.hold_reasons] == ["CREDIT_CHECK_UNAVAILABLE"]
    nowhere = ServiceClient("127.0.0.1:1")
    servicer._credit = CreditClient(nowhere, seconds=0.2)
    order = await draft()
    held = await api.orders.PlaceOrder(pb.PlaceOrderRequest(id=order.id), metadata=user.metadata)
    assert [reason.code for reason in held.hold_reasons] == ["CREDIT_CHECK_UNAVAILABLE"]
    await nowhere.close()


async def test_no_database_connection_is_held_while_credit_is_asked_for(
    api: Sales, user: User, draft: Draft, servicer: OrderServicer, sales: Running
) -> None:
    more_than_there_are = sales.service.settings.database_pool_size + 5
    orders = [await draft() for _ in range(more_than_there_are)]
    waiting, all_ask = set[str](), asyncio.Event()

    async def answer(request: Check) -> Checked:
        waiting.add(request.order_id)
        if len(waiting) == more_than_there_are:
            all_ask.set()
        # Nobody is answered before all have asked: whoever held a connection would keep the others from asking.
        await all_ask.wait()
        return await approve(request)

    async with credit_service(answer) as address:
        peer = ServiceClient(address)
        servicer._credit = CreditClient(peer, seconds=20)
        places = [
            api.orders.PlaceOrder(pb.PlaceOrderRequest(id=order.id), metadata=user.with_key(f"k{order.id}"))
            for order in orders
        ]
        done = await asyncio.gather(*places)
        await peer.close()
    assert {order.state for order in done} == {pb.Order.STATE_RELEASED}


async def test_an_order_that_costs_nothing_takes_no_credit_and_is_paid(
    api: Sales, user: User, draft: Draft, servicer: OrderServicer
) -> None:
    sample = await draft(lines=[pb.OrderLine(product="a", quantity="1", unit_price=cny("0"))])
    done = await placed(api, servicer, user, sample, refuse)
    assert done.state == pb.Order.STATE_PAID


@pytest.mark.parametrize(
    "lines",
    [
        [("-10", "100.00", "0")],
        [("1", "10", "0"), ("-1", "10.01", "0")],
        # Taxes of another rate do not make a sale of what is none.
        [("1", "100", "50"), ("-1", "101", "0")],
    ],
)
async def test_an_order_is_worth_no_less_than_nothing(draft: Draft, lines: list[tuple[str, str, str]]) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as error:
        await draft(
            lines=[
                pb.OrderLine(product="a", quantity=quantity, unit_price=cny(price), tax_percent=tax)
                for quantity, price, tax in lines
            ]
        )
    assert error.fields == ["order.lines"]


async def test_an_order_takes_returns_off_what_is_bought(draft: Draft) -> None:
    order = await draft(
        lines=[
            pb.OrderLine(product="new", quantity="1", unit_price=cny("100")),
            pb.OrderLine(product="old", quantity="-1", unit_price=cny("30")),
        ]
    )
    assert order.gross_amount == cny("70.00")


async def test_placing_again_with_the_same_key_gives_the_first_answer(
    api: Sales, user: User, draft: Draft, servicer: OrderServicer
) -> None:
    order = await draft()
    first = await placed(api, servicer, user, order, approve, key="place")
    assert await placed(api, servicer, user, order, refuse, key="place") == first


async def test_an_order_is_cancelled_with_a_reason_until_money_has_come_in(
    api: Sales, user: User, released: Released, sales: Running
) -> None:
    order = await released()
    request = pb.CancelOrderRequest(id=order.id, reason="wrong size", etag=order.etag)
    done = await api.orders.CancelOrder(request, metadata=user.metadata)
    assert (done.state, done.cancel_reason) == (pb.Order.STATE_CANCELLED, "wrong size")
    assert names_of(await emitted(sales, user.tenant_id, order.id))[-1] == "OrderCancelled"
    paid = await released()
    await pay(api, user, "1", order_id=paid.id)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await api.orders.CancelOrder(pb.CancelOrderRequest(id=paid.id, reason="x"), metadata=user.metadata)


async def test_every_rpc_hides_an_order_of_another_tenant(api: Sales, draft: Draft, sales: Running) -> None:
    id, who = (await draft()).id, (await sales.user()).metadata
    for each in (
        api.orders.GetOrder(pb.GetOrderRequest(id=id), metadata=who),
        api.orders.PlaceOrder(pb.PlaceOrderRequest(id=id), metadata=who),
        api.orders.ReleaseOrder(pb.ReleaseOrderRequest(id=id, reason="x"), metadata=who),
        api.orders.CancelOrder(pb.CancelOrderRequest(id=id, reason="x"), metadata=who),
    ):
        with refused("NOT_FOUND", "ORDER_NOT_FOUND"):
            await each
    page = await api.orders.ListOrders(pb.ListOrdersRequest(), metadata=who)
    assert list(page.orders) == []


async def test_orders_are_listed_by_what_they_come_to(api: Sales, user: User, draft: Draft) -> None:
    await draft("99.99")
    large = await draft("100.00")
    request = pb.ListOrdersRequest(filter="gross_amount.amount >= 100 AND state = DRAFT")
    page = await api.orders.ListOrders(request, metadata=user.metadata)
    assert list(page.orders) == [large]


# --- what an order comes from, and when it is due


async def archive(sales: Running, tenant_id: UUID, id: str) -> None:
    """Have sales hear that the account was archived."""
    account = accounts_pb2.Account(id=id, display_name="华信电力", status=accounts_pb2.Account.STATUS_ARCHIVED)
    told = customer_events.AccountArchived(account=account)
    await sales.hear(told, tenant_id=tenant_id, aggregate_id=UUID(id), version=2)


async def deal_of(api: Sales, user: User, account_id: str) -> opportunities_pb2.Opportunity:
    deal = opportunities_pb2.Opportunity(account_id=account_id, display_name="Boiler")
    request = opportunities_pb2.CreateOpportunityRequest(opportunity=deal)
    return await api.opportunities.CreateOpportunity(request, metadata=user.metadata)


async def test_nothing_is_ordered_or_placed_of_a_lost_opportunity(
    api: Sales, user: User, draft: Draft, servicer: OrderServicer, account_id: str
) -> None:
    deal = await deal_of(api, user, account_id)
    early = await draft(opportunity_id=deal.id)
    lose = opportunities_pb2.LoseOpportunityRequest(id=deal.id, reason="price")
    await api.opportunities.LoseOpportunity(lose, metadata=user.metadata)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await draft(opportunity_id=deal.id)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await placed(api, servicer, user, early, approve)
    reopen = opportunities_pb2.ReopenOpportunityRequest(id=deal.id, reason="they called")
    await api.opportunities.ReopenOpportunity(reopen, metadata=user.metadata)
    assert (await placed(api, servicer, user, early, approve)).state == pb.Order.STATE_RELEASED


async def test_a_deal_is_not_lost_while_its_orders_are_released_or_paid(
    api: Sales, user: User, draft: Draft, released: Released, servicer: OrderServicer, account_id: str, sales: Running
) -> None:
    """The error names them, to who may read orders; what is not released is in nobody's way."""
    deal = await deal_of(api, user, account_id)
    await draft(opportunity_id=deal.id)
    await placed(api, servicer, user, await draft(opportunity_id=deal.id), refuse)
    first, second = [await released("100.00", opportunity_id=deal.id) for _ in range(2)]
    paid = await pay(api, user, "100.00", order_id=second.id)
    seller = await sales.user(
        user.tenant_id, grants={"opportunities.write": Scope.ALL, "opportunities.read": Scope.ALL}
    )
    lose = opportunities_pb2.LoseOpportunityRequest(id=deal.id, reason="price")
    for caller, named in ((user, f"{first.id}, {second.id}"), (seller, None)):
        with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as refusal:
            await api.opportunities.LoseOpportunity(lose, metadata=caller.metadata)
        assert (refusal.metadata["rule"], refusal.metadata.get("order_ids")) == ("opportunity_ordered", named)
        asked = generic.GetRecordActionsRequest(collection="opportunities", id=deal.id)
        told = await ResourceServiceStub(sales.channel).GetRecordActions(asked, metadata=caller.metadata)
        assert [each.detail for each in told.actions if each.verb == "lose"] == [refusal.detail]
    reverse = payments_pb2.ReversePaymentRequest(id=paid.id, reason="typed wrongly")
    await api.payments.ReversePayment(reverse, metadata=user.metadata)
    for order in (first, second):
        await api.orders.CancelOrder(pb.CancelOrderRequest(id=order.id, reason="no"), metadata=user.metadata)
    lost = await api.opportunities.LoseOpportunity(lose, metadata=user.metadata)
    assert lost.state == opportunities_pb2.Opportunity.STATE_LOST


async def test_nothing_new_begins_with_an_archived_account_but_what_is_owed_is_paid(
    api: Sales, user: User, draft: Draft, released: Released, servicer: OrderServicer, account_id: str, sales: Running
) -> None:
    deal, lost, owed = await deal_of(api, user, account_id), await deal_of(api, user, account_id), await released()
    lose = opportunities_pb2.LoseOpportunityRequest(id=lost.id, reason="price")
    await api.opportunities.LoseOpportunity(lose, metadata=user.metadata)
    early = await draft()
    await archive(sales, user.tenant_id, account_id)
    reopen = opportunities_pb2.ReopenOpportunityRequest(id=lost.id, reason="they called")
    for attempt in (
        deal_of(api, user, account_id),
        draft(),
        draft(opportunity_id=deal.id),
        placed(api, servicer, user, early, approve),
        api.opportunities.ReopenOpportunity(reopen, metadata=user.metadata),
    ):
        with refused("FAILED_PRECONDITION", "ACCOUNT_ARCHIVED"):
            await attempt
    assert (await pay(api, user, "1", order_id=owed.id)).allocations
    assert (await pay(api, user, "1", account_id=account_id)).allocations


async def test_a_cancelled_order_has_nothing_open(api: Sales, user: User, released: Released) -> None:
    order = await released("100.00")
    request = pb.CancelOrderRequest(id=order.id, reason="wrong size")
    done = await api.orders.CancelOrder(request, metadata=user.metadata)
    assert (done.gross_amount, done.open_amount) == (cny("100.00"), cny("0.00"))


@pytest.mark.parametrize(("zone", "days_later"), [("Asia/Shanghai", 1), ("America/New_York", 0)])
async def test_an_order_is_due_by_the_calendar_of_the_tenant(
    api: Sales, sales: Running, servicer: OrderServicer, zone: str, days_later: int
) -> None:
    """At 20:22 UTC it is 04:22 of the next day in Beijing, and the afternoon in New York."""
    tenant_id = await sales.tenant(sandbox=True)
    user = await sales.user(tenant_id)
    now = datetime.now(UTC)
    day = now.date() + timedelta(days=2)
    then = datetime(day.year, day.month, day.day, 20, 22, tzinfo=UTC)
    await sales.know_tenant(tenant_id, sandbox=True, clock_offset=then - now, time_zone=zone, version=2)
    line = pb.OrderLine(product="boiler", quantity="1", unit_price=cny("1"))
    values: dict[str, Any] = {"account_id": await known_account(sales, tenant_id), "currency_code": "CNY"}
    for payment_days in (0, 30):
        order = pb.Order(lines=[line], payment_days=payment_days, **values)
        drafted = await api.orders.CreateOrder(pb.CreateOrderRequest(order=order), metadata=user.metadata)
        done = await placed(api, servicer, user, drafted, approve)
        assert done.due_date == (day + timedelta(days=days_later + payment_days)).isoformat()
    due_today = pb.ListOrdersRequest(filter="due_date = today")
    assert len((await api.orders.ListOrders(due_today, metadata=user.metadata)).orders) == 1


async def test_what_verbs_move_is_refused_by_name_in_an_update_and_sent_back_as_it_came(
    api: Sales, user: User, draft: Draft
) -> None:
    order = await draft()
    for wanted, field in (
        (pb.Order(state=pb.Order.STATE_RELEASED), "order.state"),
        (pb.Order(cancel_reason="x"), "order.cancel_reason"),
    ):
        wanted.id = order.id
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await api.orders.UpdateOrder(pb.UpdateOrderRequest(order=wanted), metadata=user.metadata)
        assert refusal.fields == [field]
    again = await api.orders.UpdateOrder(pb.UpdateOrderRequest(order=order), metadata=user.metadata)
    assert again == order
