"""The scores of all accounts of a tenant, each relative to the others, from what they bought in a window of days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from crm_kit.money import Money

from crm_scoring.scores.model import AccountScores
from crm_scoring.scores.rfm import MIN_BUYERS, Purchases, Quintiles, RfmSegment, RfmUnknown, score_rfm
from crm_scoring.scores.value_tier import TierThresholds, TierUnknown, ValueTier, score_value_tiers


@dataclass(frozen=True, slots=True)
class ScoringRules:
    """How a tenant is scored."""

    window_days: int = 365
    min_buyers: int = MIN_BUYERS
    thresholds: TierThresholds = field(default_factory=TierThresholds)

    def window(self, today: date) -> tuple[date, date]:
        """The days looked at: from the first to the one before the second."""
        until = today + timedelta(days=1)
        return until - timedelta(days=self.window_days), until


@dataclass(frozen=True, slots=True)
class Business:
    """What an account did in the window, in the main currency.

    `ordered` and `returned` are None unless all of it was: what it is worth in another currency is not known, and the
    rest alone would be told as if it were all.
    """

    account_id: UUID
    last_order_date: date | None = None
    orders: int = 0
    ordered: Money | None = None
    returned: Money | None = None

    @property
    def contribution(self) -> Decimal | None:
        """What it brought after returns."""
        return None if self.ordered is None or self.returned is None else (self.ordered - self.returned).amount

    @property
    def purchases(self) -> Purchases:
        """What quintiles are taken of."""
        return Purchases(self.last_order_date, self.orders, self.contribution)


def score_tenant(
    businesses: Sequence[Business], before: Mapping[UUID, AccountScores], rules: ScoringRules
) -> list[AccountScores]:
    """The scores that are not what they were `before`.

    Accounts that were scored before and have no business in the window any more are among them.
    """
    gone = [Business(id) for id in before.keys() - {one.account_id for one in businesses}]
    everyone = [*businesses, *gone]
    rfm = score_rfm([one.purchases for one in everyone], rules.min_buyers)
    tiers = score_value_tiers([one.contribution for one in everyone], rules.thresholds)
    changed = []
    for business, quintiles, tier in zip(everyone, rfm, tiers, strict=True):
        was = before.get(business.account_id, AccountScores(business.account_id))
        scores = scores_of(business, quintiles, tier, was)
        if scores != was or business.account_id not in before:
            changed.append(scores)
    return changed


def scores_of(
    business: Business, rfm: Quintiles | RfmUnknown, tier: ValueTier | TierUnknown, was: AccountScores
) -> AccountScores:
    """Both scores of an account together, in the place of those that it had."""
    if isinstance(rfm, Quintiles):
        scores = replace(
            was,
            last_order_date=business.last_order_date,
            orders=business.orders,
            recency=rfm.recency,
            frequency=rfm.frequency,
            monetary=rfm.monetary,
            segment=rfm.segment,
            rfm_unknown_reason=None,
        )
    else:
        # What nobody is shown is not kept: it would be written again and again.
        scores = replace(
            was,
            last_order_date=None,
            orders=0,
            recency=0,
            frequency=0,
            monetary=0,
            segment=RfmSegment.UNKNOWN,
            rfm_unknown_reason=rfm,
        )
    if tier is TierUnknown.NO_CONTRIBUTION and business.orders:
        tier = TierUnknown.OTHER_CURRENCY
    return replace(
        scores,
        ordered=business.ordered,
        returned=business.returned,
        tier=tier if isinstance(tier, ValueTier) else ValueTier.UNKNOWN,
        tier_unknown_reason=tier if isinstance(tier, TierUnknown) else None,
    )
