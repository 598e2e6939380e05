from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from crm_scoring.facts.model import (
    AccountFacts,
    FactEvent,
    FactKind,
    Totals,
    fold,
    fold_by_currency,
    purchase_statistics,
)
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2026, 1, 1, tzinfo=UTC)
TODAY = date(2026, 3, 1)

amounts = st.decimals(0, 10**6, places=2)
event_values = st.builds(
    FactEvent,
    id=st.just(""),
    account_id=st.just("a1"),
    at=st.timedeltas(timedelta(), timedelta(days=80)).map(lambda since: START + since),
    kind=st.sampled_from(FactKind),
    amount=amounts,
    margin=st.decimals(-1000, 10**6, places=2),
    overdue_days=st.integers(-5, 90),
    mark=st.decimals(1, 5, places=0),
    channel=st.sampled_from(["CALL", "EMAIL"]),
)
histories = st.lists(event_values, max_size=25).map(
    lambda events: [replace(event, id=f"e{number}") for number, event in enumerate(events)]
)


@given(histories, st.data())
def test_late_and_repeated_events_do_no_harm(events: list[FactEvent], data: st.DataObject) -> None:
    repeated = [*events, *data.draw(st.lists(st.sampled_from(events), max_size=10) if events else st.just([]))]
    shuffled = data.draw(st.permutations(repeated))
    one_by_one = AccountFacts("a1")
    for event in shuffled:
        one_by_one = one_by_one.record(event)
    assert one_by_one == fold("a1", events) == fold("a1", shuffled)


def test_a_repeated_event_changes_nothing_at_all() -> None:
    order = FactEvent("e1", "a1", START, FactKind.ORDER, Decimal(10))
    facts = AccountFacts("a1").record(order)
    assert facts.record(order) is facts


@given(histories, st.integers(0, 80), st.integers(0, 80))
def test_totals_are_what_counting_the_events_of_the_days_gives(events: list[FactEvent], first: int, last: int) -> None:
    since, until = START.date() + timedelta(days=first), START.date() + timedelta(days=last)
    seen = [event for event in events if since <= event.at.date() < until]

    def of(kind: FactKind) -> list[FactEvent]:
        return [event for event in seen if event.kind is kind]

    late = [event.overdue_days for event in of(FactKind.PAYMENT) if event.overdue_days > 0]
    assert fold("a1", events).totals(since, until) == Totals(
        orders=len(of(FactKind.ORDER)),
        revenue=sum((event.amount for event in of(FactKind.ORDER)), Decimal(0)),
        returns=len(of(FactKind.RETURN)),
        returned=sum((event.amount for event in of(FactKind.RETURN)), Decimal(0)),
        margin=sum((event.margin for event in of(FactKind.ORDER)), Decimal(0))
        - sum((event.margin for event in of(FactKind.RETURN)), Decimal(0)),
        payments=len(of(FactKind.PAYMENT)),
        paid=sum((event.amount for event in of(FactKind.PAYMENT)), Decimal(0)),
        late_payments=len(late),
        overdue_days=sum(late),
        most_overdue_days=max(late, default=0),
        cases=len(of(FactKind.CASE)),
        complaints=len(of(FactKind.COMPLAINT)),
        marks=len(of(FactKind.SURVEY_MARK)),
        mark_sum=sum((event.mark for event in of(FactKind.SURVEY_MARK)), Decimal(0)),
        logins=len(of(FactKind.LOGIN)),
        interactions=dict(Counter(event.channel for event in of(FactKind.INTERACTION))),
    )


@given(histories, st.lists(st.sampled_from(["CNY", "USD", ""]), min_size=25, max_size=25))
def test_amounts_of_two_currencies_never_add(events: list[FactEvent], currencies: list[str]) -> None:
    mixed = [replace(event, currency_code=code) for event, code in zip(events, currencies, strict=False)]
    apart = fold_by_currency("a1", mixed)
    assert set(apart) == {event.currency_code for event in mixed}
    for code, facts in apart.items():
        revenue = sum(
            (event.amount for event in mixed if event.kind is FactKind.ORDER and event.currency_code == code),
            Decimal(0),
        )
        assert facts.totals(date.min, date.max).revenue == revenue


@given(histories)
def test_purchase_statistics_are_those_of_the_distinct_days_of_orders(events: list[FactEvent]) -> None:
    orders = [event for event in events if event.kind is FactKind.ORDER and event.at.date() < TODAY]
    got = purchase_statistics(fold("a1", events), TODAY)
    if not orders:
        assert got is None
        return
    first, last = min(event.at.date() for event in orders), max(event.at.date() for event in orders)
    repeats = [event for event in orders if event.at.date() > first]
    days = len({event.at.date() for event in repeats})
    assert got is not None
    assert (got.frequency, got.recency, got.age) == (days, (last - first).days, (TODAY - first).days)
    if days:
        exact = sum((Fraction(event.amount) for event in repeats), Fraction(0)) / days
        assert got.mean_value is not None
        assert abs(Fraction(got.mean_value) - exact) < Fraction(1, 10**12)
    else:
        assert got.mean_value is None


def test_the_day_is_that_of_the_tenants_zone() -> None:
    evening = FactEvent("e1", "a1", datetime(2026, 1, 1, 17, tzinfo=UTC), FactKind.LOGIN)
    assert list(fold("a1", [evening], ZoneInfo("Asia/Shanghai")).days) == [date(2026, 1, 2)]


def test_the_event_of_another_account_is_refused() -> None:
    with pytest.raises(ValueError, match="a2"):
        AccountFacts("a1").record(FactEvent("e1", "a2", START, FactKind.LOGIN))
