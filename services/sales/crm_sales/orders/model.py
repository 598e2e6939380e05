"""Orders and the money for them: exact totals, hold and release, payments allocated to what is open."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from crm_kit.errors import FailedPrecondition, InvalidArgument, invalid_field
from crm_kit.money import Money, total

WHOLE = Decimal(100)
CREDIT_CHECK_UNAVAILABLE = "CREDIT_CHECK_UNAVAILABLE"


class OrderState(StrEnum):
    """Where an order stands."""

    DRAFT = "DRAFT"
    ON_HOLD = "ON_HOLD"
    RELEASED = "RELEASED"
    PARTLY_PAID = "PARTLY_PAID"
    PAID = "PAID"
    CANCELLED = "CANCELLED"


_PAYABLE = frozenset({OrderState.RELEASED, OrderState.PARTLY_PAID, OrderState.PAID})


@dataclass(frozen=True, slots=True)
class OrderLine:
    """Quantity times unit price, less a discount, plus tax; percentages from 0 (discount: to 100).

    A negative quantity is a return. Raises InvalidArgument naming the field.
    """

    product_id: str
    quantity: Decimal
    unit_price: Money
    discount_percent: Decimal = Decimal(0)
    tax_percent: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        if not self.quantity.is_finite() or self.quantity == 0:
            raise invalid_field("line.quantity", "not_zero", f"{self.quantity} is not an amount of something")
        if self.unit_price.amount < 0:
            raise invalid_field("line.unit_price", "not_negative", f"{self.unit_price} is below zero")
        if not 0 <= self.discount_percent <= WHOLE:
            raise invalid_field("line.discount_percent", "percent", f"{self.discount_percent} is not 0 to 100")
        if not self.tax_percent.is_finite() or self.tax_percent < 0:
            raise invalid_field("line.tax_percent", "not_negative", f"{self.tax_percent} is below zero")

    @property
    def net(self) -> Money:
        """Before tax, rounded once, half up, to the currency's minor unit."""
        return (self.unit_price * self.quantity).portion(WHOLE - self.discount_percent, WHOLE)

    @property
    def tax(self) -> Money:
        """Of the rounded net amount, itself rounded half up."""
        return self.net.portion(self.tax_percent, WHOLE)


@dataclass(frozen=True, slots=True)
class HoldReason:
    """Why an order waits: a code such as CREDIT_LIMIT_EXCEEDED and words with the numbers."""

    code: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Release:
    """Who let a held order go, when and why."""

    actor_id: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Order:
    """An order in one currency. Methods return the changed one and leave this as it was.

    A wrong state raises FailedPrecondition: ILLEGAL_STATE, or ORDER_ON_HOLD where only the hold is in the way.
    """

    id: str
    account_id: str
    currency_code: str
    lines: tuple[OrderLine, ...]
    state: OrderState = OrderState.DRAFT
    hold_reasons: tuple[HoldReason, ...] = ()
    release: Release | None = None
    place_time: datetime | None = None
    paid: Money | None = None
    cancel_reason: str = ""
    opportunity_id: str = ""
    owner_id: str = ""
    owner_team_id: str = ""
    payment_days: int = 30
    version: int = 1
    create_time: datetime | None = None
    update_time: datetime | None = None

    def __post_init__(self) -> None:
        for number, line in enumerate(self.lines):
            if line.unit_price.currency_code != self.currency_code:
                raise invalid_field(
                    f"order.lines[{number}].unit_price.currency_code",
                    "same_currency",
                    f"{line.unit_price.currency_code} in an order in {self.currency_code}",
                )
        if self.paid is not None and self.paid.currency_code != self.currency_code:
            raise invalid_field("order.paid.currency_code", "same_currency", f"{self.paid} was paid")

    @property
    def net(self) -> Money:
        """The sum of the rounded lines before tax."""
        return total((line.net for line in self.lines), self.currency_code)

    @property
    def tax(self) -> Money:
        """The sum of the rounded taxes of the lines."""
        return total((line.tax for line in self.lines), self.currency_code)

    @property
    def gross(self) -> Money:
        """What is to be paid."""
        return self.net + self.tax

    @property
    def paid_amount(self) -> Money:
        return self.paid or Money.zero(self.currency_code)

    @property
    def open_amount(self) -> Money:
        """What is still to be paid, never below zero."""
        return max(self.gross - self.paid_amount, Money.zero(self.currency_code))

    @property
    def due_date(self) -> date | None:
        """The day it is to be paid; None until it is placed."""
        return None if self.place_time is None else self.place_time.date() + timedelta(days=self.payment_days)

    def changed(self, now: datetime) -> "Order":
        """The next version."""
        return replace(self, version=self.version + 1, update_time=max(now, self.update_time or now))

    @property
    def overpaid_amount(self) -> Money:
        """What was paid too much, never below zero."""
        return max(self.paid_amount - self.gross, Money.zero(self.currency_code))

    def place(self, hold_reasons: Sequence[HoldReason] | None, *, now: datetime) -> "Order":
        """Places a draft: RELEASED without reasons to hold, else ON_HOLD.

        None means that credit could not be checked: ON_HOLD with CREDIT_CHECK_UNAVAILABLE.
        """
        self._require(OrderState.DRAFT, "placed")
        if not self.lines:
            raise invalid_field("order.lines", "required", "an order has at least one line")
        if hold_reasons is None:
            hold_reasons = (HoldReason(CREDIT_CHECK_UNAVAILABLE, "the credit check did not answer in time"),)
        placed = replace(self, place_time=now, hold_reasons=tuple(hold_reasons))
        if hold_reasons:
            return replace(placed, state=OrderState.ON_HOLD)
        return replace(placed, state=placed._payment_state())

    def let_go(self, reason: str, *, now: datetime, actor_id: str) -> "Order":
        """Releases a held order by somebody entitled; the reasons stay on record beside the release."""
        self._require(OrderState.ON_HOLD, "released")
        release = Release(actor_id, now, _said(reason))
        return replace(self, state=self._payment_state(), release=release)

    def pay(self, amount: Money) -> "Order":
        """Adds a payment (or takes back one that bounced, below zero); more than is open stays visible."""
        if amount.currency_code != self.currency_code:
            raise invalid_field("amount.currency_code", "same_currency", f"{amount} for {self.currency_code}")
        self.require_released()
        paid = self.paid_amount + amount
        if paid.amount < 0:
            raise FailedPrecondition(f"only {self.paid_amount} was paid, {amount} cannot be taken back")
        order = replace(self, paid=paid)
        return replace(order, state=order._payment_state())

    def cancel(self, reason: str) -> "Order":
        """Nothing will come of it; not once money has come in."""
        reason = _said(reason)
        if self.state is OrderState.CANCELLED or self.paid_amount:
            raise FailedPrecondition(f"an order that is {self.state} with {self.paid_amount} paid cannot be cancelled")
        return replace(self, state=OrderState.CANCELLED, cancel_reason=reason)

    def require_released(self) -> None:
        """Deliveries, invoices and payments need it: ORDER_ON_HOLD or ILLEGAL_STATE."""
        if self.state is OrderState.ON_HOLD:
            reasons = "; ".join(reason.explanation for reason in self.hold_reasons)
            raise FailedPrecondition(f"the order is on hold: {reasons}", reason="ORDER_ON_HOLD")
        if self.state not in _PAYABLE:
            named = ", ".join(sorted(_PAYABLE))
            raise FailedPrecondition(f"an order that is {self.state} takes no payment; it must be: {named}")

    def _payment_state(self) -> OrderState:
        if not self.paid_amount and self.gross.amount > 0:
            return OrderState.RELEASED
        return OrderState.PARTLY_PAID if self.open_amount else OrderState.PAID

    def _require(self, state: OrderState, done: str) -> None:
        if self.state is not state:
            raise FailedPrecondition(f"an order that is {self.state} cannot be {done}; it must be {state}")


