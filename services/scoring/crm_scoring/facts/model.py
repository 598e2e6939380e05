"""What is known of an account, as daily aggregates folded from events.

The fold neither minds the order of events nor repeats: an event belongs to the day it happened, and the day
knows the ids it has counted. So a rebuild from the events gives the same numbers as one event at a time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

NOTHING = Decimal(0)


class FactKind(StrEnum):
    """What an event tells of an account."""

    ORDER = "ORDER"
    RETURN = "RETURN"
    PAYMENT = "PAYMENT"
    INTERACTION = "INTERACTION"
    CASE = "CASE"
    COMPLAINT = "COMPLAINT"
    SURVEY_MARK = "SURVEY_MARK"
    LOGIN = "LOGIN"


@dataclass(frozen=True, slots=True)
class FactEvent:
    """One event of an account; `id` is the event's own, by which a repeat is known.

    Amounts are in `currency_code`, empty for what costs nothing. `amount` is the revenue of an ORDER, the value
    of a RETURN (positive), the money of a PAYMENT; `margin` what the ORDER brought or the RETURN took back (positive);
    `overdue_days` how late a PAYMENT came; `mark` a SURVEY_MARK; `channel` that of an INTERACTION.
    """

    id: str
    account_id: str
    at: datetime
    kind: FactKind
    amount: Decimal = NOTHING
    margin: Decimal = NOTHING
    overdue_days: int = 0
    mark: Decimal = NOTHING
    channel: str = ""
    currency_code: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """What is told of an order, payment or case as of one of its versions; the newest version is the true one.

    `holds` is False when it has been taken back.
    """

    event: FactEvent
    version: int
    holds: bool = True


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts and sums over some days. `margin` is after returns; `overdue_days` are summed over payments."""

    orders: int = 0
    revenue: Decimal = NOTHING
    returns: int = 0
    returned: Decimal = NOTHING
    margin: Decimal = NOTHING
    payments: int = 0
    paid: Decimal = NOTHING
    late_payments: int = 0
    overdue_days: int = 0
    most_overdue_days: int = 0
    cases: int = 0
    complaints: int = 0
    marks: int = 0
    mark_sum: Decimal = NOTHING
    logins: int = 0
    interactions: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            orders=self.orders + other.orders,
            revenue=self.revenue + other.revenue,
            returns=self.returns + other.returns,
            returned=self.returned + other.returned,
            margin=self.margin + other.margin,
            payments=self.payments + other.payments,
            paid=self.paid + other.paid,
            late_payments=self.late_payments + other.late_payments,
            overdue_days=self.overdue_days + other.overdue_days,
            most_overdue_days=max(self.most_overdue_days, other.most_overdue_days),
            cases=self.cases + other.cases,
            complaints=self.complaints + other.complaints,
            marks=self.marks + other.marks,
            mark_sum=self.mark_sum + other.mark_sum,
            logins=self.logins + other.logins,
            interactions={
                channel: self.interactions.get(channel, 0) + other.interactions.get(channel, 0)
                for channel in {**self.interactions, **other.interactions}
            },
        )


@dataclass(frozen=True, slots=True)
class DayFacts:
    """One day's totals and the ids of the events in them."""

    totals: Totals = field(default_factory=Totals)
    event_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """Everything counted of one account in one currency, by day."""

    account_id: str
    days: Mapping[date, DayFacts] = field(default_factory=lambda: MappingProxyType({}))

    def record(self, event: FactEvent, zone: tzinfo = UTC) -> "AccountFacts":
        """With one event more; itself when that event is counted already. ValueError for another's event.

        `zone` says whose days they are and never changes for a tenant.
        """
        day = _day_of(event, self.account_id, zone)
        before = self.days.get(day, DayFacts())
        after = _with_event(before, event)
        return self if after is before else replace(self, days={**self.days, day: after})

    def totals(self, since: date, until: date) -> Totals:
        """Summed over [since, until)."""
        return sum((facts.totals for day, facts in self.days.items() if since <= day < until), Totals())

    def purchase_days(self, until: date) -> list[date]:
        """The days with an order before `until`, in order."""
        return sorted(day for day, facts in self.days.items() if facts.totals.orders and day < until)


