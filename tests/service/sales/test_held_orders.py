"""Orders on hold when credit becomes free: heard of twice, late, while somebody else is at it, or cut off anywhere."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1 import events_pb2 as customer_events
from crm.sales.v1 import orders_pb2 as pb
from crm_kit.errors import Unavailable
from crm_kit.rpc.clients import ServiceClient
from crm_sales.credit.client import CreditClient
from crm_sales.orders.holds import Holds
from crm_sales.orders.model import ReleaseCause
from crm_sales.orders.servicer import OrderServicer

from tests.service.running import Running, User, refused
from tests.service.sales.ordering import Check, Checked, Draft, Released, approve, placed, read, refuse
from tests.service.sales.selling import Answer, Sales, cny, credit_service, emitted, names_of

Held = Callable[[str], Awaitable[pb.Order]]
LookAgain = Callable[[Answer], Awaitable[None]]


@pytest.fixture
def held(api: Sales, user: User, draft: Draft, servicer: OrderServicer) -> Held:
    async def held_order(price: str) -> pb.Order:
        return await placed(api, servicer, user, await draft(price), refuse)

    return held_order


@pytest.fixture
def look_again(sales: Running, user: User, account_id: str, servicer: OrderServicer) -> LookAgain:
    """Has the service look at the account's held orders again, while scoring answers so."""

    async def look(answer: Answer) -> None:
        async with credit_service(answer) as address, sales.unit_of_work(user.tenant_id) as work:
            peer = ServiceClient(address)
            holds = Holds(servicer._accounts, CreditClient(peer, seconds=5))
            try:
                await holds.look_again(work, UUID(account_id), ReleaseCause.PAYMENT_RECEIVED)
            finally:
                await peer.close()

    return look


async def states(api: Sales, user: User, orders: list[pb.Order]) -> list[str]:
    found = [await read(api, user, each) for each in orders]
    return [pb.Order.State.Name(each.state).removeprefix("STATE_") for each in found]


async def test_credit_that_is_freed_twice_releases_an_order_once(
    api: Sales, user: User, held: Held, look_again: LookAgain, sales: Running
) -> None:
    order = await held("10")
    await look_again(approve)
    await look_again(approve)
    assert await states(api, user, [order]) == ["RELEASED"]
    events = names_of(await emitted(sales, user.tenant_id, order.id))
    assert events == ["OrderCreated", "OrderPlaced", "OrderReleased"]


async def test_what_was_begun_is_ended_by_the_next_try(
    api: Sales, user: User, held: Held, look_again: LookAgain
) -> None:
    orders = [await held(price) for price in ("10", "20", "30")]
    asked: list[str] = []

    async def breaks_off(request: Check) -> Checked:
        asked.append(request.order_id)
        if len(asked) == 2:
            raise RuntimeError("scoring ends here")
        return await approve(request)

    with pytest.raises(Unavailable):
        await look_again(breaks_off)
    assert await states(api, user, orders) == ["RELEASED", "ON_HOLD", "ON_HOLD"]
    await look_again(breaks_off)
    assert await states(api, user, orders) == ["RELEASED"] * 3
    first, second, third = (order.id for order in orders)
    assert asked == [first, second, second, third]


async def test_only_what_is_smaller_than_what_was_refused_is_asked_for(
    api: Sales, user: User, held: Held, look_again: LookAgain
) -> None:
    orders = [await held(price) for price in ("50", "60", "50", "40", "45", "30")]
    asked: list[str] = []

    async def up_to_30(request: Check) -> Checked:
        asked.append(request.amount.amount)
        return await (approve if float(request.amount.amount) <= 30 else refuse)(request)

    await look_again(up_to_30)
    assert asked == ["50.00", "40.00", "30.00"]
    assert await states(api, user, orders) == ["ON_HOLD"] * 5 + ["RELEASED"]


async def test_an_order_that_is_cancelled_while_credit_is_asked_for_stays_cancelled(
    api: Sales, user: User, held: Held, look_again: LookAgain
) -> None:
    orders = [await held("10"), await held("20")]

    async def answer(request: Check) -> Checked:
        if request.order_id == orders[0].id:
            cancel = pb.CancelOrderRequest(id=request.order_id, reason="never mind")
            await api.orders.CancelOrder(cancel, metadata=user.metadata)
        return await approve(request)

    await look_again(answer)
    assert await states(api, user, orders) == ["CANCELLED", "RELEASED"]


async def test_nothing_goes_out_to_an_account_that_is_archived(
    api: Sales, user: User, held: Held, look_again: LookAgain, sales: Running, account_id: str
) -> None:
    order = await held("10")
    account = accounts_pb2.Account(id=account_id, display_name="华信电力", status=accounts_pb2.Account.STATUS_ARCHIVED)
    told = customer_events.AccountArchived(account=account)
    await sales.hear(told, tenant_id=user.tenant_id, aggregate_id=UUID(account_id), version=2)
    await look_again(approve)
    assert await states(api, user, [order]) == ["ON_HOLD"]


async def test_more_orders_than_an_event_has_time_for_are_released_one_try_after_the_other(
    api: Sales, user: User, held: Held, look_again: LookAgain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_sales.orders.holds.MAX_SECONDS", 0.0)
    orders = [await held(price) for price in ("10", "20", "30")]
    for released in (1, 2):
        with pytest.raises(Unavailable):
            await look_again(approve)
        assert await states(api, user, orders) == ["RELEASED"] * released + ["ON_HOLD"] * (3 - released)
    await look_again(approve)
    assert await states(api, user, orders) == ["RELEASED"] * 3


async def test_nothing_is_open_of_what_nobody_owes_yet(
    api: Sales, user: User, draft: Draft, servicer: OrderServicer
) -> None:
    """Neither of a draft nor of an order on hold; once that is released, all of it is."""
    await draft()
    held = await placed(api, servicer, user, await draft("60.00"), refuse)
    assert held.open_amount == cny("0.00")
    owing = pb.ListOrdersRequest(filter="open_amount.amount > 0")
    assert list((await api.orders.ListOrders(owing, metadata=user.metadata)).orders) == []
    done = await api.orders.ReleaseOrder(
        pb.ReleaseOrderRequest(id=held.id, reason="old friends"), metadata=user.metadata
    )
    assert done.open_amount == cny("60.00")
    assert list((await api.orders.ListOrders(owing, metadata=user.metadata)).orders) == [done]


async def test_nothing_that_credit_was_asked_for_becomes_more_afterwards(
    api: Sales, servicer: OrderServicer, user: User, draft: Draft, released: Released
) -> None:
    held = await placed(api, servicer, user, await draft("100.00"), refuse)
    for order in (await released("100.00"), held):
        more = pb.OrderLine(product="boiler", quantity="9", unit_price=cny("100.00"))
        request = pb.UpdateOrderRequest(order=pb.Order(id=order.id, lines=[*order.lines, more]))
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await api.orders.UpdateOrder(request, metadata=user.metadata)
        assert refusal.fields == ["order.lines"]
        await api.orders.CancelOrder(pb.CancelOrderRequest(id=order.id, reason="x"), metadata=user.metadata)
        # What was cancelled makes room for others, so it does not come back.
        for again in (
            api.orders.PlaceOrder(pb.PlaceOrderRequest(id=order.id), metadata=user.metadata),
            api.orders.ReleaseOrder(pb.ReleaseOrderRequest(id=order.id, reason="x"), metadata=user.metadata),
        ):
            with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
                await again
