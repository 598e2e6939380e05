"""Payments through their contract."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from crm.sales.v1 import events_pb2, payments_pb2
from crm.sales.v1 import orders_pb2 as pb
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.money import Money
from crm_sales.orders.model import Order, OrderLine
from crm_sales.orders.resource import ORDERS
from crm_sales.orders.servicer import OrderServicer
from google.protobuf.timestamp_pb2 import Timestamp

from tests.service.nameless import nameless
from tests.service.running import Running, User, refused
from tests.service.sales.ordering import Draft, Released, approve, pay, placed, read
from tests.service.sales.selling import Sales, cny, emitted, known_account, names_of


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
            (), now=work.now, today=work.now.date()
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


# --- what is told of the bank


def allocate(payment: payments_pb2.Payment, **fields: str) -> payments_pb2.AllocatePaymentRequest:
    return payments_pb2.AllocatePaymentRequest(id=payment.id, **fields)


def reverse(payment: payments_pb2.Payment, **fields: str) -> payments_pb2.ReversePaymentRequest:
    return payments_pb2.ReversePaymentRequest(id=payment.id, **{"reason": "bounced"} | fields)


@pytest.mark.parametrize("reference", ["REF-0042", " ref-0042 ", "REF - 0042", "ＲＥＦ－００４２", "REF-0042\u200b"])
@pytest.mark.parametrize("bank_account", ["ICBC 6222", "icbc6222", ""])
async def test_one_bank_reference_is_one_payment_also_where_the_bank_account_is_left_out(
    api: Sales, user: User, account_id: str, reference: str, bank_account: str
) -> None:
    bank: dict[str, Any] = {"account_id": account_id, "reference": "REF-0042", "bank_account": "ICBC 6222"}
    again = {"account_id": account_id, "reference": reference, "bank_account": bank_account}
    first = await pay(api, user, "10", **bank)
    with refused("ALREADY_EXISTS", "PAYMENT_REFERENCE_TAKEN"):
        await pay(api, user, "10", **again)
    # Typed wrongly: reversed and recorded again.
    await api.payments.ReversePayment(reverse(first), metadata=user.metadata)
    await pay(api, user, "10", **again)
    with refused("ALREADY_EXISTS", "PAYMENT_REFERENCE_TAKEN"):
        await pay(api, user, "10", **bank)


async def test_a_bank_reference_comes_back_at_another_bank_account_and_tenant(
    api: Sales, user: User, account_id: str, sales: Running
) -> None:
    bank: dict[str, Any] = {"account_id": account_id, "reference": "0042", "bank_account": "ICBC 6222"}
    await pay(api, user, "10", **bank)
    await pay(api, user, "10", **bank | {"bank_account": "ICBC 62"})
    await pay(api, user, "10", **bank | {"bank_account": "CMB:6214"})
    # Of one that leaves it out nobody knows that it is not one of these.
    with refused("ALREADY_EXISTS", "PAYMENT_REFERENCE_TAKEN"):
        await pay(api, user, "10", account_id=account_id, reference="0042")
    for other in ("042", "00421", "0042:", "0042;", "4 0042"):
        await pay(api, user, "10", account_id=account_id, reference=other)
    # What has no reference is told apart by nothing.
    for _ in range(2):
        await pay(api, user, "10", account_id=account_id)
    stranger = await sales.user()
    await pay(api, stranger, "10", **bank | {"account_id": await known_account(sales, stranger.tenant_id)})


@pytest.mark.parametrize("banks", [[""], ["ICBC 6222"], ["", "ICBC 6222"]])
async def test_of_ten_recordings_of_one_bank_reference_at_once_one_counts(
    api: Sales, user: User, released: Released, sales: Running, banks: list[str]
) -> None:
    order = await released("100.00")
    # Nothing but the reference stands in the way of those that pay no order.
    for paid in ({"order_id": order.id}, {"account_id": await known_account(sales, user.tenant_id)}):
        fields = paid | {"reference": f"of {paid}"}
        tries = [pay(api, user, "10", bank_account=banks[at % len(banks)], **fields) for at in range(10)]
        done = await asyncio.gather(*tries, return_exceptions=True)
        assert [isinstance(each, payments_pb2.Payment) for each in done].count(True) == 1
    assert (await read(api, user, order)).paid_amount == cny("10.00")


@pytest.mark.parametrize("hour", [20, 2])
async def test_money_comes_today_at_the_latest_by_the_tenants_calendar(api: Sales, sales: Running, hour: int) -> None:
    """At 20:00 UTC it is tomorrow in Beijing already; at 02:00 UTC both are at the same day."""
    tenant_id = await sales.tenant(sandbox=True)
    user = await sales.user(tenant_id)
    account_id = await known_account(sales, tenant_id)
    now = datetime.now(UTC)
    day = now.date() + timedelta(days=2)
    then = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    await sales.know_tenant(tenant_id, sandbox=True, clock_offset=then - now, version=2)

    def at(instant: datetime) -> Timestamp:
        stamp = Timestamp()
        stamp.FromDatetime(instant)
        return stamp

    last = datetime(day.year, day.month, day.day, 15, 59, tzinfo=UTC) + timedelta(days=hour == 20)
    for instant in (last, then - timedelta(days=400)):
        payment = await pay(api, user, "1", account_id=account_id, receive_time=at(instant))
        assert payment.receive_time == at(instant)
    wrong = (datetime(1, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, tzinfo=UTC))
    for instant in (last + timedelta(minutes=1), datetime(2099, 1, 1, tzinfo=UTC), *wrong):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await pay(api, user, "1", account_id=account_id, receive_time=at(instant))
        assert refusal.fields == ["payment.receive_time"]


async def test_what_is_no_currency_is_refused(api: Sales, user: User, account_id: str, draft: Draft) -> None:
    payment = payments_pb2.Payment(account_id=account_id)
    payment.amount.amount = "1"
    for code in ("ZZZ", "XXX", "XTS", "DEM"):
        payment.amount.currency_code = code
        request = payments_pb2.RecordPaymentRequest(payment=payment)
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await api.payments.RecordPayment(request, metadata=user.metadata)
        assert refusal.fields == ["payment.amount.currency_code"]
        price = pb.OrderLine(product="a", quantity="1", unit_price=payment.amount)
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await draft(currency_code=code, lines=[price])
        assert refusal.fields == ["order.lines[0].unit_price.currency_code"]


# --- allocating later


async def test_what_is_unallocated_is_allocated_later(
    api: Sales, user: User, released: Released, account_id: str, sales: Running
) -> None:
    payment = await pay(api, user, "150.00", account_id=account_id)
    assert (payment.unallocated_amount, len(payment.allocations)) == (cny("150.00"), 0)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await api.payments.AllocatePayment(allocate(payment), metadata=user.metadata)
    late, soon = await released("100.00", payment_days=60), await released("30.00", payment_days=10)
    named = await api.payments.AllocatePayment(
        allocate(payment, order_id=soon.id, etag=payment.etag), metadata=user.metadata
    )
    assert (named.unallocated_amount, len(named.allocations)) == (cny("120.00"), 1)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await api.payments.AllocatePayment(allocate(payment, etag=payment.etag), metadata=user.metadata)
    rest = await api.payments.AllocatePayment(allocate(payment), metadata=user.metadata)
    assert [(each.order_id, each.amount) for each in rest.allocations] == [
        (soon.id, cny("30.00")),
        (late.id, cny("100.00")),
    ]
    assert rest.unallocated_amount == cny("20.00")
    assert (await read(api, user, late)).state == pb.Order.STATE_PAID
    *_, event = await emitted(sales, user.tenant_id, payment.id)
    assert isinstance(event, events_pb2.PaymentAllocated)
    assert [each.order_id for each in event.allocations] == [late.id]
    assert event.payment == nameless(rest)


async def test_a_rest_is_allocated_once_however_often_it_is_tried_at_once(
    api: Sales, user: User, released: Released, account_id: str
) -> None:
    payment = await pay(api, user, "50.00", account_id=account_id)
    orders = [await released("30.00", payment_days=days) for days in (1, 2, 3)]
    tries = [api.payments.AllocatePayment(allocate(payment), metadata=user.metadata) for _ in range(5)]
    await asyncio.gather(*tries, return_exceptions=True)
    paid = [(await read(api, user, order)).paid_amount for order in orders]
    assert paid == [cny("30.00"), cny("20.00"), cny("0.00")]


async def test_a_rest_goes_to_no_order_of_another_account_or_currency(
    api: Sales, user: User, released: Released, draft: Draft, account_id: str, sales: Running
) -> None:
    payment = await pay(api, user, "50.00", account_id=await known_account(sales, user.tenant_id))
    order = await released()
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await api.payments.AllocatePayment(allocate(payment, order_id=order.id), metadata=user.metadata)
    assert refusal.fields == ["order_id"]
    own = await pay(api, user, "500.00", account_id=account_id)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await api.payments.AllocatePayment(allocate(own, order_id=(await draft()).id), metadata=user.metadata)
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await api.payments.AllocatePayment(allocate(own, order_id=str(new_id())), metadata=user.metadata)


# --- reversing


async def test_a_reversed_payment_leaves_every_order_as_it_was(
    api: Sales, user: User, released: Released, account_id: str, sales: Running
) -> None:
    first, second = await released("100.00", payment_days=10), await released("100.00", payment_days=20)
    await pay(api, user, "30.00", order_id=first.id)
    payment = await pay(api, user, "90.00", account_id=account_id)
    more = await api.payments.ReversePayment(reverse(payment, etag=payment.etag), metadata=user.metadata)
    assert (more.state, more.reverse_reason) == (payments_pb2.Payment.STATE_REVERSED, "bounced")
    assert more.HasField("reverse_time")
    assert (more.unallocated_amount, more.allocations) == (cny("0.00"), payment.allocations)
    orders = [await read(api, user, order) for order in (first, second)]
    assert [(order.state, order.paid_amount) for order in orders] == [
        (pb.Order.STATE_PARTLY_PAID, cny("30.00")),
        (pb.Order.STATE_RELEASED, cny("0.00")),
    ]
    assert names_of(await emitted(sales, user.tenant_id, payment.id)) == ["PaymentReceived", "PaymentReversed"]
    *_, taken = await emitted(sales, user.tenant_id, second.id)
    assert isinstance(taken, events_pb2.OrderPaymentReversed)
    assert (taken.payment_id, taken.amount) == (payment.id, cny("20.00"))
    for again in (
        api.payments.ReversePayment(reverse(payment), metadata=user.metadata),
        api.payments.AllocatePayment(allocate(payment), metadata=user.metadata),
    ):
        with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
            await again
    # Nothing is paid any more, so it can be cancelled.
    await api.orders.CancelOrder(pb.CancelOrderRequest(id=second.id, reason="x"), metadata=user.metadata)


async def test_an_order_that_a_payment_paid_twice_is_open_again_by_both(
    api: Sales, user: User, released: Released
) -> None:
    order = await released("100.00")
    advance = await pay(api, user, "40.00", order_id=order.id)
    other = await pay(api, user, "80.00", order_id=order.id)
    await api.payments.ReversePayment(reverse(advance), metadata=user.metadata)
    await api.payments.AllocatePayment(allocate(other), metadata=user.metadata)
    assert (await read(api, user, order)).paid_amount == cny("80.00")
    await api.payments.ReversePayment(reverse(other), metadata=user.metadata)
    assert (await read(api, user, order)).paid_amount == cny("0.00")


# --- whose orders are paid


PAYER = {"payments.write": Scope.OWN, "payments.read": Scope.OWN, "accounts.read": Scope.ALL, "orders.read": Scope.ALL}
MINE = PAYER | {"orders.write": Scope.OWN}


async def test_a_payment_pays_the_orders_that_its_recorder_may_pay_and_says_how_many_it_left_out(
    api: Sales, user: User, released: Released, draft: Draft, servicer: OrderServicer, sales: Running
) -> None:
    seller = await sales.user(user.tenant_id, grants=MINE)
    account_id = await known_account(sales, user.tenant_id)
    others = [await released("100.00", account_id=account_id, payment_days=days) for days in (1, 2)]
    own = await placed(api, servicer, user, await draft(account_id=account_id, owner_id=str(seller.id)), approve)
    payment = await pay(api, seller, "150.00", account_id=account_id)
    assert [(each.order_id, each.amount) for each in payment.allocations] == [(own.id, cny("100.00"))]
    assert (payment.unallocated_amount, payment.left_out_order_count) == (cny("50.00"), 2)
    assert {(await read(api, user, each)).state for each in others} == {pb.Order.STATE_RELEASED}
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as refusal:
        await api.payments.AllocatePayment(allocate(payment), metadata=seller.metadata)
    assert "2 open orders are beyond" in refusal.detail
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await api.payments.AllocatePayment(allocate(payment, order_id=others[0].id), metadata=seller.metadata)
    rest = await api.payments.AllocatePayment(allocate(payment), metadata=user.metadata)
    assert [each.order_id for each in rest.allocations] == [own.id, others[0].id]
    assert (rest.unallocated_amount, rest.left_out_order_count) == (cny("0.00"), 0)
    # What somebody else's order is paid by is not for this seller to take back.
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await api.payments.ReversePayment(reverse(payment), metadata=seller.metadata)
    assert (await read(api, user, own)).paid_amount == cny("100.00")
    undone = await api.payments.ReversePayment(reverse(payment), metadata=user.metadata)
    assert undone.state == payments_pb2.Payment.STATE_REVERSED


async def test_orders_at_an_account_that_is_the_recorders_are_paid_whoever_owns_them(
    api: Sales, user: User, released: Released, sales: Running
) -> None:
    seller = await sales.user(user.tenant_id, grants=PAYER)
    order = await released("100.00", account_id=await known_account(sales, user.tenant_id, seller))
    payment = await pay(api, seller, "100.00", account_id=order.account_id)
    assert ([each.order_id for each in payment.allocations], payment.left_out_order_count) == ([order.id], 0)


async def test_a_team_pays_the_orders_of_its_people_only(
    api: Sales, user: User, draft: Draft, servicer: OrderServicer, sales: Running
) -> None:
    team, other = new_id(), new_id()
    account_id = await known_account(sales, user.tenant_id)
    rights = {name: max(scope, Scope.TEAM) for name, scope in MINE.items()}
    payer = await sales.user(user.tenant_id, grants=rights, team_id=team)
    orders = []
    for team_id in (team, other, None):
        owner = await sales.user(user.tenant_id, grants=MINE, team_id=team_id)
        drafted = await draft(account_id=account_id, owner_id=str(owner.id))
        orders.append(await placed(api, servicer, user, drafted, approve))
    payment = await pay(api, payer, "300.00", account_id=account_id)
    assert [each.order_id for each in payment.allocations] == [orders[0].id]
    assert (payment.unallocated_amount, payment.left_out_order_count) == (cny("200.00"), 2)


@pytest.mark.parametrize("reads", [{}, {"orders.read": Scope.OWN}], ids=["no orders", "their own orders"])
async def test_a_cashier_pays_only_orders_that_they_may_read(
    api: Sales, user: User, released: Released, sales: Running, reads: dict[str, Scope]
) -> None:
    """As with an order that is named, a payment of an account tells nothing of what its recorder may not read."""
    rights = {"payments.read": Scope.ALL, "payments.write": Scope.ALL, "accounts.read": Scope.ALL}
    cashier = await sales.user(user.tenant_id, grants=rights | reads)
    order = await released("100.00", account_id=await known_account(sales, user.tenant_id))
    payment = await pay(api, cashier, "150.00", account_id=order.account_id)
    assert (list(payment.allocations), payment.left_out_order_count) == ([], 1)
    assert payment.owner_id == str(cashier.id)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await api.payments.AllocatePayment(allocate(payment), metadata=cashier.metadata)
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await pay(api, cashier, "1.00", order_id=order.id)
    rest = await api.payments.AllocatePayment(allocate(payment), metadata=user.metadata)
    assert [each.order_id for each in rest.allocations] == [order.id]
