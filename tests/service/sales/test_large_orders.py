"""Orders of 200 lines, by the page and by the thousand, keep nobody else from being served."""

from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import pytest
from crm.sales.v1 import orders_pb2 as pb
from crm.sales.v1 import payments_pb2
from crm_kit.ids import new_id
from crm_kit.money import Money
from crm_sales.orders.model import Order, OrderLine
from crm_sales.orders.resource import ORDERS
from google.protobuf.message import Message

from tests.service.running import Running, User
from tests.service.sales.selling import Sales, cny
from tests.steps import watched

Answer = TypeVar("Answer", bound=Message)
LINES = 200


async def orders_of(sales: Running, user: User, account_id: str, count: int) -> Order:
    """So many released orders with as many lines as there may be; one of them."""
    lines = tuple(
        OrderLine(f"boiler {number}", Decimal(number), Money(Decimal("12.34"), "CNY"), Decimal(5), Decimal(13))
        for number in range(1, LINES + 1)
    )
    for start in range(0, count, 100):
        async with sales.unit_of_work(user.tenant_id) as work:
            drafted = Order(new_id(), UUID(account_id), "CNY", lines, Money.zero("CNY"), user.id, work.now, work.now)
            order = drafted.place((), now=work.now, today=work.now.date())
            row = ORDERS.row_of(order)
            for _ in range(start, min(start + 100, count)):
                work.insert(ORDERS.table, row | {"id": new_id()})
            await work.flush_many()
    return order


async def answer_of(sales: Running, user: User, path: str, request: Message, answer: type[Answer]) -> Answer:
    """The answer, which the loop hands on in bytes: what a client reads of it is not the service's time."""
    call: Any = sales.channel.unary_unary(f"/crm.sales.v1.{path}")
    data = await call(request.SerializeToString(), metadata=user.with_key(path))
    return answer.FromString(data)


async def test_a_page_of_200_orders_with_200_lines_holds_up_nobody(
    user: User, account_id: str, sales: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await orders_of(sales, user, account_id, 200)
    request = pb.ListOrdersRequest(page_size=200)
    with watched(monkeypatch) as steps:
        page = await answer_of(sales, user, "OrderService/ListOrders", request, pb.ListOrdersResponse)
    assert steps.too_long == []
    assert steps.count > 20
    assert len(page.orders) == 200
    assert {len(each.lines) for each in page.orders} == {LINES}
    assert {each.gross_amount.amount for each in page.orders} == {order.gross_amount.text()}


@pytest.mark.parametrize("count", [10, 1000])
async def test_a_payment_of_many_orders_with_200_lines_holds_up_nobody(
    api: Sales, user: User, account_id: str, sales: Running, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    order = await orders_of(sales, user, account_id, count)
    amount = cny(str(order.gross_amount.amount * count + 1))
    record = payments_pb2.RecordPaymentRequest(payment=payments_pb2.Payment(account_id=account_id, amount=amount))
    with watched(monkeypatch) as steps:
        payment = await answer_of(sales, user, "PaymentService/RecordPayment", record, payments_pb2.Payment)
    assert steps.too_long == []
    assert len({each.order_id for each in payment.allocations}) == count
    assert payment.unallocated_amount == cny("1.00")
    reverse = payments_pb2.ReversePaymentRequest(id=payment.id, reason="bounced")
    with watched(monkeypatch) as steps:
        undone = await answer_of(sales, user, "PaymentService/ReversePayment", reverse, payments_pb2.Payment)
    assert steps.too_long == []
    assert undone.state == payments_pb2.Payment.STATE_REVERSED
    unpaid = pb.ListOrdersRequest(filter="state = RELEASED AND paid_amount.amount = 0", page_size=1)
    page = await api.orders.ListOrders(unpaid, metadata=user.metadata)
    assert page.orders[0].open_amount == page.orders[0].gross_amount
