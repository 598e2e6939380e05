"""The scores of all accounts of a tenant, each relative to the others, from what they bought in a window of days."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from crm_kit.money import Money

from crm_scoring.scores.model import AccountScores, ReasonCode, RfmScore, ScoreReason, ValueTierScore
from crm_scoring.scores.rfm import MIN_BUYERS, Purchases, Quintiles, RfmUnknown, score_rfm
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
    def contribution(self) -> Money | None:
        """What it brought after returns."""
        return None if self.ordered is None or self.returned is None else self.ordered - self.returned

    @property
    def amount(self) -> Decimal | None:
        """The contribution as a number."""
        return None if self.contribution is None else self.contribution.amount

    @property
    def purchases(self) -> Purchases:
        """What quintiles are taken of."""
        return Purchases(self.last_order_date, self.orders, self.amount)


def score_tenant(
    businesses: Sequence[Business], before: Mapping[UUID, AccountScores], rules: ScoringRules
) -> list[AccountScores]:
    """The scores that are not what they were `before`.

    Accounts that were scored before and have no business in the window any more are among them.
    """
    gone = [Business(id) for id in before.keys() - {one.account_id for one in businesses}]
    everyone = [*businesses, *gone]
    rfm = score_rfm([one.purchases for one in everyone], rules.min_buyers)
    tiers = score_value_tiers([one.amount for one in everyone], rules.thresholds)
    changed = []
    for business, quintiles, tier in zip(everyone, rfm, tiers, strict=True):
        was = before.get(business.account_id, AccountScores(business.account_id))
        scores = replace(was, rfm=rfm_score(business, quintiles), value_tier=value_tier_score(business, tier))
        if scores != was or business.account_id not in before:
            changed.append(scores)
    return changed


def rfm_score(business: Business, rfm: Quintiles | RfmUnknown) -> RfmScore:
    """The score that quintiles come to, or why there is none."""
    if isinstance(rfm, RfmUnknown):
        return RfmScore(unknown_reason=rfm)
    reasons = (
        ScoreReason(ReasonCode.RECENCY, str(rfm.recency), order_date=business.last_order_date),
        ScoreReason(ReasonCode.FREQUENCY, str(rfm.frequency), order_count=business.orders),
        ScoreReason(ReasonCode.MONETARY, str(rfm.monetary), amount=business.contribution),
    )
    return RfmScore(rfm.value, rfm.segment, reasons, unknown_reason=None)


def value_tier_score(business: Business, tier: ValueTier | TierUnknown) -> ValueTierScore:
    """What an account contributes, with its tier or with why that is unknown."""
    reasons = tuple(contribution_reasons(business))
    if isinstance(tier, ValueTier):
        return ValueTierScore(business.contribution, tier, reasons, unknown_reason=None)
    if tier is TierUnknown.NO_CONTRIBUTION and business.orders:
        tier = TierUnknown.OTHER_CURRENCY
    return ValueTierScore(business.contribution, reasons=reasons, unknown_reason=tier)


def contribution_reasons(business: Business) -> Iterator[ScoreReason]:
    """The parts that the contribution is made of."""
    ordered, returned = business.ordered, business.returned
    if ordered is not None:
        yield ScoreReason(ReasonCode.ORDERS, ordered.text(), amount=ordered)
        if returned:
            yield ScoreReason(ReasonCode.RETURNS, (-returned).text(), amount=returned)
