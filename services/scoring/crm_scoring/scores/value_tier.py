"""Value tiers: who together brings most of what customers contribute (Pareto), and who costs."""

from collections.abc import Sequence
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


@dataclass(frozen=True, slots=True)
class TierThresholds:
    """Shares of all positive contribution, in percent, at which a tier is full; and how few accounts are too few.

    Raises InvalidArgument unless 0 < key <= major <= standard <= 100.
    """

    key: Decimal = Decimal(80)
    major: Decimal = Decimal(95)
    standard: Decimal = Decimal(99)
    least_accounts: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.key <= self.major <= self.standard <= WHOLE:
            raise invalid_field(
                "thresholds",
                "ascending",
                f"{self.key}, {self.major}, {self.standard} must ascend, above 0 and to 100 at most",
            )
        if self.least_accounts < 1:
            raise invalid_field("thresholds.least_accounts", "positive", f"{self.least_accounts} is not at least 1")


@dataclass(frozen=True, slots=True)
class ContributionPart:
    """A part of a contribution in the tenant's currency, such as `margin of orders` or `cost of service`."""

    name: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Contribution:
    """What an account brought; no parts when nothing is known of it."""

    account_id: str
    parts: tuple[ContributionPart, ...]

    @property
    def amount(self) -> Decimal:
        return sum((part.amount for part in self.parts), Decimal(0))


@dataclass(frozen=True, slots=True)
class ValueTierScore:
    """An account's tier. `reasons` add up to `contribution`.

    `rank` is 1 for the highest contribution, ties sharing one, None when UNKNOWN; `above` is what the accounts
    ranked above it bring, of `everything` that all with a contribution above zero bring.
    """

    account_id: str
    tier: ValueTier
    contribution: Decimal
    reasons: tuple[ContributionPart, ...]
    rank: int | None = None
    above: Decimal = Decimal(0)
    everything: Decimal = Decimal(0)
    unknown_reason: str = ""

    @property
    def share(self) -> Decimal | None:
        """Its part of everything, in percent; None when UNKNOWN or NEGATIVE."""
        return WHOLE * self.contribution / self.everything if self.rank and self.contribution >= 0 else None

    @property
    def explanation(self) -> str:
        """In words, with the numbers. Made when asked for: a batch of a million scores reads few of them."""
        if self.unknown_reason:
            return self.unknown_reason
        if self.tier is ValueTier.NEGATIVE:
            return f"it costs {-self.contribution} more than it brings"
        above = WHOLE * self.above / self.everything
        return f"rank {self.rank} with {self.share:.2f} % of all contribution; those above bring {above:.2f} %"


def score_value_tiers(contributions: Sequence[Contribution], thresholds: TierThresholds) -> list[ValueTierScore]:
    """Tiers of all accounts of a tenant, in the order given.

    An account belongs to the first tier that those above it have not filled, so KEY is the smallest group that
    brings its share; accounts of one contribution stay together. NEGATIVE is below zero, whatever the others do.
    """
    known = [one for one in contributions if one.parts]
    amounts = {one.account_id: one.amount for one in known}
    everything = sum((amount for amount in amounts.values() if amount > 0), Decimal(0))
    too_little = ""
    if len(known) < thresholds.least_accounts:
        too_little = f"{len(known)} accounts with a known contribution; tiers need {thresholds.least_accounts}"
    elif everything == 0:
        too_little = "no account has a contribution above zero"
    places = _places(amounts)
    scores = []
    for one in contributions:
        amount = amounts.get(one.account_id)
        if amount is None:
            scores.append(_unknown(one, Decimal(0), "nothing is known of its contribution"))
        elif too_little and amount >= 0:
            scores.append(_unknown(one, amount, too_little))
        else:
            scores.append(_scored(one, amount, *places[amount], everything, thresholds))
    return scores


def _places(amounts: dict[str, Decimal]) -> dict[Decimal, tuple[int, Decimal]]:
    """For each contribution its rank and the sum of the positive ones above it."""
    places: dict[Decimal, tuple[int, Decimal]] = {}
    above = Decimal(0)
    running = Decimal(0)
    for rank, amount in enumerate(sorted(amounts.values(), reverse=True), start=1):
        if amount not in places:
            above = running
            places[amount] = (rank, above)
        running += max(amount, Decimal(0))
    return places


def _scored(
    one: Contribution, amount: Decimal, rank: int, above: Decimal, everything: Decimal, thresholds: TierThresholds
) -> ValueTierScore:
    tier = ValueTier.NEGATIVE if amount < 0 else _tier(amount, above, everything, thresholds)
    return ValueTierScore(one.account_id, tier, amount, one.parts, rank, above, everything)


def _tier(amount: Decimal, above: Decimal, everything: Decimal, thresholds: TierThresholds) -> ValueTier:
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


def _unknown(one: Contribution, amount: Decimal, why: str) -> ValueTierScore:
    return ValueTierScore(one.account_id, ValueTier.UNKNOWN, amount, one.parts, unknown_reason=why)
