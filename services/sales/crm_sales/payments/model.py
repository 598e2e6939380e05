"""A payment: money that came in, and what it paid. It never changes."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from crm_kit.money import Money


@dataclass(frozen=True, slots=True)
class PaymentAllocation:
    """What of a payment went to one order, and what stayed open on it."""

    order_id: UUID
    amount: Money
    due_date: date
    open_amount: Money


@dataclass(frozen=True, slots=True)
class Payment:
    """Money from an account, allocated to orders; `unallocated_amount` is what was more than they had open."""

    id: UUID
    account_id: UUID
    amount: Money
    receive_time: datetime
    allocations: tuple[PaymentAllocation, ...]
    unallocated_amount: Money
    owner_id: UUID
    create_time: datetime
    update_time: datetime
    version: int = 1
    owner_team_id: UUID | None = None
    order_id: UUID | None = None
    reference: str | None = None
