"""Credit limits set by hand, how much of them is used, and what that means for a new order."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from crm_kit.errors import invalid_field
from crm_kit.etags import check_etag
from crm_kit.money import Money

from crm_scoring.scores.credit import CreditDecision, CreditRules, check_credit


@dataclass(frozen=True, slots=True)
class CreditLimit:
    """The limit of the account `id`; version 0 and no amount while nobody has set one."""

    id: UUID
    amount: Decimal | None = None
    currency_code: str = ""
    reason: str = ""
    set_by_id: UUID | None = None
    version: int = 0
    create_time: datetime | None = None
    update_time: datetime | None = None

    @property
    def money(self) -> Money | None:
        return None if self.amount is None else Money(self.amount, self.currency_code)

    def set(self, limit: Money, reason: str, *, by: UUID, now: datetime, etag: str = "") -> "CreditLimit":
        """With another limit, set by somebody for a reason. InvalidArgument below zero."""
        check_etag(etag, self.version)
        if limit.amount < 0:
            raise invalid_field("limit.amount", "not_negative", f"{limit} is below zero")
        return replace(
            self,
            amount=limit.amount,
            currency_code=limit.currency_code,
            reason=reason.strip(),
            set_by_id=by,
            version=self.version + 1,
            create_time=self.create_time or now,
            update_time=max(now, self.update_time or now),
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account's orders use of a limit in one currency, and since when the oldest unpaid one is due.

    `used` is released and not yet paid plus `reserved`, which is for orders on their way.
    """

    used: Money
    reserved: Money
    oldest_due_date: date | None = None

    def overdue_days(self, today: date) -> int:
        """Of the oldest unpaid order; 0 when none is overdue."""
        return 0 if self.oldest_due_date is None else max((today - self.oldest_due_date).days, 0)


@dataclass(frozen=True, slots=True)
class OrderCredit:
    """An order as far as credit minds it, in one of its versions. `state` is RELEASED, HELD or CANCELLED."""

    id: UUID
    account_id: UUID
    state: str
    version: int
    amount: Money
    due_date: date | None


def decide(limit: CreditLimit, usage: Usage, new: Money, today: date, rules: CreditRules) -> CreditDecision:
    """Whether an order may go out."""
    return check_credit(limit.money, usage.used, new, usage.overdue_days(today), rules)
