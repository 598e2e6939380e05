"""A payment: money that came in, and what it paid. Its amount never changes; a wrong one is reversed."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from crm_kit.errors import illegal_state, wrong_state
from crm_kit.money import Money, total


class PaymentState(StrEnum):
    """Where a payment stands."""

    RECEIVED = "RECEIVED"
    REVERSED = "REVERSED"


@dataclass(frozen=True, slots=True)
class PaymentAllocation:
    """What of a payment went to one order, and what stayed open on it."""

    order_id: UUID
    amount: Money
    due_date: date
    open_amount: Money


@dataclass(frozen=True, slots=True)
class Payment:
    """Money from an account, allocated to orders; `unallocated_amount` is what can still be.

    Methods return the changed one. A wrong state raises FailedPrecondition ILLEGAL_STATE.
    """

    id: UUID
    account_id: UUID
    amount: Money
    receive_time: datetime
    unallocated_amount: Money
    owner_id: UUID
    create_time: datetime
    update_time: datetime
    allocations: tuple[PaymentAllocation, ...] = ()
    version: int = 1
    state: PaymentState = PaymentState.RECEIVED
    owner_team_id: UUID | None = None
    order_id: UUID | None = None
    reference: str | None = None
    bank_account: str | None = None
    left_out_order_count: int = 0
    reverse_time: datetime | None = None
    reverse_reason: str | None = None

    def allocate(self, allocations: tuple[PaymentAllocation, ...]) -> "Payment":
        """With orders that it pays besides those that it has paid."""
        self.require_unallocated()
        paid = total((each.amount for each in allocations), self.amount.currency_code)
        left = self.unallocated_amount - paid
        return replace(self, allocations=(*self.allocations, *allocations), unallocated_amount=left)

    def require_unallocated(self) -> None:
        """Only of what is not allocated yet."""
        self.require_received("allocated")
        if not self.unallocated_amount:
            raise illegal_state("payment_allocated", "all of the payment is allocated")

    def reverse(self, reason: str, *, now: datetime) -> "Payment":
        """Undo it whole; what it had paid stays on record."""
        self.require_received("reversed")
        nothing = Money.zero(self.amount.currency_code)
        reversed = replace(self, state=PaymentState.REVERSED, unallocated_amount=nothing)
        return replace(reversed, reverse_time=now, reverse_reason=reason)

    def require_received(self, done: str) -> None:
        """What was reversed stays so."""
        if self.state is not PaymentState.RECEIVED:
            raise wrong_state("payment", self.state, done, legal=[PaymentState.RECEIVED])
