"""Which of the prices that there are for a product holds, and why the others do not.

Specific beats cheap: a price that was agreed with an account may be dearer than that of a campaign.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from crm_sales.accounts.model import ValueTier
from crm_sales.price_books.model import Audience
from crm_sales.pricing.steps import StepPrice

SPECIFIC = {Audience.ACCOUNT: 0, Audience.VALUE_TIER: 1, Audience.EVERYONE: 2}


class Cause(StrEnum):
    """Why a price was not taken."""

    OTHER_CURRENCY = "OTHER_CURRENCY"
    NOT_YET_VALID = "NOT_YET_VALID"
    EXPIRED = "EXPIRED"
    OTHER_TIER = "OTHER_TIER"
    OTHER_CHANNEL = "OTHER_CHANNEL"
    QUANTITY_BELOW_FIRST_STEP = "QUANTITY_BELOW_FIRST_STEP"
    LESS_SPECIFIC = "LESS_SPECIFIC"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A price in an active book, which is for everyone, for a tier, or for the account that buys."""

    price_id: UUID
    price_book_id: UUID
    currency_code: str
    audience: Audience
    valid_from_date: date
    price: StepPrice
    value_tier: ValueTier | None = None
    channel: str | None = None
    valid_to_date: date | None = None

    @property
    def rank(self) -> tuple[int, bool, int, str]:
        """The lowest wins. No two books are alike in the first three: one of them would not be active."""
        return SPECIFIC[self.audience], self.channel is None, -self.valid_from_date.toordinal(), str(self.price_id)


@dataclass(frozen=True, slots=True)
class Sought:
    """For what a price is looked for; the tier is that of the account that buys, if it is known."""

    currency_code: str
    day: date
    value_tier: ValueTier | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A candidate that was not taken."""

    price_book_id: UUID
    cause: Cause


@dataclass(frozen=True, slots=True)
class Choice:
    """The price that holds, if there is one, and all others in the order of their rank."""

    taken: Candidate | None
    rejected: tuple[Rejected, ...]


def choose(candidates: Sequence[Candidate], sought: Sought, quantity: Decimal) -> Choice:
    """The most specific price that holds for the quantity.

    One that starts at more does not hide a more general one.
    """
    taken: Candidate | None = None
    rejected = []
    for each in sorted(candidates, key=lambda candidate: candidate.rank):
        cause = unfit(each, sought, quantity)
        if cause is None and taken is None:
            taken = each
        else:
            rejected.append(Rejected(each.price_book_id, cause or Cause.LESS_SPECIFIC))
    return Choice(taken, tuple(rejected))


def unfit(candidate: Candidate, sought: Sought, quantity: Decimal) -> Cause | None:
    """Why a price does not hold, whatever others there are; None where it does. Its last day is within its validity."""
    if candidate.currency_code != sought.currency_code:
        return Cause.OTHER_CURRENCY
    if sought.day < candidate.valid_from_date:
        return Cause.NOT_YET_VALID
    if candidate.valid_to_date is not None and candidate.valid_to_date < sought.day:
        return Cause.EXPIRED
    if candidate.audience is Audience.VALUE_TIER and candidate.value_tier is not sought.value_tier:
        return Cause.OTHER_TIER
    if candidate.channel is not None and candidate.channel != sought.channel:
        return Cause.OTHER_CHANNEL
    if candidate.price.step_at(quantity) is None:
        return Cause.QUANTITY_BELOW_FIRST_STEP
    return None
