from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from crm_kit.errors import FailedPrecondition, InvalidArgument
from crm_kit.money import Money, minor_digits
from crm_sales.orders.model import (
    Allocation,
    HoldReason,
    OpenItem,
    Order,
    OrderLine,
    OrderState,
    Share,
    allocate,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
JANUARY = date(2026, 1, 1)
LIMIT = HoldReason("CREDIT_LIMIT_EXCEEDED", "900.00 used + 200.00 new is more than the limit of 1000.00 CNY")


def cny(amount: str | int) -> Money:
    return Money(Decimal(amount), "CNY")


def order(*lines: OrderLine, state: OrderState = OrderState.DRAFT) -> Order:
    return Order("o1", "a1", "CNY", lines or (OrderLine("p1", Decimal(2), cny("50.00")),), state)


quantities = st.decimals("-1000", "1000", places=3).filter(bool)
prices = st.decimals(0, 10**6, places=4)
percents = st.decimals(0, 100, places=2)
lines_in = st.sampled_from(["CNY", "JPY", "BHD"]).flatmap(
    lambda code: st.lists(
        st.builds(
            OrderLine,
            product_id=st.just("p"),
            quantity=quantities,
            unit_price=prices.map(lambda price: Money(price, code)),
            discount_percent=percents,
            tax_percent=percents,
        ),
        min_size=1,
        max_size=5,
    )
)


def half_up(exact: Fraction, digits: int) -> Fraction:
    """Independent rounding: of the two neighbours the nearer one, at a tie the one further from zero."""
    step = Fraction(1, 10**digits)
    lower = (exact // step) * step
    neighbours = [lower, lower + step]
    return min(neighbours, key=lambda value: (abs(value - exact), -abs(value)))


@given(lines_in)
def test_totals_are_sums_of_lines_each_rounded_once(lines: list[OrderLine]) -> None:
    code = lines[0].unit_price.currency_code
    digits = minor_digits(code)
    got = Order("o1", "a1", code, tuple(lines))
    net = tax = Fraction(0)
    for line in lines:
        share = 1 - Fraction(line.discount_percent) / 100
        line_net = half_up(Fraction(line.quantity) * Fraction(line.unit_price.amount) * share, digits)
        net += line_net
        tax += half_up(line_net * Fraction(line.tax_percent) / 100, digits)
    assert (Fraction(got.net.amount), Fraction(got.tax.amount)) == (net, tax)
    assert Fraction(got.gross.amount) == net + tax


def test_a_tie_goes_up_and_nothing_is_lost_to_binary_fractions() -> None:
    assert OrderLine("p", Decimal("0.5"), cny("0.01")).net == cny("0.01")
    assert OrderLine("p", Decimal(1), cny("1.005")).net == cny("1.01")
    assert OrderLine("p", Decimal(3), cny("0.1")).net == cny("0.3")


def test_an_order_without_reasons_to_hold_is_released() -> None:
    placed = order().place((), now=NOW)
    assert (placed.state, placed.place_time) == (OrderState.RELEASED, NOW)


def test_an_order_with_reasons_is_held_until_somebody_lets_it_go() -> None:
    held = order().place([LIMIT], now=NOW)
    assert (held.state, held.hold_reasons) == (OrderState.ON_HOLD, (LIMIT,))
    with pytest.raises(FailedPrecondition, match=r"900\.00 used") as refused:
        held.pay(cny(1))
    assert refused.value.reason == "ORDER_ON_HOLD"
    with pytest.raises(InvalidArgument):
        held.let_go(" ", now=NOW, actor_id="boss")
    released = held.let_go("paid in advance by phone", now=NOW, actor_id="boss")
    assert (released.state, released.hold_reasons) == (OrderState.RELEASED, (LIMIT,))
    assert released.release is not None
    assert released.release.actor_id == "boss"


def test_an_order_whose_credit_could_not_be_checked_is_held() -> None:
    held = order().place(None, now=NOW)
    assert (held.state, held.hold_reasons[0].code) == (OrderState.ON_HOLD, "CREDIT_CHECK_UNAVAILABLE")


def test_an_order_is_placed_once_and_not_empty() -> None:
    with pytest.raises(FailedPrecondition):
        order().place((), now=NOW).place((), now=NOW)
    with pytest.raises(InvalidArgument, match="at least one line"):
        Order("o1", "a1", "CNY", ()).place((), now=NOW)
    with pytest.raises(FailedPrecondition, match="DRAFT"):
        order().pay(cny(1))


@given(st.lists(st.integers(-150, 150), max_size=12))
def test_payments_add_up_whatever_their_order(amounts: list[int]) -> None:
    current = order().place((), now=NOW)
    paid = 0
    for amount in amounts:
        if paid + amount < 0:
            with pytest.raises(FailedPrecondition):
                current.pay(cny(amount))
            continue
        current = current.pay(cny(amount))
        paid += amount
    assert current.paid_amount == cny(paid)
    assert (current.open_amount, current.overpaid_amount) == (cny(max(100 - paid, 0)), cny(max(paid - 100, 0)))
    state = OrderState.RELEASED if not paid else OrderState.PAID if paid >= 100 else OrderState.PARTLY_PAID
    assert current.state is state


def test_what_costs_nothing_is_paid_when_it_is_released() -> None:
    assert order(OrderLine("gift", Decimal(1), cny(0))).place((), now=NOW).state is OrderState.PAID


def test_an_order_is_cancelled_only_before_money_came_in() -> None:
    assert order().place((), now=NOW).cancel("changed their mind").state is OrderState.CANCELLED
    for one in (order(state=OrderState.CANCELLED), order().place((), now=NOW).pay(cny(1))):
        with pytest.raises(FailedPrecondition):
            one.cancel("changed their mind")


def test_an_order_is_in_one_currency() -> None:
    euro = OrderLine("p", Decimal(1), Money(Decimal(1), "EUR"))
    with pytest.raises(InvalidArgument, match=r"lines\[1\]"):
        order(OrderLine("p", Decimal(1), cny(1)), euro)
    with pytest.raises(InvalidArgument, match="currency"):
        order().place((), now=NOW).pay(Money(Decimal(1), "EUR"))


@pytest.mark.parametrize(
    ("quantity", "price", "discount", "tax"),
    [
        ("0", "1", "0", "0"),
        ("1", "-1", "0", "0"),
        ("1", "1", "101", "0"),
        ("1", "1", "0", "-1"),
        ("NaN", "1", "0", "0"),
    ],
)
def test_a_line_that_makes_no_sense_is_refused(quantity: str, price: str, discount: str, tax: str) -> None:
    with pytest.raises(InvalidArgument):
        OrderLine("p", Decimal(quantity), cny(price), Decimal(discount), Decimal(tax))


items_in = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 300)), max_size=6).map(
    lambda rows: [
        OpenItem(f"i{n}", JANUARY + timedelta(days=days), cny(amount)) for n, (days, amount) in enumerate(rows)
    ]
)


