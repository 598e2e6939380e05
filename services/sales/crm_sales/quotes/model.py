"""Quotes: what is offered, in versions of which each is frozen once it is no draft any more."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from crm_kit.errors import FailedPrecondition, illegal_state, invalid_field, wrong_state
from crm_kit.money import Money, check_currency

from crm_sales.priced_lines.answers import PricedLine, TaxedAmounts
from crm_sales.priced_lines.model import LineToPrice
from crm_sales.pricing.document import TaxRounding

PLACE = "quote"
ZERO = Decimal(0)
# What a quote comes to until its lines are priced.
UNPRICED = Money.zero("XXX")
# What is changed of a version that is no draft any more.
NOT_CONTENT = frozenset({"owner_id", "owner_team_id"})
# What prices follow from.
PRICED_BY = ("lines", "discount_percent", "discount_amount", "tax_rounding", "prices_include_tax", "channel")


class QuoteState(StrEnum):
    """Where a version stands."""

    DRAFT = "DRAFT"
    APPROVED = "APPROVED"
    SENT = "SENT"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    SUPERSEDED = "SUPERSEDED"


# Of which a next version is made.
REVISABLE = (QuoteState.APPROVED, QuoteState.SENT, QuoteState.REJECTED, QuoteState.EXPIRED)


@dataclass(frozen=True, slots=True)
class Quote:
    """One version of a quote, in one currency. Methods return the changed one.

    `lines` are what was asked for, `priced_lines` and amounts what that comes to by the prices of `pricing_date`.

    A wrong state raises FailedPrecondition ILLEGAL_STATE, and QUOTE_EXPIRED where its last day has passed.
    """

    id: UUID
    display_name: str
    account_id: UUID
    owner_id: UUID
    currency_code: str
    valid_until_date: date
    lines: tuple[LineToPrice, ...]
    pricing_date: date
    create_time: datetime
    update_time: datetime
    # Empty only until it is numbered.
    number: str = ""
    version: int = 1
    version_number: int = 1
    is_current: bool = True
    contact_id: UUID | None = None
    opportunity_id: UUID | None = None
    owner_team_id: UUID | None = None
    channel: str | None = None
    payment_days: int = 30
    introduction: str | None = None
    closing: str | None = None
    terms: str | None = None
    discount_percent: Decimal = ZERO
    discount_amount: Decimal = ZERO
    tax_rounding: TaxRounding = TaxRounding.LINE
    prices_include_tax: bool = False
    priced_lines: tuple[PricedLine, ...] = ()
    rates: tuple[TaxedAmounts, ...] = ()
    document_discount_amount: Money = UNPRICED
    net_amount: Money = UNPRICED
    tax_amount: Money = UNPRICED
    gross_amount: Money = UNPRICED
    cost_amount: Money | None = None
    margin_amount: Money | None = None
    margin_percent: Decimal | None = None
    deepest_discount_percent: Decimal = ZERO
    state: QuoteState = QuoteState.DRAFT
    send_time: datetime | None = None
    close_time: datetime | None = None
    reject_reason: str | None = None
    order_id: UUID | None = None

    def checked(self, *, today: date) -> "Quote":
        """The quote itself. InvalidArgument for a currency that there is not, and a last day that has passed."""
        check_currency(self.currency_code, field=f"{PLACE}.currency_code")
        if self.has_expired(today):
            raise expired_already(f"{PLACE}.valid_until_date", today)
        return self

    def has_expired(self, today: date) -> bool:
        """Whether its last day, on which it can still be accepted, has passed."""
        return self.valid_until_date < today

    def update(self, values: Mapping[str, Any], *, today: date) -> "Quote":
        """With new values of some fields; of what is no draft any more those of its owner alone."""
        if not values.keys() <= NOT_CONTENT:
            self.require_draft("changed")
        after = replace(self, **values)
        return after.checked(today=today) if after.valid_until_date != self.valid_until_date else after

    def is_priced_as(self, other: "Quote") -> bool:
        """Whether what prices follow from is the same."""
        return all(getattr(self, name) == getattr(other, name) for name in PRICED_BY)

    def require_draft(self, done: str) -> None:
        """What only a draft takes."""
        self._require(done, QuoteState.DRAFT)

    def submit(self) -> "Quote":
        """A draft counts as approved, and is frozen."""
        self.require_draft("submitted")
        return replace(self, state=QuoteState.APPROVED)

    def require_sendable(self, *, today: date) -> None:
        """Only the newest version is sent, once it is approved and as long as it can be accepted."""
        self._require("sent", QuoteState.APPROVED)
        self._require_valid(today)

    def send(self, *, now: datetime, today: date) -> "Quote":
        """The customer has it."""
        self.require_sendable(today=today)
        return replace(self, state=QuoteState.SENT, send_time=now)

    def require_acceptable(self, *, today: date) -> None:
        """Only what was sent is accepted; not after its last day, also where nothing has marked that yet."""
        if self.state is QuoteState.EXPIRED:
            raise expired(self.valid_until_date)
        self._require("accepted", QuoteState.SENT)
        self._require_valid(today)

    def accept(self, order_id: UUID, *, now: datetime, today: date) -> "Quote":
        """The customer accepted it, and it became an order."""
        self.require_acceptable(today=today)
        return replace(self, state=QuoteState.ACCEPTED, order_id=order_id, close_time=now)

    def reject(self, reason: str, *, now: datetime) -> "Quote":
        """The customer rejected it."""
        self._require("rejected", QuoteState.SENT)
        return replace(self, state=QuoteState.REJECTED, reject_reason=reason, close_time=now)

    def expire(self, *, now: datetime) -> "Quote":
        """Its last day has passed."""
        self._require("expired", QuoteState.SENT)
        return replace(self, state=QuoteState.EXPIRED, close_time=now)

    def supersede(self, *, now: datetime) -> "Quote":
        """A later version is in its place."""
        self._require("superseded", QuoteState.APPROVED, QuoteState.SENT)
        return replace(self, state=QuoteState.SUPERSEDED, close_time=now)

    def require_revisable(self) -> None:
        """Only the newest version has a next one, once it is no draft and unless it became an order."""
        if not self.is_current:
            values = {"number": self.number, "version_number": self.version_number}
            detail = f"{self.number} has a version after {self.version_number}; the newest one is revised"
            raise illegal_state("quote_revised", detail, **values)
        self._require("revised", *REVISABLE)

    def revised(self, *, now: datetime) -> "Quote":
        """With a next version. One that was sent can still be accepted, until that is sent, too."""
        self.require_revisable()
        before = replace(self, is_current=False)
        return before.supersede(now=now) if self.state is QuoteState.APPROVED else before

    def next_version(self, id: UUID, *, now: datetime, valid_until_date: date | None = None) -> "Quote":
        """The draft after this version, with the same content and prices."""
        return replace(
            self,
            id=id,
            version=1,
            version_number=self.version_number + 1,
            is_current=True,
            state=QuoteState.DRAFT,
            valid_until_date=valid_until_date or self.valid_until_date,
            send_time=None,
            close_time=None,
            reject_reason=None,
            create_time=now,
            update_time=now,
        )

    def _require_valid(self, today: date) -> None:
        if self.has_expired(today):
            raise expired(self.valid_until_date)

    def _require(self, done: str, *legal: QuoteState) -> None:
        if self.state not in legal:
            raise wrong_state(PLACE, self.state, done, legal=legal)


def expired(valid_until_date: date) -> FailedPrecondition:
    """The error for what is not done with a quote after its last day."""
    day = valid_until_date.isoformat()
    detail = f"the quote was valid until {day}: make the next version"
    return FailedPrecondition(detail, reason="QUOTE_EXPIRED", metadata={"valid_until_date": day})


def expired_already(field: str, today: date) -> Exception:
    """The error for a last day that has passed already."""
    day = today.isoformat()
    return invalid_field(field, "too_early", f"must not be before {day}", metadata={"earliest": day})


def quote_number(year: int, sequence: int) -> str:
    """`Q-2027-000123`; numbers over a million get longer. `sequence` counts per tenant and year from 1."""
    return f"Q-{year}-{sequence:06d}"
