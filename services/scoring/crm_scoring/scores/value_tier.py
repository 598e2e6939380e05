"""Value tiers: who together brings most of what customers contribute (Pareto), and who costs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from crm_kit.errors import invalid_field

WHOLE = Decimal(100)


class ValueTier(StrEnum):
    """KEY together bring 80 %, MAJOR and STANDARD the next parts, SMALL the rest; NEGATIVE cost money."""

    UNKNOWN = "UNKNOWN"
    KEY = "KEY"
    MAJOR = "MAJOR"
    STANDARD = "STANDARD"
    SMALL = "SMALL"
    NEGATIVE = "NEGATIVE"


class TierUnknown(StrEnum):
    """Why there is too little to say."""

    NO_CONTRIBUTION = "NO_CONTRIBUTION"
    OTHER_CURRENCY = "OTHER_CURRENCY"
    TOO_FEW_ACCOUNTS = "TOO_FEW_ACCOUNTS"
    NONE_POSITIVE = "NONE_POSITIVE"


@dataclass(frozen=True, slots=True)
class TierThresholds:
    """Shares of all positive contribution, in percent, at which a tier is full; and how few accounts are too few.

    Raises InvalidArgument unless 0 < key <= major <= standard <= 100.
    """

    key: Decimal = Decimal(80)
    major: Decimal = Decimal(95)
    standard: Decimal = Decimal(99)
    min_accounts: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.key <= self.major <= self.standard <= WHOLE:
            detail = f"{self.key}, {self.major}, {self.standard} must ascend from above 0 to at most 100"
            raise invalid_field("thresholds", "ascending", detail)
        if self.min_accounts < 1:
            raise invalid_field("thresholds.min_accounts", "positive", "must be at least 1")


def score_value_tiers(
    contributions: Sequence[Decimal | None], thresholds: TierThresholds
) -> list[ValueTier | TierUnknown]:
    """The tiers of all accounts of a tenant, in the order given, or why they are unknown.

    An account belongs to the first tier that those above it have not filled, so KEY is the smallest group that
    brings its share; accounts of one contribution stay together. NEGATIVE is below zero, whatever the others do.
    None is an account of whose contribution nothing is known.
    """
    known = [amount for amount in contributions if amount is not None]
    everything = sum((amount for amount in known if amount > 0), Decimal(0))
    too_little: TierUnknown | None = None
    if len(known) < thresholds.min_accounts:
        too_little = TierUnknown.TOO_FEW_ACCOUNTS
    elif everything == 0:
        too_little = TierUnknown.NONE_POSITIVE
    above = sums_above(known)

    def tier_of(amount: Decimal | None) -> ValueTier | TierUnknown:
        if amount is None:
            return TierUnknown.NO_CONTRIBUTION
        if amount < 0:
            return ValueTier.NEGATIVE
        return too_little or filled_tier(amount, above[amount], everything, thresholds)

    return [tier_of(amount) for amount in contributions]


def sums_above(amounts: Iterable[Decimal]) -> dict[Decimal, Decimal]:
    """For each contribution the sum of the positive ones that are higher."""
    above: dict[Decimal, Decimal] = {}
    running = Decimal(0)
    for amount in sorted(amounts, reverse=True):
        above.setdefault(amount, running)
        running += max(amount, Decimal(0))
    return above


def filled_tier(amount: Decimal, above: Decimal, everything: Decimal, thresholds: TierThresholds) -> ValueTier:
    """The first tier that what stands above the amount has not filled."""
    if amount == 0:
        return ValueTier.SMALL
    for threshold, tier in (
        (thresholds.key, ValueTier.KEY),
        (thresholds.major, ValueTier.MAJOR),
        (thresholds.standard, ValueTier.STANDARD),
    ):
        if above * WHOLE < threshold * everything:
            return tier
    return ValueTier.SMALL
