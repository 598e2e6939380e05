"""Orders and payments through their contract."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from crm.sales.v1 import events_pb2, opportunities_pb2, payments_pb2
from crm.sales.v1 import orders_pb2 as pb
from crm.scoring.v1 import credit_pb2
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.money import Money
from crm_kit.rpc.clients import ServiceClient
from crm_sales.credit.client import CreditClient
from crm_sales.orders.model import Order, OrderLine
from crm_sales.orders.resource import ORDERS
from crm_sales.orders.servicer import OrderServicer

from tests.service.nameless import nameless
from tests.service.running import Running, User, refused
from tests.service.sales.selling import Answer, Sales, cny, credit_service, emitted, known_account, names_of

Draft = Callable[..., Awaitable[pb.Order]]
Released = Callable[..., Awaitable[pb.Order]]
Check = credit_pb2.CheckCreditRequest
Checked = credit_pb2.CheckCreditResponse


async def approve(_request: Check) -> Checked:
    return Checked(approved=True, reasons=[Checked.REASON_WITHIN_LIMIT])


async def refuse(_request: Check) -> Checked:
    return Checked(reasons=[Checked.REASON_CREDIT_LIMIT_EXCEEDED], explanation="used 90 and new 20 is more than 100")


@pytest.fixture
async def account_id(sales: Running, user: User) -> str:
    return await known_account(sales, user.tenant_id, user)


@pytest.fixture
def servicer(sales: Running) -> Iterator[OrderServicer]:
    found = next(each for each in sales.service.servicers if isinstance(each, OrderServicer))
    before = found._credit
    yield found
    found._credit = before


@pytest.fixture
def draft(api: Sales, user: User, account_id: str) -> Draft:
    async def draft_order(price: str = "100.00", *, by: User = user, **fields: Any) -> pb.Order:
        line = pb.OrderLine(product="boiler", quantity="1", unit_price=cny(price))
        values: dict[str, Any] = {"account_id": account_id, "currency_code": "CNY", "lines": [line]}
        request = pb.CreateOrderRequest(order=pb.Order(**values | fields))
        return await api.orders.CreateOrder(request, metadata=by.metadata)

    return draft_order


async def placed(
    api: Sales,
    servicer: OrderServicer,
    user: User,
    order: pb.Order,
    answer: Answer,
    *,
    seconds: float = 5,
    key: str = "",
) -> pb.Order:
    """The order placed while scoring answers so."""
    async with credit_service(answer) as address:
        peer = ServiceClient(address)
        servicer._credit = CreditClient(peer, seconds=seconds)
        metadata = user.with_key(key) if key else user.metadata
        try:
            return await api.orders.PlaceOrder(pb.PlaceOrderRequest(id=order.id), metadata=metadata)
        finally:
            await peer.close()


@pytest.fixture
def released(api: Sales, servicer: OrderServicer, user: User, draft: Draft) -> Released:
    async def released_order(price: str = "100.00", **fields: Any) -> pb.Order:
        return await placed(api, servicer, user, await draft(price, **fields), approve)

    return released_order


async def pay(api: Sales, user: User, amount: str, *, key: str = "", **fields: Any) -> payments_pb2.Payment:
    request = payments_pb2.RecordPaymentRequest(payment=payments_pb2.Payment(amount=cny(amount), **fields))
    metadata = user.with_key(key) if key else user.metadata
    return await api.payments.RecordPayment(request, metadata=metadata)


async def read(api: Sales, user: User, order: pb.Order) -> pb.Order:
    return await api.orders.GetOrder(pb.GetOrderRequest(id=order.id), metadata=user.metadata)


# --- drafting


async def test_totals_that_no_amount_can_carry_are_refused(draft: Draft) -> None:
    line = pb.OrderLine(product="boiler", quantity="2", unit_price=cny("900000000000000"))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await draft(lines=[line])
    assert refusal.fields == ["order.lines[0].net_amount.amount"]
    line.quantity = "1"
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await draft(lines=[line, line])
    assert refusal.fields == ["order.net_amount.amount"]


async def test_a_draft_has_exact_totals_and_is_read_back(api: Sales, user: User, draft: Draft) -> None:
    lines = [
        pb.OrderLine(product="a", quantity="3", unit_price=cny("0.335"), discount_percent="10", tax_percent="13"),
        pb.OrderLine(product="b", quantity="1.5", unit_price=cny("19.99")),
    ]
    order = await draft(lines=lines)
    assert [line.net_amount.amount for line in order.lines] == ["0.90", "29.99"]
    assert (order.net_amount.amount, order.tax_amount.amount) == ("30.89", "0.12")
    assert (order.gross_amount, order.open_amount) == (cny("31.01"), cny("31.01"))
    assert (order.state, order.due_date) == (pb.Order.STATE_DRAFT, "")
    assert await read(api, user, order) == order


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
    assert asked == [Check(account_id=order.account_id, amount=cny("250.00"), order_id=order.id)]
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


async def test_a_return_takes_no_credit(api: Sales, user: User, draft: Draft, servicer: OrderServicer) -> None:
    back = await draft(lines=[pb.OrderLine(product="a", quantity="-1", unit_price=cny("10"))])
    done = await placed(api, servicer, user, back, refuse)
    assert done.state != pb.Order.STATE_ON_HOLD


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


# --- payments


async def test_a_payment_pays_the_oldest_orders_first_and_what_is_left_over_stays_visible(
    api: Sales, user: User, released: Released, account_id: str, sales: Running
) -> None:
    late = await released("100.00", payment_days=60)
    soon = await released("100.00", payment_days=10)
    payment = await pay(api, user, "150.00", account_id=account_id, reference="bank 1")
    shares = [(each.order_id, each.amount.amount, each.open_amount.amount) for each in payment.allocations]
    assert shares == [(soon.id, "100.00", "0.00"), (late.id, "50.00", "50.00")]
    assert payment.unallocated_amount == cny("0.00")
    assert (await read(api, user, soon)).state == pb.Order.STATE_PAID
    assert (await read(api, user, late)).state == pb.Order.STATE_PARTLY_PAID
    more = await pay(api, user, "70.00", account_id=account_id)
    assert more.unallocated_amount == cny("20.00")
    (event,) = await emitted(sales, user.tenant_id, payment.id)
    assert isinstance(event, events_pb2.PaymentReceived)
    assert event.payment == nameless(payment)
    *_, allocated = await emitted(sales, user.tenant_id, soon.id)
    assert isinstance(allocated, events_pb2.OrderPaymentAllocated)
    assert (allocated.payment_id, allocated.amount) == (payment.id, cny("100.00"))
    assert allocated.order == nameless(await read(api, user, soon))
    page = await api.payments.ListPayments(
        payments_pb2.ListPaymentsRequest(filter=f'account_id = "{account_id}"'), metadata=user.metadata
    )
    assert list(page.payments) == [more, payment]


async def test_a_payment_pays_a_thousand_orders_at_once(
    api: Sales, user: User, account_id: str, sales: Running
) -> None:
    async with sales.unit_of_work(user.tenant_id) as work:
        line = OrderLine("boiler", Decimal(1), Money(Decimal(1), "CNY"))
        order = Order(new_id(), UUID(account_id), "CNY", (line,), Money.zero("CNY"), user.id, work.now, work.now).place(
            (), now=work.now
        )
        for _ in range(1000):
            ORDERS.create(work, replace(order, id=new_id()))
        await work.flush_many()
    payment = await pay(api, user, "1001.00", account_id=account_id, key="a thousand")
    assert len({each.order_id for each in payment.allocations}) == 1000
    assert payment.unallocated_amount == cny("1.00")
    again = await pay(api, user, "1001.00", account_id=account_id, key="a thousand")
    assert again == payment
    request = pb.ListOrdersRequest(filter="state != PAID")
    assert not (await api.orders.ListOrders(request, metadata=user.metadata)).orders


async def test_a_payment_sent_twice_with_one_key_counts_once(api: Sales, user: User, released: Released) -> None:
    order = await released()
    first = await pay(api, user, "40", order_id=order.id, key="p")
    assert await pay(api, user, "40", order_id=order.id, key="p") == first
    assert (await read(api, user, order)).paid_amount == cny("40.00")
    with refused("ALREADY_EXISTS", "IDEMPOTENCY_KEY_REUSED"):
        await pay(api, user, "41", order_id=order.id, key="p")


async def test_payments_at_the_same_time_lose_no_money(
    api: Sales, user: User, released: Released, account_id: str
) -> None:
    orders = [await released("30.00", payment_days=days) for days in (1, 2, 3)]
    payments = await asyncio.gather(*(pay(api, user, "20.00", account_id=account_id) for _ in range(5)))
    paid = [Decimal((await read(api, user, order)).paid_amount.amount) for order in orders]
    unallocated = [Decimal(payment.unallocated_amount.amount) for payment in payments]
    assert (sum(paid), sum(unallocated)) == (90, 10)


async def test_a_payment_needs_an_amount_and_a_payer_that_fit(
    api: Sales, user: User, draft: Draft, released: Released, sales: Running
) -> None:
    order = await draft()
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await pay(api, user, "1")
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await pay(api, user, "1", order_id=order.id)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await pay(api, user, "-1", account_id=order.account_id)
    euro = payments_pb2.Payment(order_id=(await released()).id)
    euro.amount.amount, euro.amount.currency_code = "1", "EUR"
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await api.payments.RecordPayment(payments_pb2.RecordPaymentRequest(payment=euro), metadata=user.metadata)
    assert refusal.fields == ["payment.amount.currency_code"]
    stranger = await sales.user()
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await pay(api, stranger, "1", order_id=order.id)
    reader = await sales.user(user.tenant_id, grants={"payments.read": Scope.ALL})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await pay(api, reader, "1", order_id=order.id)
