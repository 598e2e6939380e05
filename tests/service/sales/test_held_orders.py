"""Orders on hold when credit becomes free: heard of twice, late, while somebody else is at it, or cut off anywhere."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1 import events_pb2 as customer_events
from crm.sales.v1 import opportunities_pb2
from crm.sales.v1 import orders_pb2 as pb
from crm_kit.clock import system_now
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.database.statements import compile_statement
from crm_kit.rpc.clients import ServiceClient
from crm_sales.orders.model import ReleaseCause
from crm_sales.orders.reviews import claim, due_reviews, held_orders, note_freed
from crm_sales.orders.servicer import OrderServicer
from crm_sales.orders.tables import hold_reviews
from sqlalchemy import bindparam, select

from tests.service.eventually import eventually
from tests.service.kit.plans import binds_of_reader, plan_of, scans_of
from tests.service.running import Running, User, refused
from tests.service.sales.ordering import Check, Checked, Draft, Released, approve, placed, read, refuse
from tests.service.sales.selling import Answer, Sales, cny, credit_service, emitted, names_of

Held = Callable[..., Awaitable[pb.Order]]
Scored = Callable[[Answer], AbstractAsyncContextManager[None]]
LookAgain = Callable[[Answer], Awaitable[None]]
REVIEWS = compile_statement(
    select(hold_reviews.c.look_time).where(
        hold_reviews.c.tenant_id == bindparam("tenant_id"), hold_reviews.c.account_id == bindparam("account_id")
    )
)


@pytest.fixture
def held(api: Sales, user: User, draft: Draft, servicer: OrderServicer) -> Held:
    async def held_order(price: str, **fields: Any) -> pb.Order:
        return await placed(api, servicer, user, await draft(price, **fields), refuse)

    return held_order


@pytest.fixture
async def scored(servicer: OrderServicer, account_id: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scored]:
    """Has scoring answer the service so about the account's orders, in the block."""
    # The job's own client, whatever the servicer is given by tests; it waits for an answer on a busy machine, too.
    client = servicer._credit
    monkeypatch.setattr(client, "_seconds", 30)
    # Nothing is free but what the test says: the scoring service of another test hears of these orders, too.
    monkeypatch.setattr("crm_sales.consumers.note_freed", lambda *_: None)
    peers = AsyncExitStack()

    @asynccontextmanager
    async def answering(answer: Answer) -> AsyncIterator[None]:
        async def of_account(request: Check) -> Checked:
            return await (answer if request.account_id == account_id else refuse)(request)

        before = client._peer
        async with credit_service(of_account) as address:
            client._peer = ServiceClient(address)
            # Closed while the job asks, it would cancel the job's step, and the account would stay claimed.
            peers.push_async_callback(client._peer.close)
            try:
                yield
            finally:
                client._peer = before

    async with peers:
        yield answering


@pytest.fixture
def look_again(sales: Running, user: User, account_id: str, scored: Scored) -> LookAgain:
    """Has the service note credit that is free, and waits until it has looked at the account's orders."""

    async def look(answer: Answer) -> None:
        async with scored(answer):
            await free(sales, user, account_id)
            await eventually(partial(is_looked_at, sales, user, account_id))

    return look


async def free(sales: Running, user: User, account_id: str) -> None:
    async with sales.unit_of_work(user.tenant_id) as work:
        note_freed(work, UUID(account_id), ReleaseCause.PAYMENT_RECEIVED)


async def is_looked_at(sales: Running, user: User, account_id: str) -> bool:
    """Whether all of the account's orders on hold were looked at since its credit became free."""
    async with sales.unit_of_work(user.tenant_id) as work:
        return not await work.all(REVIEWS, account_id=UUID(account_id))


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


async def test_an_order_that_cannot_be_checked_keeps_none_behind_it_waiting(
    api: Sales, user: User, held: Held, look_again: LookAgain
) -> None:
    orders = [await held(price) for price in ("10", "20", "30")]
    asked: list[str] = []

    async def fails_once(request: Check) -> Checked:
        asked.append(request.order_id)
        if len(asked) == 2:
            raise RuntimeError("scoring stumbles over this one")
        return await approve(request)

    await look_again(fails_once)
    assert await states(api, user, orders) == ["RELEASED"] * 3
    first, second, third = (order.id for order in orders)
    assert asked == [first, second, third, second]


