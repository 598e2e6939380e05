"""Payments in currencies with more or fewer decimals than most."""

import pytest
from crm.sales.v1 import orders_pb2 as pb
from crm.sales.v1 import payments_pb2
from crm.type.v1.money_pb2 import Money
from crm_sales.orders.servicer import OrderServicer

from tests.service.running import User, refused
from tests.service.sales.ordering import Draft, approve, placed, read
from tests.service.sales.selling import Sales


@pytest.mark.parametrize(
    ("currency", "price", "parts"),
    [("JPY", "1001", ["1000", "1"]), ("KWD", "1.001", ["1.000", "0.001"]), ("CNY", "0.03", ["0.01", "0.02"])],
)
async def test_an_order_is_paid_to_the_last_unit_of_its_currency(
    api: Sales, servicer: OrderServicer, user: User, draft: Draft, currency: str, price: str, parts: list[str]
) -> None:
    line = pb.OrderLine(product="boiler", quantity="1", unit_price=Money(amount=price, currency_code=currency))
    order = await placed(api, servicer, user, await draft(currency_code=currency, lines=[line]), approve)
    states = []
    for part in parts:
        payment = payments_pb2.Payment(amount=Money(amount=part, currency_code=currency), order_id=order.id)
        request = payments_pb2.RecordPaymentRequest(payment=payment)
        paid = await api.payments.RecordPayment(request, metadata=user.metadata)
        assert paid.allocations[0].amount == Money(amount=part, currency_code=currency)
        states.append((await read(api, user, order)).state)
    assert states == [pb.Order.STATE_PARTLY_PAID, pb.Order.STATE_PAID]
    finer = payments_pb2.Payment(amount=Money(amount=f"{parts[0].partition('.')[0]}.0001", currency_code=currency))
    finer.account_id = order.account_id
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await api.payments.RecordPayment(payments_pb2.RecordPaymentRequest(payment=finer), metadata=user.metadata)
