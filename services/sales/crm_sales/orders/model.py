"""Orders: exact totals, credit hold and release, and the money that came in for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from crm_kit.custom_fields.values import CustomValues
from crm_kit.errors import FailedPrecondition, illegal_state, invalid_field, wrong_state
from crm_kit.money import Money, check_currency, check_range, total

from crm_sales.credit.model import CreditDecision

WHOLE = Decimal(100)
# What an order comes to until its lines are added up.
UNPRICED = Money.zero("XXX")


class OrderState(StrEnum):
    """Where an order stands."""

    DRAFT = "DRAFT"
    ON_HOLD = "ON_HOLD"
    RELEASED = "RELEASED"
    PARTLY_PAID = "PARTLY_PAID"
    PAID = "PAID"
    CANCELLED = "CANCELLED"


# To be delivered and paid, or paid: the deal was made.
RELEASED_STATES = (OrderState.RELEASED, OrderState.PARTLY_PAID, OrderState.PAID)


@dataclass(frozen=True, slots=True)
class OrderLine:
    """Quantity times unit price, less a discount, plus tax. A negative quantity is a return.

    What that comes to is computed when the line is made, and kept with it.
    """

    product: str
    quantity: Decimal
    unit_price: Money
    discount_percent: Decimal = Decimal(0)
    tax_percent: Decimal = Decimal(0)
    # In the currency of the price; None only until it is computed.
    net: Decimal | None = None
    tax: Decimal | None = None

    def __post_init__(self) -> None:
        if self.net is None or self.tax is None:
            net = (self.unit_price * self.quantity).percent(WHOLE - self.discount_percent)
            object.__setattr__(self, "net", net.amount)
            object.__setattr__(self, "tax", net.percent(self.tax_percent).amount)

    @property
    def net_amount(self) -> Money:
        """Before tax, rounded once, half up, to the currency's minor unit."""
        return self._money(self.net)

    @property
    def tax_amount(self) -> Money:
        """Of the rounded net amount, itself rounded half up."""
        return self._money(self.tax)

    def _money(self, amount: Decimal | None) -> Money:
        assert amount is not None, "it is computed when the line is made"
        return Money(amount, self.unit_price.currency_code)

    def check(self, currency_code: str, *, field: str) -> None:
        """InvalidArgument for a quantity of zero, a negative price, another currency, or a discount over 100 %."""
        price = self.unit_price
        if self.quantity == 0:
            raise invalid_field(f"{field}.quantity", "not_zero", "must not be zero")
        if price.amount < 0:
            raise invalid_field(f"{field}.unit_price", "not_negative", f"{price} is below zero")
        if price.currency_code != currency_code:
            detail = f"is {price.currency_code}, but the order is in {currency_code}"
            raise invalid_field(f"{field}.unit_price.currency_code", "same_currency", detail)
        if self.discount_percent > WHOLE:
            raise invalid_field(f"{field}.discount_percent", "percent", f"{self.discount_percent} is more than 100")


@dataclass(frozen=True, slots=True)
class HoldReason:
    """Why an order is on hold: a code such as CREDIT_LIMIT_EXCEEDED, a text, and the values that the text names."""

    code: str
    explanation: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class ReleaseCause(StrEnum):
    """What released an order: somebody, or its account's credit, and what that became free by."""

    REQUEST = "REQUEST"
    PAYMENT_RECEIVED = "PAYMENT_RECEIVED"
    ORDER_CANCELLED = "ORDER_CANCELLED"
    LIMIT_SET = "LIMIT_SET"
    CREDIT_CHECKED = "CREDIT_CHECKED"
    RESERVATION_ENDED = "RESERVATION_ENDED"


@dataclass(frozen=True, slots=True)
class Release:
    """Who or what released an order from its hold, when and why."""

    actor_id: UUID
    release_time: datetime
    reason: str | None = None
    cause: ReleaseCause = ReleaseCause.REQUEST


