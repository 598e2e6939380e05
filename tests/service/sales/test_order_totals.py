"""What the lines of an order come to."""

from crm.sales.v1 import orders_pb2 as pb

from tests.service.running import User, refused
from tests.service.sales.ordering import Draft, read
from tests.service.sales.selling import Sales, cny


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
    assert (order.gross_amount, order.open_amount) == (cny("31.01"), cny("0.00"))
    assert (order.state, order.due_date) == (pb.Order.STATE_DRAFT, "")
    assert await read(api, user, order) == order


async def test_what_is_computed_of_lines_is_taken_when_it_is_right(api: Sales, user: User, draft: Draft) -> None:
    order = await draft("100.00")
    copy = pb.Order(currency_code=order.currency_code, lines=order.lines, gross_amount=order.gross_amount)
    copy.account_id = order.account_id
    request = pb.CreateOrderRequest(order=copy)
    assert (await api.orders.CreateOrder(request, metadata=user.metadata)).lines == order.lines
    request.order.lines[0].net_amount.amount = "1.00"
    request.order.gross_amount.amount = "2.00"
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await api.orders.CreateOrder(request, metadata=user.metadata)
    assert sorted(refusal.fields) == ["order.gross_amount", "order.lines[0].net_amount"]