@dataclass(frozen=True, slots=True)
class PurchaseStatistics:
    """The sufficient statistics of the purchase models, as Fader and Hardie define them, in days.

    `frequency` (x) is the number of days with a repeat purchase, `recency` (t_x) from the first to the last
    purchase, `age` (T) from the first purchase to the day asked for; `mean_value` is the mean revenue of a
    day with a repeat purchase, None without one.
    """

    frequency: int
    recency: int
    age: int
    mean_value: Decimal | None


def fold(account_id: str, events: Iterable[FactEvent], zone: tzinfo = UTC) -> AccountFacts:
    """The facts from all events of one currency, in any order, each counted once however often it comes."""
    days: dict[date, DayFacts] = {}
    for event in events:
        day = _day_of(event, account_id, zone)
        days[day] = _with_event(days.get(day, DayFacts()), event)
    return AccountFacts(account_id, days)


def fold_by_currency(account_id: str, events: Iterable[FactEvent], zone: tzinfo = UTC) -> dict[str, AccountFacts]:
    """The facts of an account, those of each currency apart: amounts of two currencies do not add."""
    apart: dict[str, list[FactEvent]] = {}
    for event in events:
        apart.setdefault(event.currency_code, []).append(event)
    return {currency_code: fold(account_id, those, zone) for currency_code, those in apart.items()}


def purchase_statistics(facts: AccountFacts, until: date) -> PurchaseStatistics | None:
    """As of the beginning of `until`; None for an account that has never bought."""
    days = facts.purchase_days(until)
    if not days:
        return None
    repeats = [facts.days[day].totals.revenue for day in days[1:]]
    return PurchaseStatistics(
        frequency=len(repeats),
        recency=(days[-1] - days[0]).days,
        age=(until - days[0]).days,
        mean_value=sum(repeats, NOTHING) / len(repeats) if repeats else None,
    )


@dataclass(frozen=True, slots=True)
class OrderStatistics:
    """The part of PurchaseStatistics that no passing of time changes; `repeat_revenue` is that of `repeat_days`."""

    first_order_date: date
    last_order_date: date
    repeat_days: int
    repeat_revenue: Decimal


def order_statistics(revenue_by_day: Mapping[date, Decimal]) -> OrderStatistics | None:
    """From the revenue of each day with an order; None without such a day."""
    if not revenue_by_day:
        return None
    first, last = min(revenue_by_day), max(revenue_by_day)
    repeats = [revenue for day, revenue in revenue_by_day.items() if day > first]
    return OrderStatistics(first, last, len(repeats), sum(repeats, NOTHING))


def day_of(at: datetime, zone: tzinfo = UTC) -> date:
    """The day an instant belongs to."""
    return at.astimezone(zone).date()


def _day_of(event: FactEvent, account_id: str, zone: tzinfo) -> date:
    if event.account_id != account_id:
        raise ValueError(f"event {event.id} is of account {event.account_id}, not of {account_id}")
    return day_of(event.at, zone)


def _with_event(day: DayFacts, event: FactEvent) -> DayFacts:
    if event.id in day.event_ids:
        return day
    return DayFacts(day.totals + _totals_of(event), day.event_ids | {event.id})


def _totals_of(event: FactEvent) -> Totals:
    match event.kind:
        case FactKind.ORDER:
            return Totals(orders=1, revenue=event.amount, margin=event.margin)
        case FactKind.RETURN:
            return Totals(returns=1, returned=event.amount, margin=-event.margin)
        case FactKind.PAYMENT:
            late = max(event.overdue_days, 0)
            return Totals(
                payments=1,
                paid=event.amount,
                late_payments=int(late > 0),
                overdue_days=late,
                most_overdue_days=late,
            )
        case FactKind.INTERACTION:
            return Totals(interactions={event.channel: 1})
        case FactKind.CASE:
            return Totals(cases=1)
        case FactKind.COMPLAINT:
            return Totals(complaints=1)
        case FactKind.SURVEY_MARK:
            return Totals(marks=1, mark_sum=event.mark)
        case FactKind.LOGIN:
            return Totals(logins=1)
