from decimal import Decimal
from fractions import Fraction

import pytest
from crm_kit.errors import InvalidArgument
from crm_kit.money import Money
from crm_scoring.credit.rules import CreditDecision, CreditReasonCode, CreditRules, check_credit
from hypothesis import given
from hypothesis import strategies as st

STRICT = CreditRules()


def cny(amount: str | int) -> Money:
    return Money(Decimal(amount), "CNY")


def codes(decision: CreditDecision) -> list[str]:
    return [reason.code for reason in decision.reasons]


def test_an_order_that_fills_the_limit_to_the_cent_goes_out() -> None:
    got = check_credit(cny(1000), cny("900.01"), cny("99.99"), 0, STRICT)
    assert got.approved
    assert codes(got) == ["WITHIN_LIMIT", "NOT_OVERDUE"]


def test_a_cent_more_is_held_with_the_numbers() -> None:
    got = check_credit(cny(1000), cny("900.01"), cny("100.00"), 0, STRICT)
    assert not got.approved
    assert codes(got) == ["CREDIT_LIMIT_EXCEEDED", "NOT_OVERDUE"]
    assert got.reasons[0].explanation == (
        "900.01 CNY used + 100.00 CNY new = 1000.01 CNY, limit 1000.00 CNY: 0.01 CNY too much"
    )


def test_overdue_days_hold_beyond_what_the_rules_allow() -> None:
    rules = CreditRules(max_overdue_days=30)
    assert check_credit(cny(1000), cny(0), cny(1), 30, rules).approved
    got = check_credit(cny(1000), cny(0), cny(1), 31, rules)
    assert not got.approved
    assert got.reasons[1].explanation == "days overdue: 31, allowed: 30"


def test_all_that_holds_is_said_at_once() -> None:
    got = check_credit(cny(0), cny(0), cny(1), 1, STRICT)
    assert codes(got) == ["CREDIT_LIMIT_EXCEEDED", "PAYMENTS_OVERDUE"]
    assert all(reason.holds for reason in got.reasons)


def test_an_account_nobody_assessed_gets_no_credit() -> None:
    got = check_credit(None, cny(0), cny(1), 0, STRICT)
    assert not got.approved
    assert got.reasons[0].code is CreditReasonCode.NO_CREDIT_LIMIT


def test_without_a_limit_the_rules_may_let_everything_pass() -> None:
    rules = CreditRules(unlimited_without_limit=True)
    got = check_credit(None, cny(10**9), cny(1), 0, rules)
    assert (got.approved, codes(got)) == (True, ["NO_LIMIT_SET", "NOT_OVERDUE"])
    assert not check_credit(None, cny(0), cny(1), 1, rules).approved
    assert not check_credit(cny(0), cny(0), cny(1), 0, rules).approved


def test_a_limit_in_another_currency_holds_because_nothing_is_converted() -> None:
    got = check_credit(Money(Decimal(10**6), "EUR"), cny(0), cny(1), 0, STRICT)
    assert not got.approved
    assert codes(got) == ["CREDIT_LIMIT_IN_OTHER_CURRENCY", "NOT_OVERDUE"]


@given(
    st.integers(0, 10**7),
    st.integers(-(10**5), 10**7),
    st.integers(1, 10**7),
    st.integers(0, 120),
    st.decimals(0, 50, places=2),
    st.integers(0, 90),
)
def test_the_decision_is_the_inequality(
    limit: int, used: int, new: int, overdue: int, tolerance: Decimal, allowed: int
) -> None:
    def money(cents: int) -> Money:
        return Money(Decimal(cents).scaleb(-2), "CNY")

    got = check_credit(money(limit), money(used), money(new), overdue, CreditRules(tolerance, allowed))
    within = used + new <= limit * (1 + Fraction(tolerance) / 100)
    assert got.approved == (within and overdue <= allowed)


@given(st.integers(0, 2000), st.integers(0, 2000), st.integers(1, 2000))
def test_a_higher_limit_never_holds_what_a_lower_one_let_go(limit: int, used: int, new: int) -> None:
    if check_credit(cny(limit), cny(used), cny(new), 0, STRICT).approved:
        assert check_credit(cny(limit + 1), cny(used), cny(new), 0, STRICT).approved


@pytest.mark.parametrize("amount", [0, -1])
def test_an_order_that_takes_nothing_is_refused(amount: int) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        check_credit(cny(1), cny(0), cny(amount), 0, STRICT)
    assert [each.field for each in refusal.value.violations] == ["amount"]


def test_amounts_of_two_currencies_do_not_add() -> None:
    with pytest.raises(ValueError, match="EUR"):
        check_credit(cny(1), Money(Decimal(1), "EUR"), cny(1), 0, STRICT)


def test_rules_are_not_negative() -> None:
    with pytest.raises(InvalidArgument):
        CreditRules(max_overdue_days=-1)
    with pytest.raises(InvalidArgument):
        CreditRules(tolerance_percent=Decimal(-1))


def test_a_refusal_says_what_holds_and_an_approval_all_that_was_looked_at() -> None:
    held = check_credit(cny(1), cny(0), cny(2), 0, STRICT)
    assert [each.code for each in held.decisive] == [CreditReasonCode.CREDIT_LIMIT_EXCEEDED]
    passed = check_credit(cny(2), cny(0), cny(2), 0, STRICT)
    assert passed.decisive == passed.reasons
