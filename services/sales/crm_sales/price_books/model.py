"""Price books: prices that hold together for somebody, in one currency, from when to when."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from crm_kit.errors import invalid_field, wrong_state
from crm_kit.money import check_currency

from crm_sales.accounts.model import ValueTier


class Audience(StrEnum):
    """For whom prices are, from the least specific to the most."""

    EVERYONE = "EVERYONE"
    VALUE_TIER = "VALUE_TIER"
    ACCOUNT = "ACCOUNT"


class BookState(StrEnum):
    """Whether the prices of a book hold."""

    DRAFT = "DRAFT"
    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Valid from its first day to its last one, both within. Methods return the changed one."""

    id: UUID
    display_name: str
    currency_code: str
    audience: Audience
    valid_from_date: date
    create_time: datetime
    update_time: datetime
    version: int = 1
    value_tier: ValueTier | None = None
    account_id: UUID | None = None
    channel: str | None = None
    valid_to_date: date | None = None
    state: BookState = BookState.DRAFT

    @property
    def place(self) -> str:
        """The same for all books of which one at most is active: nothing would say which of two wins."""
        whom = self.value_tier or self.account_id or ""
        return " ".join([self.currency_code, self.audience, str(whom), self.channel or "", str(self.valid_from_date)])

    def checked(self) -> "PriceBook":
        """The book itself.

        InvalidArgument for a currency that there is not, an audience that is not told or told twice, and a last day
        before the first.
        """
        check_currency(self.currency_code, field="price_book.currency_code")
        for audience, name in ((Audience.VALUE_TIER, "value_tier"), (Audience.ACCOUNT, "account_id")):
            is_told = getattr(self, name) is not None
            if is_told != (self.audience is audience):
                detail = "must not be given" if is_told else "is required"
                raise invalid_field(f"price_book.{name}", "audience", f"{detail} where the audience is {self.audience}")
        if self.valid_to_date is not None and self.valid_to_date < self.valid_from_date:
            detail = f"must not be before {self.valid_from_date}"
            values = {"earliest": self.valid_from_date.isoformat()}
            raise invalid_field("price_book.valid_to_date", "too_early", detail, metadata=values)
        return self

    def activate(self) -> "PriceBook":
        """Its prices hold on the days that it is valid."""
        if self.state is BookState.ACTIVE:
            raise wrong_state("price_book", self.state, "activated", legal=[BookState.DRAFT, BookState.ARCHIVED])
        return replace(self, state=BookState.ACTIVE)

    def archive(self) -> "PriceBook":
        """Its prices hold no more."""
        if self.state is BookState.ARCHIVED:
            raise wrong_state("price_book", self.state, "archived", legal=[BookState.DRAFT, BookState.ACTIVE])
        return replace(self, state=BookState.ARCHIVED)
