"""The rules of approval policies: which row holds for whom, and which rows make a policy."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from crm_kit.approvals.policies.model import ApprovalPolicy, Measured, Mode, Outcome, Party, Row, Step
from crm_kit.errors import InvalidArgument
from crm_kit.money import Money
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.kit.approving import NOBODY, NOW, ROLES, some, steps

amounts = st.none() | st.builds(Money, st.decimals(0, 1000, places=2, allow_nan=False), st.sampled_from(["CNY", "USD"]))
bounds = st.none() | st.builds(
    Money, st.sampled_from([Decimal(0), Decimal(100), Decimal("999.99")]), st.sampled_from(["CNY", "USD"])
)
discounts = st.none() | st.decimals(0, 100, places=4, allow_nan=False)
limits = st.none() | st.sampled_from([Decimal(0), Decimal(15), Decimal("15.0001")])
rows = st.builds(Row, st.sampled_from(Outcome), bounds, some(ROLES, most=2), st.just(()), up_to_discount_percent=limits)


def policy(of: Sequence[Row]) -> ApprovalPolicy:
    return ApprovalPolicy(
        id=NOBODY,
        collection="credit_limits",
        verb="setLimit",
        display_name="x",
        rows=tuple(of),
        create_time=NOW,
        update_time=NOW + timedelta(0),
    )


@given(st.lists(rows, max_size=6), amounts, discounts, some(ROLES))
def test_the_first_row_that_takes_caller_amount_and_discount_holds(
    of: list[Row], amount: Money | None, discount: Decimal | None, role_ids: tuple[UUID, ...]
) -> None:
    last = Row(Outcome.REFUSE)
    expected = last
    for row in reversed(of):
        takes_caller = not row.role_ids or any(id in row.role_ids for id in role_ids)
        takes_amount = row.up_to is None or (
            amount is not None
            and (amount.currency_code, True) == (row.up_to.currency_code, amount.amount <= row.up_to.amount)
        )
        limit = row.up_to_discount_percent
        takes_discount = limit is None or (discount is not None and discount <= limit)
        expected = row if takes_caller and takes_amount and takes_discount else expected
    assert policy([*of, last]).row_for(Measured(amount, discount), role_ids) is expected


@given(st.lists(rows, max_size=6), some(ROLES))
def test_whether_a_policy_may_ask_is_whether_it_asks_for_some_amount(of: list[Row], role_ids: tuple[UUID, ...]) -> None:
    one = policy([*of, Row(Outcome.ALLOW)])
    # Between all bounds, beyond them, and in a currency that none is in.
    amounts = [Money(Decimal(each), code) for each in ("0", "50", "500", "5000") for code in ("CNY", "USD", "EUR")]
    percents = [Decimal(each) for each in ("0", "7", "15", "15.0001", "15.0002", "90")]
    measured = [Measured(amount, percent) for amount in amounts for percent in percents]
    assert one.may_ask(role_ids) == any(one.row_for(each, role_ids).outcome is Outcome.ASK for each in measured)


NAMELESS = (Step(Mode.ANY), Step(Mode.ANY, team_leaders_of=(Party.SUBMITTER,)))
unasked = rows.filter(lambda row: row.outcome is not Outcome.ASK)


@given(st.sampled_from(Outcome), st.lists(steps | st.sampled_from(NAMELESS), max_size=3))
def test_a_row_asks_somebody_in_each_step_or_nobody(outcome: Outcome, of: list[Step]) -> None:
    one = policy([Row(outcome, steps=tuple(of))])
    asks = outcome is Outcome.ASK
    names = [bool(step.user_ids or step.role_ids or step.team_leaders_of) for step in of]
    if asks == bool(of) and all(names):
        assert one.checked() == one
    else:
        with pytest.raises(InvalidArgument):
            one.checked()


@given(st.lists(unasked, min_size=1, max_size=6))
def test_a_policy_has_one_row_for_everybody_and_any_amount_and_it_is_the_last(of: list[Row]) -> None:
    whole = [row.up_to is None and row.up_to_discount_percent is None and not row.role_ids for row in of]
    if whole == [False] * (len(of) - 1) + [True]:
        assert policy(of).checked() == policy(of)
    else:
        with pytest.raises(InvalidArgument):
            policy(of).checked()