async def test_an_order_whose_check_always_fails_is_all_that_stays_on_hold(
    api: Sales,
    user: User,
    held: Held,
    scored: Scored,
    sales: Running,
    account_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("crm_sales.orders.reviews.LAST_WAIT", timedelta(seconds=1))
    orders = [await held(price) for price in ("10", "20", "30")]

    async def fails_for_the_first(request: Check) -> Checked:
        if request.order_id == orders[0].id:
            raise RuntimeError("scoring stumbles over this one")
        return await approve(request)

    async def others_are_released() -> bool:
        return await states(api, user, orders) == ["ON_HOLD", "RELEASED", "RELEASED"]

    async with scored(fails_for_the_first):
        await free(sales, user, account_id)
        await eventually(others_are_released)
    async with scored(approve):
        await eventually(partial(is_looked_at, sales, user, account_id))
    assert await states(api, user, orders) == ["RELEASED"] * 3


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


async def test_nothing_goes_out_to_an_account_that_is_archived_until_it_is_restored(
    api: Sales,
    user: User,
    held: Held,
    look_again: LookAgain,
    scored: Scored,
    sales: Running,
    account_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = await held("10")
    account = accounts_pb2.Account(id=account_id, display_name="华信电力", status=accounts_pb2.Account.STATUS_ARCHIVED)
    told = customer_events.AccountArchived(account=account)
    await sales.hear(told, tenant_id=user.tenant_id, aggregate_id=UUID(account_id), version=2)
    await look_again(approve)
    assert await states(api, user, [order]) == ["ON_HOLD"]
    account.status = accounts_pb2.Account.STATUS_ACTIVE
    restored = customer_events.AccountRestored(account=account)
    monkeypatch.setattr("crm_sales.consumers.note_freed", note_freed)
    async with scored(approve):
        await sales.hear(restored, tenant_id=user.tenant_id, aggregate_id=UUID(account_id), version=3)
        await eventually(partial(is_looked_at, sales, user, account_id))
    assert await states(api, user, [order]) == ["RELEASED"]


async def test_accounts_with_held_orders_are_found_by_an_index(sales: Running, user: User, account_id: str) -> None:
    """Those that are due in all tenants, and the orders of one."""
    found = await plan_of(sales.service.database, ALL_TENANTS, due_reviews(), {})
    assert "hold_reviews_look_index" in str(found)
    position = {"after_place_time": system_now(), "after_id": user.id}
    values = {"tenant_id": user.tenant_id, "account_id": UUID(account_id), "batch": 200} | position
    values |= binds_of_reader(user.id)
    held = await plan_of(sales.service.database, user.tenant_id, held_orders(from_the_first=False), values)
    assert "orders_held_index" in str(held)
    assert "Sort" not in scans_of(held)


@pytest.mark.parametrize("step", [{"MAX_SECONDS": 0.0}, {"BATCH": 1}, {"BATCH": 2}])
async def test_an_order_that_fits_is_found_behind_however_many_that_do_not(
    api: Sales, user: User, held: Held, look_again: LookAgain, monkeypatch: pytest.MonkeyPatch, step: dict[str, Any]
) -> None:
    """What is looked at in a step is not looked at again by the next, nor what is as large as what was refused."""
    for name, value in step.items():
        monkeypatch.setattr(f"crm_sales.orders.holds.{name}", value)
        if name == "BATCH":
            monkeypatch.setattr("crm_sales.orders.reviews.BATCH", value)
    orders = [await held(price) for price in ("50", "60", "40", "45", "30", "20")]
    asked: list[str] = []

    async def up_to_30(request: Check) -> Checked:
        asked.append(request.amount.amount)
        return await (approve if float(request.amount.amount) <= 30 else refuse)(request)

    await look_again(up_to_30)
    assert asked == ["50.00", "40.00", "30.00", "20.00"]
    assert await states(api, user, orders) == ["ON_HOLD"] * 4 + ["RELEASED"] * 2


async def test_what_becomes_free_while_orders_are_looked_at_is_theirs_as_well(
    api: Sales, user: User, held: Held, look_again: LookAgain, sales: Running, account_id: str
) -> None:
    orders = [await held("50"), await held("40")]
    limit = 30.0

    async def answer(request: Check) -> Checked:
        nonlocal limit
        if request.amount.amount == "40.00" and limit < 50:
            # Too late for the first, which has had its turn.
            limit = 50.0
            await free(sales, user, account_id)
            return await refuse(request)
        return await (approve if float(request.amount.amount) <= limit else refuse)(request)

    await look_again(answer)
    assert await states(api, user, orders) == ["RELEASED"] * 2


async def test_a_step_that_was_begun_and_never_ended_is_taken_by_another_process(
    api: Sales, user: User, held: Held, scored: Scored, sales: Running, account_id: str
) -> None:
    order = await held("10")
    async with scored(approve):
        async with sales.unit_of_work(user.tenant_id) as work:
            note_freed(work, UUID(account_id), ReleaseCause.LIMIT_SET)
            await work.flush()
            row = await work.one(REVIEWS, account_id=UUID(account_id))
            assert row is not None
            begun = {"seen_time": row["look_time"], "duration": timedelta(seconds=1)}
            assert await work.one(claim(), account_id=UUID(account_id), **begun)
            assert not await work.one(claim(), account_id=UUID(account_id), **begun)
        await eventually(partial(is_looked_at, sales, user, account_id))
    assert await states(api, user, [order]) == ["RELEASED"]


async def test_the_orders_of_a_lost_deal_are_looked_at_when_it_is_reopened(
    api: Sales,
    user: User,
    held: Held,
    look_again: LookAgain,
    scored: Scored,
    account_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deal = await api.opportunities.CreateOpportunity(
        opportunities_pb2.CreateOpportunityRequest(
            opportunity=opportunities_pb2.Opportunity(account_id=account_id, display_name="x", amount=cny("10"))
        ),
        metadata=user.metadata,
    )
    order = await held("10", opportunity_id=deal.id)
    lose = opportunities_pb2.LoseOpportunityRequest(id=deal.id, reason="too dear")
    await api.opportunities.LoseOpportunity(lose, metadata=user.metadata)
    asked: list[str] = []

    async def answer(request: Check) -> Checked:
        asked.append(request.order_id)
        return await approve(request)

    await look_again(answer)
    assert (asked, await states(api, user, [order])) == ([], ["ON_HOLD"])

    async def is_released() -> bool:
        return await states(api, user, [order]) == ["RELEASED"]

    monkeypatch.setattr("crm_sales.consumers.note_freed", note_freed)
    reopen = opportunities_pb2.ReopenOpportunityRequest(id=deal.id, reason="cheaper now")
    async with scored(answer):
        await api.opportunities.ReopenOpportunity(reopen, metadata=user.metadata)
        await eventually(is_released)


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
