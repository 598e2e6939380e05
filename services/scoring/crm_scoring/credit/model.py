"""Credit limits set by hand, and how much of them is used."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from crm_kit.errors import invalid_field
from crm_kit.money import Money


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account's orders use of a limit in one currency, and since when the oldest unpaid one is due.

    `used` is released and not yet paid plus `reserved`, which is for orders on their way, less what payments have
    left over: below zero for who has paid more than they owe.
    """

    used: Money
    reserved: Money
    oldest_due_date: date | None = None

    def overdue_days(self, today: date) -> int:
        """Of the oldest unpaid order; 0 when none is overdue."""
        return 0 if self.oldest_due_date is None else max((today - self.oldest_due_date).days, 0)


@dataclass(frozen=True, slots=True)
class CreditLimit:
    """The limit of the account `id`; version 0 and no amount while nobody has set one."""

    id: UUID
    amount: Money | None = None
    reason: str | None = None
    set_by_id: UUID | None = None
    version: int = 0
    create_time: datetime | None = None
    update_time: datetime | None = None
    # Computed from the account's orders.
    used: Money | None = None
    reserved: Money | None = None

    @property
    def account_id(self) -> UUID:
        return self.id

    def set(self, amount: Money, reason: str, *, by: UUID, now: datetime) -> "CreditLimit":
        """With another amount, set by somebody for a reason; in version 1 at first. InvalidArgument below zero."""
        if amount.amount < 0:
            raise invalid_field("amount.amount", "not_negative", "must not be negative")
        after = replace(self, amount=amount, reason=reason.strip(), set_by_id=by)
        return after if self.version else replace(after, version=1, create_time=now, update_time=now)

    def with_usage(self, usage: Usage) -> "CreditLimit":
        """With how much of it is used."""
        return replace(self, used=usage.used, reserved=usage.reserved)


class OrderState(StrEnum):
    """What became of an order as far as credit minds it. EXPECTED is paid before it was heard of."""

    EXPECTED = "EXPECTED"
    RESERVED = "RESERVED"
    RELEASED = "RELEASED"
    HELD = "HELD"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class PaymentCredit:
    """What of a payment has paid no order yet, in one of its versions."""

    id: UUID
    account_id: UUID
    version: int
    unallocated_amount: Money


@dataclass(frozen=True, slots=True)
class OrderCredit:
    """An order as far as credit minds it, in one of its versions."""

    id: UUID
    account_id: UUID
    state: OrderState
    version: int
    amount: Money
    due_date: date | None
