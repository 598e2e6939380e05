"""What is known of an account's business: facts, which events tell, and the days that they are added up on."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from crm_kit.money import Money

NO_CURRENCY = "XXX"
"""The code that ISO 4217 has for what is no matter of money."""


class FactKind(StrEnum):
    """What is told of an account. A RETURN is the part of an order that takes goods back."""

    ORDER = "ORDER"
    RETURN = "RETURN"
    PAYMENT = "PAYMENT"
    CASE = "CASE"
    COMPLAINT = "COMPLAINT"


class Bucket(NamedTuple):
    """Facts that are added up together: those of an account on a day in a currency."""

    account_id: UUID
    day: date
    currency_code: str


@dataclass(frozen=True, slots=True)
class Fact:
    """What an order, payment or case, whose `id` it has, tells as of one of its versions; the newest one is true.

    `amount` is what was ordered, returned or paid, never below zero and before tax where there is any; None for what
    is no matter of money. `day` is that of `occur_time` by the tenant's calendar. `overdue_days` is how late a payment
    came. `holds` is False when it was taken back.
    """

    id: UUID
    kind: FactKind
    version: int
    account_id: UUID
    occur_time: datetime
    day: date
    amount: Money | None = None
    overdue_days: int = 0
    holds: bool = True

    @property
    def bucket(self) -> Bucket:
        """What it is added up with."""
        currency_code = self.amount.currency_code if self.amount else NO_CURRENCY
        return Bucket(self.account_id, self.day, currency_code)