@dataclass(frozen=True, slots=True)
class OpenItem:
    """What is to be paid of an order in one of its versions, when, and whose it is."""

    order_id: UUID
    version: int
    due_date: date
    open_amount: Money
    owner_id: UUID
    owner_team_id: UUID | None


@dataclass(frozen=True, slots=True)
class Order:
    """An order in one currency. Methods return the changed one.

    What its lines come to is computed when it is drafted, and kept with it: they never change. InvalidArgument for a
    line that does not fit.

    A wrong state raises FailedPrecondition: ILLEGAL_STATE, or ORDER_ON_HOLD where only the hold is in the way.
    """

    id: UUID
    account_id: UUID
    currency_code: str
    lines: tuple[OrderLine, ...]
    paid_amount: Money
    owner_id: UUID
    create_time: datetime
    update_time: datetime
    payment_days: int = 30
    version: int = 1
    state: OrderState = OrderState.DRAFT
    hold_reasons: tuple[HoldReason, ...] = ()
    release: Release | None = None
    place_time: datetime | None = None
    # The day it is to be paid, by the tenant's calendar; None until it is placed.
    due_date: date | None = None
    cancel_reason: str | None = None
    opportunity_id: UUID | None = None
    # The quote that it was: its lines have the amounts of that.
    quote_id: UUID | None = None
    owner_team_id: UUID | None = None
    # The tenant's own fields by key.
    custom: CustomValues = field(default_factory=dict)
    # The sum of the rounded lines before tax, and of the rounded taxes of the lines.
    net_amount: Money = UNPRICED
    tax_amount: Money = UNPRICED

    def __post_init__(self) -> None:
        if self.net_amount is UNPRICED:
            for number, line in enumerate(self.lines):
                line.check(self.currency_code, field=f"order.lines[{number}]")
            net, tax = (line.net_amount for line in self.lines), (line.tax_amount for line in self.lines)
            object.__setattr__(self, "net_amount", total(net, self.currency_code))
            object.__setattr__(self, "tax_amount", total(tax, self.currency_code))

    def checked(self) -> "Order":
        """The order, in a currency that there is, with amounts that messages can carry and that nobody owes the buyer.

        InvalidArgument when not. Single lines may be returns; an order that is worth less than nothing would be paid
        as soon as it is placed.
        """
        check_currency(self.currency_code, field="order.currency_code")
        for number, line in enumerate(self.lines):
            check_range(line.net_amount, field=f"order.lines[{number}].net_amount")
            check_range(line.tax_amount, field=f"order.lines[{number}].tax_amount")
        check_range(self.net_amount, field="order.net_amount")
        check_range(self.tax_amount, field="order.tax_amount")
        check_range(self.gross_amount, field="order.gross_amount")
        lowest = min(self.net_amount, self.gross_amount)
        if lowest.amount < 0:
            detail = f"add up to {lowest}, which is below zero: an order takes returns off what is bought"
            raise invalid_field("order.lines", "total", detail, metadata={"total": str(lowest)})
        return self

    @property
    def gross_amount(self) -> Money:
        """What is to be paid."""
        return self.net_amount + self.tax_amount

    @property
    def open_amount(self) -> Money:
        """What is still to be paid, never below zero; nothing before it is released, nor once it is cancelled."""
        return self._unpaid if self.state in RELEASED_STATES else Money.zero(self.currency_code)

    @property
    def _unpaid(self) -> Money:
        return max(self.gross_amount - self.paid_amount, Money.zero(self.currency_code))

    @property
    def open_item(self) -> OpenItem:
        """What is to be paid of it; only once it was placed."""
        assert self.due_date is not None, "an order that can be paid was placed"
        return OpenItem(self.id, self.version, self.due_date, self.open_amount, self.owner_id, self.owner_team_id)

    def require_draft(self) -> None:
        """Only a DRAFT is placed."""
        self._require(OrderState.DRAFT, "placed")

    def require_on_hold(self) -> None:
        """Only an order that is ON_HOLD is released."""
        self._require(OrderState.ON_HOLD, "released")

    def place(self, hold_reasons: tuple[HoldReason, ...], *, now: datetime, today: date) -> "Order":
        """Place a draft: ON_HOLD when there are reasons, else RELEASED (or PAID, when it costs nothing).

        `today` is the day at `now` by the tenant's calendar, from which it is due in `payment_days`.
        """
        self.require_draft()
        due_date = today + timedelta(days=self.payment_days)
        placed = replace(self, place_time=now, due_date=due_date, hold_reasons=hold_reasons)
        return replace(placed, state=OrderState.ON_HOLD if hold_reasons else placed._payment_state())

    def release_hold(self, reason: str, *, now: datetime, actor_id: UUID) -> "Order":
        """Release an order that is ON_HOLD; the reasons stay on record beside the release."""
        self.require_on_hold()
        return self._released(Release(actor_id, now, reason))

    def release_on_credit(self, cause: ReleaseCause, *, now: datetime, actor_id: UUID) -> "Order":
        """Release an order that is ON_HOLD since its account's credit allows it now."""
        self.require_on_hold()
        return self._released(Release(actor_id, now, cause=cause))

    def pay(self, amount: Money) -> "Order":
        """Add money that came in."""
        self.require_released()
        paid = replace(self, paid_amount=self.paid_amount + amount)
        return replace(paid, state=paid._payment_state())

    def take_back(self, amount: Money) -> "Order":
        """Take away money that came in and went back, or never came."""
        left = replace(self, paid_amount=self.paid_amount - amount)
        return replace(left, state=left._payment_state())

    def cancel(self, reason: str) -> "Order":
        """Cancel it; not once money has come in."""
        if self.state is OrderState.CANCELLED or self.paid_amount:
            detail = f"an order that is {self.state} with {self.paid_amount} paid cannot be cancelled"
            values = {"noun": "order", "state": self.state, "paid_amount": self.paid_amount}
            raise illegal_state("order_not_cancellable", detail, **values)
        return replace(self, state=OrderState.CANCELLED, cancel_reason=reason)

    def require_released(self) -> None:
        """What payments need: ORDER_ON_HOLD or ILLEGAL_STATE."""
        if self.state is OrderState.ON_HOLD:
            raise on_hold(self.hold_reasons)
        if self.state not in RELEASED_STATES:
            raise wrong_state("order", self.state, "paid", legal=RELEASED_STATES)

    def _released(self, release: Release) -> "Order":
        return replace(self, state=self._payment_state(), release=release)

    def _payment_state(self) -> OrderState:
        if not self.paid_amount and self.gross_amount.amount > 0:
            return OrderState.RELEASED
        return OrderState.PARTLY_PAID if self._unpaid else OrderState.PAID

    def _require(self, state: OrderState, done: str) -> None:
        if self.state is not state:
            raise wrong_state("order", self.state, done, legal=[state])


def on_hold(reasons: tuple[HoldReason, ...]) -> FailedPrecondition:
    """The error for what a hold is in the way of, with the codes of all `reasons`.

    Their figures are for who may read the credit of the account, who finds them in the order.
    """
    codes = ", ".join(reason.code for reason in reasons)
    return FailedPrecondition(f"the order is on hold: {codes}", reason="ORDER_ON_HOLD", metadata={"reasons": codes})


NOT_CHECKED = HoldReason("CREDIT_CHECK_UNAVAILABLE", "the credit check did not answer in time")


def hold_reasons(decision: CreditDecision | None) -> tuple[HoldReason, ...]:
    """Why an order has to wait for the credit it needs: nothing when it is approved.

    None means that credit could not be checked, which holds the order as a refusal does.
    """
    if decision is None:
        return (NOT_CHECKED,)
    if decision.approved:
        return ()
    found = tuple(HoldReason(each.code, each.explanation, each.metadata) for each in decision.reasons)
    return found or (HoldReason("CREDIT_REFUSED", "credit was refused"),)