@given(items_in, st.integers(1, 1000))
def test_a_payment_goes_coin_by_coin_to_the_oldest_item(items: list[OpenItem], coins: int) -> None:
    """Oracle: put down one coin after the other."""
    left = {item.id: int(item.open_amount.amount) for item in items}
    due = {item.id: (item.due_date, item.id) for item in items}
    got: dict[str, int] = {}
    over = 0
    for _ in range(coins):
        waiting = [id for id, amount in left.items() if amount]
        if not waiting:
            over += 1
            continue
        oldest = min(waiting, key=due.__getitem__)
        left[oldest] -= 1
        got[oldest] = got.get(oldest, 0) + 1
    result = allocate(cny(coins), items)
    assert {share.item_id: share.amount for share in result.shares} == {id: cny(n) for id, n in got.items()}
    assert (result.unallocated, result.still_open) == (cny(over), cny(sum(left.values())))


ITEMS = [OpenItem("old", JANUARY, cny(100)), OpenItem("new", JANUARY + timedelta(days=9), cny(50))]


def test_a_payment_goes_where_it_is_told() -> None:
    told = [Share("new", cny(50)), Share("old", cny(10))]
    assert allocate(cny(70), ITEMS, told) == Allocation(tuple(told), cny(10), cny(90))


@pytest.mark.parametrize(
    "told",
    [
        [Share("none", cny(1))],
        [Share("new", cny(51))],
        [Share("new", cny(30)), Share("new", cny(21))],
        [Share("old", cny(71))],
        [Share("old", cny(0))],
        [Share("old", Money(Decimal(1), "EUR"))],
    ],
)
def test_a_payment_told_to_go_where_it_cannot_is_refused(told: list[Share]) -> None:
    with pytest.raises(InvalidArgument):
        allocate(cny(70), ITEMS, told)


def test_a_payment_is_above_zero_and_in_the_items_currency() -> None:
    for payment in (cny(0), cny(-1), Money(Decimal(1), "EUR")):
        with pytest.raises(InvalidArgument):
            allocate(payment, ITEMS)


def test_a_release_keeps_what_was_paid_before() -> None:
    held = replace(order().place([LIMIT], now=NOW), paid=cny(100))
    assert held.let_go("paid", now=NOW, actor_id="boss").state is OrderState.PAID
