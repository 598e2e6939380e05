"""The scores of all accounts of a tenant, from what each bought in a window of days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from crm_scoring.scores.rfm import Purchases, RfmScore, RfmSegment, score_rfm
from crm_scoring.scores.value_tier import (
    Contribution,
    ContributionPart,
    TierThresholds,
    ValueTier,
    ValueTierScore,
    score_value_tiers,
)

NOTHING_KNOWN = "nothing is known of its contribution"


@dataclass(frozen=True, slots=True)
class ScoringRules:
    """How a tenant is scored."""

    window_days: int = 365
    least_buyers: int = 20
    thresholds: TierThresholds = field(default_factory=TierThresholds)

    def window(self, today: date) -> tuple[date, date]:
        """The days looked at: from the first to the one before the second."""
        until = today + timedelta(days=1)
        return until - timedelta(days=self.window_days), until


@dataclass(frozen=True, slots=True)
class Business:
    """What an account did in the window. Orders in any currency count, amounts in the main currency only.

    `valued` are its orders and returns in the main currency.
    """

    account_id: UUID
    last_order_date: date | None = None
    orders: int = 0
    revenue: Decimal = Decimal(0)
    returned: Decimal = Decimal(0)
    valued: int = 0

    @property
    def parts(self) -> tuple[ContributionPart, ...]:
        """Its contribution; none when nothing of it is in the main currency."""
        if not self.valued:
            return ()
        ordered = ContributionPart("orders, net", self.revenue)
        return (ordered, ContributionPart("returns, net", -self.returned)) if self.returned else (ordered,)


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of one account, as they are kept. Quintiles are 0 and bands UNKNOWN where the reason says why."""

    account_id: UUID
    version: int = 0
    last_order_date: date | None = None
    orders: int = 0
    spent: Decimal = Decimal(0)
    recency: int = 0
    frequency: int = 0
    monetary: int = 0
    segment: RfmSegment = RfmSegment.UNKNOWN
    rfm_unknown_reason: str = "nothing is known of its orders"
    tier: ValueTier = ValueTier.UNKNOWN
    contribution: Decimal = Decimal(0)
    parts: tuple[ContributionPart, ...] = ()
    tier_unknown_reason: str = NOTHING_KNOWN
    currency_code: str = ""

    @property
    def rfm(self) -> int:
        """The sum of the quintiles."""
        return self.recency + self.frequency + self.monetary

    def rfm_reasons(self, today: date) -> tuple[tuple[str, int], ...]:
        """The quintiles in words; they add up to `rfm`. None when unknown."""
        if self.last_order_date is None or self.rfm_unknown_reason:
            return ()
        bought = Purchases(str(self.account_id), (today - self.last_order_date).days, self.orders, self.spent)
        score = RfmScore(bought, self.recency, self.frequency, self.monetary, self.segment)
        return tuple(zip(score.reasons, (self.recency, self.frequency, self.monetary), strict=True))


def score_tenant(
    businesses: Sequence[Business], before: Mapping[UUID, Scores], currency_code: str, today: date, rules: ScoringRules
) -> list[Scores]:
    """The scores that are not what they were `before`, each with the version after.

    Accounts that were scored before and have no business in the window any more are among them.
    """
    gone = [Business(id) for id in before.keys() - {one.account_id for one in businesses}]
    everyone = [*businesses, *gone]
    rfm = score_rfm([purchases_of(one, today) for one in everyone], rules.least_buyers)
    contributions = [Contribution(str(one.account_id), one.parts) for one in everyone]
    tiers = score_value_tiers(contributions, rules.thresholds)
    changed = []
    for business, bought, tier in zip(everyone, rfm, tiers, strict=True):
        was = before.get(business.account_id, Scores(business.account_id))
        scores = scores_of(business, bought, tier, currency_code, was.version)
        if scores != was:
            changed.append(replace(scores, version=was.version + 1))
    return changed


def purchases_of(business: Business, today: date) -> Purchases:
    """What quintiles are taken of."""
    last = business.last_order_date
    return Purchases(
        account_id=str(business.account_id),
        recency_days=None if last is None else (today - last).days,
        frequency=business.orders,
        monetary=business.revenue - business.returned,
    )


def scores_of(business: Business, rfm: RfmScore, tier: ValueTierScore, currency_code: str, version: int) -> Scores:
    """Both scores of an account together."""
    unknown = tier.unknown_reason
    if business.orders and not business.valued:
        unknown = f"its orders are not in {currency_code}, and amounts are not converted"
    return Scores(
        account_id=business.account_id,
        version=version,
        last_order_date=business.last_order_date,
        orders=business.orders,
        spent=rfm.purchases.monetary,
        recency=rfm.recency,
        frequency=rfm.frequency,
        monetary=rfm.monetary,
        segment=rfm.segment,
        rfm_unknown_reason=rfm.unknown_reason,
        tier=tier.tier,
        contribution=tier.contribution,
        parts=tier.reasons,
        tier_unknown_reason=unknown,
        currency_code=currency_code,
    )
