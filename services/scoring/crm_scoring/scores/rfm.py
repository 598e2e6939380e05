"""Recency, frequency, monetary value: quintiles within a tenant, and the eleven segments they name.

The method is that of A. M. Hughes, Strategic Database Marketing (1994); the names of the segments and their
places on the grid of recency against frequency-and-value are those in common use in the field.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from crm_scoring.facts.model import AccountFacts

QUINTILES = 5


class RfmSegment(StrEnum):
    """What kind of buyer an account is; UNKNOWN when there is too little to say."""

    UNKNOWN = "UNKNOWN"
    CHAMPIONS = "CHAMPIONS"
    LOYAL_CUSTOMERS = "LOYAL_CUSTOMERS"
    POTENTIAL_LOYALISTS = "POTENTIAL_LOYALISTS"
    NEW_CUSTOMERS = "NEW_CUSTOMERS"
    PROMISING = "PROMISING"
    NEED_ATTENTION = "NEED_ATTENTION"
    ABOUT_TO_SLEEP = "ABOUT_TO_SLEEP"
    AT_RISK = "AT_RISK"
    CANNOT_LOSE_THEM = "CANNOT_LOSE_THEM"
    HIBERNATING = "HIBERNATING"
    LOST = "LOST"


_S = RfmSegment
# A row for each recency from 1 to 5, in it a segment for each mean of frequency and monetary from 1 to 5.
SEGMENTS: tuple[tuple[RfmSegment, ...], ...] = (
    (_S.LOST, _S.LOST, _S.AT_RISK, _S.AT_RISK, _S.CANNOT_LOSE_THEM),
    (_S.HIBERNATING, _S.HIBERNATING, _S.AT_RISK, _S.AT_RISK, _S.CANNOT_LOSE_THEM),
    (_S.ABOUT_TO_SLEEP, _S.ABOUT_TO_SLEEP, _S.NEED_ATTENTION, _S.LOYAL_CUSTOMERS, _S.LOYAL_CUSTOMERS),
    (_S.PROMISING, _S.POTENTIAL_LOYALISTS, _S.POTENTIAL_LOYALISTS, _S.LOYAL_CUSTOMERS, _S.LOYAL_CUSTOMERS),
    (_S.NEW_CUSTOMERS, _S.POTENTIAL_LOYALISTS, _S.POTENTIAL_LOYALISTS, _S.CHAMPIONS, _S.CHAMPIONS),
)


@dataclass(frozen=True, slots=True)
class Purchases:
    """What an account bought in the window: days since the last order (None: no order), orders, revenue."""

    account_id: str
    recency_days: int | None
    frequency: int
    monetary: Decimal


@dataclass(frozen=True, slots=True)
class RfmScore:
    """Quintiles from 1 (worst) to 5 (best), 0 when UNKNOWN; `unknown_reason` says why it is."""

    purchases: Purchases
    recency: int
    frequency: int
    monetary: int
    segment: RfmSegment
    unknown_reason: str = ""

    @property
    def account_id(self) -> str:
        return self.purchases.account_id

    @property
    def reasons(self) -> tuple[str, ...]:
        """In words, with the numbers. Made when asked for: a batch of a million scores reads few of them."""
        if self.unknown_reason:
            return (self.unknown_reason,)
        return (
            f"last order {self.purchases.recency_days} days ago: {self.recency} of {QUINTILES}",
            f"{self.purchases.frequency} orders: {self.frequency} of {QUINTILES}",
            f"{self.purchases.monetary} spent: {self.monetary} of {QUINTILES}",
        )


def purchases_of(facts: AccountFacts, as_of: date, window_days: int) -> Purchases:
    """An account's purchases on the `window_days` days up to and including `as_of`; monetary after returns."""
    until = as_of + timedelta(days=1)
    since = until - timedelta(days=window_days)
    totals = facts.totals(since, until)
    last = max((day for day in facts.purchase_days(until) if day >= since), default=None)
    return Purchases(
        facts.account_id,
        None if last is None else (as_of - last).days,
        totals.orders,
        totals.revenue - totals.returned,
    )


def score_rfm(purchases: Sequence[Purchases], least_buyers: int = 20) -> list[RfmScore]:
    """Scores all accounts of a tenant against each other, in the order given.

    Fewer than `least_buyers` accounts with an order, or an account without one, is UNKNOWN.
    """
    buyers = [one for one in purchases if one.recency_days is not None]
    if len(buyers) < least_buyers:
        few = f"{len(buyers)} accounts bought in the window; quintiles need {least_buyers}"
        return [_unknown(one, few) for one in purchases]
    recency = quintiles(-(one.recency_days or 0) for one in buyers)
    frequency = quintiles(one.frequency for one in buyers)
    monetary = quintiles(one.monetary for one in buyers)
    return [
        _unknown(one, "no order in the window")
        if one.recency_days is None
        else _scored(one, recency[-one.recency_days], frequency[one.frequency], monetary[one.monetary])
        for one in purchases
    ]


_Value = TypeVar("_Value", int, Decimal)


def quintiles(values: Iterable[_Value]) -> dict[_Value, int]:
    """The quintile, 1 for the lowest to 5, of each value: that of the middle of its ties.

    Ties share the mean of their places, so they stay together and turning the order round turns the scores.
    """
    counts = Counter(values)
    places = counts.total()
    scores, below = {}, 0
    for value in sorted(counts):
        ties = counts[value]
        scores[value] = 1 + QUINTILES * (2 * below + ties) // (2 * places)
        below += ties
    return scores


def segment_of(recency: int, frequency: int, monetary: int) -> RfmSegment:
    """The segment of three quintiles; frequency and monetary count by their mean, a half rounded up."""
    return SEGMENTS[recency - 1][(frequency + monetary + 1) // 2 - 1]


def _scored(one: Purchases, recency: int, frequency: int, monetary: int) -> RfmScore:
    return RfmScore(one, recency, frequency, monetary, segment_of(recency, frequency, monetary))


def _unknown(one: Purchases, why: str) -> RfmScore:
    return RfmScore(one, 0, 0, 0, RfmSegment.UNKNOWN, why)
