"""The scores of an account, with their reasons."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from crm_kit.money import Money

from crm_scoring.scores.rfm import RfmSegment, RfmUnknown
from crm_scoring.scores.value_tier import TierUnknown, ValueTier


class ReasonCode(StrEnum):
    """What a part of a score is about."""

    RECENCY = "RECENCY"
    FREQUENCY = "FREQUENCY"
    MONETARY = "MONETARY"
    ORDERS = "ORDERS"
    RETURNS = "RETURNS"


@dataclass(frozen=True, slots=True)
class ScoreReason:
    """A part of a score, and what it was judged by: a day, a number of orders or an amount, None for nothing valued.

    Contributions, decimal, add up to the score.
    """

    code: ReasonCode
    judged_by: date | int | Money | None
    contribution: str


@dataclass(frozen=True, slots=True)
class RfmScore:
    """The sum of three quintiles, 0 when unknown, and the segment that they name."""

    value: int
    band: RfmSegment
    reasons: tuple[ScoreReason, ...]
    unknown_reason: RfmUnknown | None


@dataclass(frozen=True, slots=True)
class ValueTierScore:
    """The contribution in the tenant's main currency, None when there is none, and the tier that it comes to."""

    value: Money | None
    band: ValueTier
    reasons: tuple[ScoreReason, ...]
    unknown_reason: TierUnknown | None


@dataclass(frozen=True, slots=True)
class AccountScores:
    """The scores of the account `id`; version 0 while it was never scored.

    Quintiles are 0 and a band is UNKNOWN where the reason says why. Amounts are in the tenant's main currency:
    `ordered` and `returned` are None for who has bought nothing, or some of it in another one.
    """

    id: UUID
    last_order_date: date | None = None
    orders: int = 0
    ordered: Money | None = None
    returned: Money | None = None
    recency: int = 0
    frequency: int = 0
    monetary: int = 0
    segment: RfmSegment = RfmSegment.UNKNOWN
    rfm_unknown_reason: RfmUnknown | None = RfmUnknown.NO_ORDER
    tier: ValueTier = ValueTier.UNKNOWN
    tier_unknown_reason: TierUnknown | None = TierUnknown.NO_CONTRIBUTION
    version: int = 0
    create_time: datetime | None = None
    update_time: datetime | None = None
    # Read beside it: when the tenant was last scored, and the account as it is known here.
    compute_time: datetime | None = field(default=None, compare=False)
    account_name: str | None = field(default=None, compare=False)
    account_owner_id: UUID | None = field(default=None, compare=False)

    @property
    def account_id(self) -> UUID:
        return self.id

    @property
    def rfm(self) -> RfmScore:
        """Recency, frequency and monetary value."""
        return RfmScore(
            value=self.recency + self.frequency + self.monetary,
            band=self.segment,
            reasons=self._rfm_reasons(),
            unknown_reason=self.rfm_unknown_reason,
        )

    @property
    def value_tier(self) -> ValueTierScore:
        """What it contributes."""
        return ValueTierScore(
            value=self._contribution,
            band=self.tier,
            reasons=self._tier_reasons(),
            unknown_reason=self.tier_unknown_reason,
        )

    @property
    def _contribution(self) -> Money | None:
        return None if self.ordered is None or self.returned is None else self.ordered - self.returned

    def _rfm_reasons(self) -> tuple[ScoreReason, ...]:
        if self.rfm_unknown_reason is not None:
            return ()
        return (
            ScoreReason(ReasonCode.RECENCY, self.last_order_date, str(self.recency)),
            ScoreReason(ReasonCode.FREQUENCY, self.orders, str(self.frequency)),
            ScoreReason(ReasonCode.MONETARY, self._contribution, str(self.monetary)),
        )

    def _tier_reasons(self) -> tuple[ScoreReason, ...]:
        if self.ordered is None:
            return ()
        ordered = ScoreReason(ReasonCode.ORDERS, self.ordered, self.ordered.text())
        if not self.returned:
            return (ordered,)
        returned = ScoreReason(ReasonCode.RETURNS, self.returned, (-self.returned).text())
        return (ordered, returned)
