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
    """A part of a score, and what it was judged by: a day, a number of orders or an amount.

    Contributions, decimal, add up to the score.
    """

    code: ReasonCode
    contribution: str
    order_date: date | None = None
    order_count: int | None = None
    amount: Money | None = None


@dataclass(frozen=True, slots=True)
class RfmScore:
    """The sum of three quintiles, None when unknown, and the segment that they name."""

    value: int | None = None
    band: RfmSegment = RfmSegment.UNKNOWN
    reasons: tuple[ScoreReason, ...] = ()
    unknown_reason: RfmUnknown | None = RfmUnknown.NO_ORDER


@dataclass(frozen=True, slots=True)
class ValueTierScore:
    """The contribution in the tenant's main currency, None when unknown, and the tier that it comes to."""

    value: Money | None = None
    band: ValueTier = ValueTier.UNKNOWN
    reasons: tuple[ScoreReason, ...] = ()
    unknown_reason: TierUnknown | None = TierUnknown.NO_CONTRIBUTION


@dataclass(frozen=True, slots=True)
class AccountScores:
    """The scores of the account `id`; version 0 while it was never scored."""

    id: UUID
    rfm: RfmScore = RfmScore()
    value_tier: ValueTierScore = ValueTierScore()
    version: int = 0
    create_time: datetime | None = None
    update_time: datetime | None = None
    # Read beside them: when the tenant was last scored, and whose the account is.
    compute_time: datetime | None = field(default=None, compare=False)
    account_owner_id: UUID | None = field(default=None, compare=False)

    @property
    def account_id(self) -> UUID:
        return self.id
