from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from crm_kit.errors import FailedPrecondition, InvalidArgument
from crm_kit.money import Money, minor_digits
from crm_sales.credit.model import CreditDecision, CreditReason
from crm_sales.orders.model import HoldReason, Order, OrderLine, OrderState, hold_reasons
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
BOSS = UUID(int=1)
LIMIT = HoldReason("CREDIT_LIMIT_EXCEEDED", "900.00 used + 200.00 new is more than the limit of 1000.00 CNY")


def cny(amount: str | int) -> Money:
    return Money(Decimal(amount), "CNY")


def order(
    *lines: OrderLine, state: OrderState = OrderState.DRAFT, currency_code: str = "CNY", paid: str = "0"
) -> Order:
    return Order(
        id=UUID(int=2),
        account_id=UUID(int=3),
        currency_code=currency_code,
        lines=lines or (OrderLine("boiler", Decimal(2), cny("50.00")),),
        payment_days=30,
        paid_amount=Money(Decimal(paid), currency_code),
        owner_id=BOSS,
        create_time=NOW,
        update_time=NOW,
        state=state,
    )


quantities = st.decimals("-1000", "1000", places=3).filter(bool)
prices = st.decimals(0, 10**6, places=4)
percents = st.decimals(0, 100, places=2)
lines_in = st.sampled_from(["CNY", "JPY", "BHD"]).flatmap(
    lambda code: st.lists(
        st.builds(
            OrderLine,
            product=st.just("p"),
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
    got = order(*lines, currency_code=code)
    net = tax = Fraction(0)
    for line in lines:
        share = 1 - Fraction(line.discount_percent) / 100
        line_net = half_up(Fraction(line.quantity) * Fraction(line.unit_price.amount) * share, digits)
        net += line_net
        tax += half_up(line_net * Fraction(line.tax_percent) / 100, digits)
    assert (Fraction(got.net_amount.amount), Fraction(got.tax_amount.amount)) == (net, tax)
    assert Fraction(got.gross_amount.amount) == net + tax


def test_a_tie_goes_up_and_nothing_is_lost_to_binary_fractions() -> None:
    assert OrderLine("p", Decimal("0.5"), cny("0.01")).net_amount == cny("0.01")
    assert OrderLine("p", Decimal(1), cny("1.005")).net_amount == cny("1.01")
    assert OrderLine("p", Decimal(3), cny("0.1")).net_amount == cny("0.3")


def test_an_order_without_reasons_to_hold_is_released_and_due_after_its_payment_days() -> None:
    placed = order().place((), now=NOW, today=NOW.date())
    assert (placed.state, placed.place_time, placed.due_date) == (OrderState.RELEASED, NOW, date(2026, 4, 1))


def test_an_order_with_reasons_is_on_hold_until_it_is_released() -> None:
    held = order().place((LIMIT,), now=NOW, today=NOW.date())
    assert (held.state, held.hold_reasons) == (OrderState.ON_HOLD, (LIMIT,))
    with pytest.raises(FailedPrecondition, match=r"on hold: CREDIT_LIMIT_EXCEEDED$") as refused:
        held.pay(cny(1))
    assert refused.value.reason == "ORDER_ON_HOLD"
    later = NOW + timedelta(hours=1)
    released = held.release_hold("paid in advance by phone", now=later, actor_id=BOSS)
    assert (released.state, released.hold_reasons, released.place_time) == (OrderState.RELEASED, (LIMIT,), NOW)
    assert released.release is not None
    assert (released.release.actor_id, released.release.release_time) == (BOSS, later)


def test_a_refused_credit_holds_for_each_of_its_reasons_and_no_answer_holds_too() -> None:
    assert hold_reasons(CreditDecision(True, (CreditReason("WITHIN_LIMIT", "well within"),))) == ()
    found = (CreditReason("CREDIT_LIMIT_EXCEEDED", "too much", {"new": "2"}), CreditReason("PAYMENTS_OVERDUE", "late"))
    assert hold_reasons(CreditDecision(False, found)) == (
        HoldReason("CREDIT_LIMIT_EXCEEDED", "too much", {"new": "2"}),
        HoldReason("PAYMENTS_OVERDUE", "late"),
    )
    assert [each.code for each in hold_reasons(CreditDecision(False))] == ["CREDIT_REFUSED"]
    assert [each.code for each in hold_reasons(None)] == ["CREDIT_CHECK_UNAVAILABLE"]


def test_an_order_is_placed_once_and_paid_only_after_that() -> None:
    with pytest.raises(FailedPrecondition):
        order().place((), now=NOW, today=NOW.date()).place((), now=NOW, today=NOW.date())
    with pytest.raises(FailedPrecondition, match="DRAFT"):
        order().pay(cny(1))


@given(st.lists(st.integers(1, 150), max_size=6))
def test_payments_add_up(amounts: list[int]) -> None:
    current = order().place((), now=NOW, today=NOW.date())
    for amount in amounts:
        current = current.pay(cny(amount))
    paid = sum(amounts)
    assert (current.paid_amount, current.open_amount) == (cny(paid), cny(max(100 - paid, 0)))
    state = OrderState.RELEASED if not paid else OrderState.PAID if paid >= 100 else OrderState.PARTLY_PAID
    assert current.state is state


def test_what_costs_nothing_is_paid_when_it_is_placed() -> None:
    assert order(OrderLine("gift", Decimal(1), cny(0))).place((), now=NOW, today=NOW.date()).state is OrderState.PAID


def test_an_order_is_cancelled_only_before_money_came_in() -> None:
    cancelled = order().place((), now=NOW, today=NOW.date()).cancel("changed their mind")
    assert (cancelled.state, cancelled.cancel_reason) == (OrderState.CANCELLED, "changed their mind")
    for one in (cancelled, order().place((), now=NOW, today=NOW.date()).pay(cny(1))):
        with pytest.raises(FailedPrecondition):
            one.cancel("changed their mind")


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (OrderLine("p", Decimal(0), cny(1)), "quantity"),
        (OrderLine("p", Decimal(1), cny(-1)), "unit_price"),
        (OrderLine("p", Decimal(1), Money(Decimal(1), "EUR")), "unit_price.currency_code"),
        (OrderLine("p", Decimal(1), cny(1), Decimal(101)), "discount_percent"),
    ],
)
def test_a_line_that_does_not_fit_is_refused_by_its_place(line: OrderLine, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        order(OrderLine("p", Decimal(1), cny(1)), line)
    assert [violation.field for violation in refused.value.violations] == [f"order.lines[1].{field}"]


@given(st.lists(st.integers(1, 150), max_size=6), st.integers(1, 150))
def test_what_is_taken_back_right_after_it_was_paid_leaves_the_order_as_it_was(before: list[int], amount: int) -> None:
    current = order().place((), now=NOW, today=NOW.date())
    for paid in before:
        current = current.pay(cny(paid))
    assert current.pay(cny(amount)).take_back(cny(amount)) == current


def test_nothing_is_open_before_an_order_is_released_and_after_it_is_cancelled() -> None:
    assert order().open_amount == order().place((LIMIT,), now=NOW, today=NOW.date()).open_amount == cny(0)
    assert order().place((), now=NOW, today=NOW.date()).cancel("x").open_amount == cny(0)
