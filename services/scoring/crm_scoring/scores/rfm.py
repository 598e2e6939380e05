"""Recency, frequency, monetary value: quintiles within a tenant, and the eleven segments they name.

The method is that of A. M. Hughes, Strategic Database Marketing (1994); the names of the segments and their
places on the grid of recency against frequency-and-value are those in common use in the field.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

QUINTILES = 5
MIN_BUYERS = 20


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


class RfmUnknown(StrEnum):
    """Why there is too little to say."""

    NO_ORDER = "NO_ORDER"
    OTHER_CURRENCY = "OTHER_CURRENCY"
    TOO_FEW_BUYERS = "TOO_FEW_BUYERS"


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
    """What an account bought in the window: the day of the last order, None without any, and `spent` after returns.

    `spent` is None unless all of it was in the main currency: what it is worth beside others is not known.
    """

    last_order_date: date | None = None
    orders: int = 0
    spent: Decimal | None = None

    @property
    def unknown(self) -> RfmUnknown | None:
        """Why it cannot be put beside others."""
        if self.last_order_date is None:
            return RfmUnknown.NO_ORDER
        return RfmUnknown.OTHER_CURRENCY if self.spent is None else None


@dataclass(frozen=True, slots=True)
class Quintiles:
    """From 1, least, to 5, best."""

    recency: int
    frequency: int
    monetary: int

    @property
    def value(self) -> int:
        """All three together, from 3 to 15."""
        return self.recency + self.frequency + self.monetary

    @property
    def segment(self) -> RfmSegment:
        """What they name; frequency and monetary count by their mean, a half rounded up."""
        return SEGMENTS[self.recency - 1][(self.frequency + self.monetary + 1) // 2 - 1]


def score_rfm(purchases: Sequence[Purchases], min_buyers: int = MIN_BUYERS) -> list[Quintiles | RfmUnknown]:
    """The quintiles of all accounts of a tenant against each other, in the order given, or why they are unknown.

    With fewer than `min_buyers` accounts that can be put beside each other nothing is said of any.
    """
    buyers = [(one.last_order_date, one.orders, one.spent) for one in purchases if one.unknown is None]
    if len(buyers) < min_buyers:
        return [one.unknown or RfmUnknown.TOO_FEW_BUYERS for one in purchases]
    recency = quintiles(day for day, _, _ in buyers if day is not None)
    frequency = quintiles(orders for _, orders, _ in buyers)
    monetary = quintiles(spent for _, _, spent in buyers if spent is not None)

    def scored(one: Purchases) -> Quintiles | RfmUnknown:
        if one.last_order_date is None or one.spent is None:
            return one.unknown or RfmUnknown.NO_ORDER
        return Quintiles(recency[one.last_order_date], frequency[one.orders], monetary[one.spent])

    return [scored(one) for one in purchases]


_Value = TypeVar("_Value", int, Decimal, date)


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
