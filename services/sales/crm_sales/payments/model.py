"""A payment: money that came in, and what it paid. It never changes."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from crm_kit.money import Money


@dataclass(frozen=True, slots=True)
class Paid:
    """What of a payment went to one order, and what stayed open on it."""

    order_id: str
    amount: Money
    due_date: date
    open_amount: Money


@dataclass(frozen=True, slots=True)
class Payment:
    """Money from an account, divided; `unallocated` is what no open order was there for."""

    id: UUID
    account_id: str
    amount: Money
    receive_time: datetime
    create_time: datetime
    allocations: tuple[Paid, ...]
    unallocated: Money
    owner_id: str
    owner_team_id: str = ""
    order_id: str = ""
    reference: str = ""