@dataclass(frozen=True, slots=True)
class OpenItem:
    """An invoice (or order) with what is still to be paid on it."""

    id: str
    due_date: date
    open_amount: Money


@dataclass(frozen=True, slots=True)
class Share:
    """What of a payment goes to one item."""

    item_id: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Allocation:
    """A payment divided: shares, what is left of the payment, and what stays open of the items."""

    shares: tuple[Share, ...]
    unallocated: Money
    still_open: Money


def allocate(payment: Money, items: Sequence[OpenItem], told: Sequence[Share] | None = None) -> Allocation:
    """Divides a payment over open items: as told, or oldest due date first (ties by id).

    An overpayment is left `unallocated`; an underpayment leaves `still_open`. Raises InvalidArgument for a
    payment that is not positive, mixed currencies, or shares that name no item or exceed item or payment.
    """
    if payment.amount <= 0:
        raise invalid_field("payment.amount", "positive", f"{payment} is not above zero")
    for item in items:
        if item.open_amount.currency_code != payment.currency_code:
            raise invalid_field("items", "same_currency", f"{item.id} is open in {item.open_amount.currency_code}")
    shares = _oldest_first(payment, items) if told is None else _as_told(payment, items, told)
    allocated = total((share.amount for share in shares), payment.currency_code)
    open_before = total((item.open_amount for item in items), payment.currency_code)
    return Allocation(shares, payment - allocated, open_before - allocated)


def _oldest_first(payment: Money, items: Sequence[OpenItem]) -> tuple[Share, ...]:
    shares = []
    left = payment
    for item in sorted(items, key=lambda item: (item.due_date, item.id)):
        amount = min(left, item.open_amount)
        if amount.amount > 0:
            shares.append(Share(item.id, amount))
            left -= amount
    return tuple(shares)


def _as_told(payment: Money, items: Sequence[OpenItem], told: Sequence[Share]) -> tuple[Share, ...]:
    left = {item.id: item.open_amount for item in items}
    for share in told:
        if share.item_id not in left:
            raise _invalid_share("known", f"{share.item_id} is not open")
        if share.amount.currency_code != payment.currency_code or share.amount.amount <= 0:
            raise _invalid_share("positive", f"{share.amount} is no part of {payment}")
        left[share.item_id] -= share.amount
        if left[share.item_id].amount < 0:
            raise _invalid_share("open_amount", f"{share.amount} is more than is open on {share.item_id}")
    if total((share.amount for share in told), payment.currency_code) > payment:
        raise _invalid_share("payment", f"the shares are more than {payment}")
    return tuple(told)


def _invalid_share(rule: str, detail: str) -> InvalidArgument:
    return invalid_field("shares", rule, detail)


def _said(reason: str) -> str:
    if not reason.strip():
        raise invalid_field("reason", "required", "say why")
    return reason
