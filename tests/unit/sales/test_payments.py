from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from crm_kit.errors import InvalidArgument
from crm_kit.money import Money
from crm_sales.orders.model import Order, OrderLine
from crm_sales.payments.allocation import allocate
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def cny(amount: int) -> Money:
    return Money(Decimal(amount), "CNY")


def placed(number: int, payment_days: int, amount: int) -> Order:
    line = OrderLine("boiler", Decimal(1), cny(amount))
    draft = Order(
        id=UUID(int=number),
        account_id=UUID(int=0),
        owner_id=UUID(int=0),
        currency_code="CNY",
        lines=(line,),
        payment_days=payment_days,
        paid_amount=cny(0),
        create_time=NOW,
        update_time=NOW,
    )
    return draft.place((), now=NOW, today=NOW.date())


orders_in = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 300)), max_size=6).map(
    lambda rows: [placed(number, days, amount) for number, (days, amount) in enumerate(rows)]
)


@given(orders_in, st.integers(1, 1000))
def test_a_payment_goes_coin_by_coin_to_the_order_that_is_due_first(orders: list[Order], coins: int) -> None:
    """Oracle: put down one coin after the other."""
    left = {order.id: int(order.open_amount.amount) for order in orders}
    due = {order.id: (order.payment_days, order.id) for order in orders}
    got: dict[UUID, int] = {}
    for _ in range(coins):
        waiting = [id for id, amount in left.items() if amount]
        if waiting:
            oldest = min(waiting, key=due.__getitem__)
            left[oldest] -= 1
            got[oldest] = got.get(oldest, 0) + 1
    shares = allocate(cny(coins), [order.open_item for order in orders])
    assert {item.order_id: share for item, share in shares} == {id: cny(amount) for id, amount in got.items()}
    assert [due[item.order_id] for item, _ in shares] == sorted(due[item.order_id] for item, _ in shares)


def test_what_is_paid_in_part_gets_no_more_than_is_open() -> None:
    item = placed(1, 30, 100).pay(cny(70)).open_item
    assert allocate(cny(50), [item]) == [(item, cny(30))]


@pytest.mark.parametrize("amount", [0, -1])
def test_a_payment_is_above_zero(amount: int) -> None:
    with pytest.raises(InvalidArgument) as refused:
        allocate(cny(amount), [])
    assert [violation.field for violation in refused.value.violations] == ["payment.amount"]
