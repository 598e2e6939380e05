"""May this order go out on credit: used and new against the limit, and how late the account pays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from crm_kit.errors import invalid_field
from crm_kit.money import Money

_PERCENT = Decimal("0.01")


class CreditReasonCode(StrEnum):
    """What was looked at; the first three pass, the others hold."""

    WITHIN_LIMIT = "WITHIN_LIMIT"
    NO_LIMIT_SET = "NO_LIMIT_SET"
    NOT_OVERDUE = "NOT_OVERDUE"
    NO_CREDIT_LIMIT = "NO_CREDIT_LIMIT"
    CREDIT_LIMIT_EXCEEDED = "CREDIT_LIMIT_EXCEEDED"
    CREDIT_LIMIT_IN_OTHER_CURRENCY = "CREDIT_LIMIT_IN_OTHER_CURRENCY"
    PAYMENTS_OVERDUE = "PAYMENTS_OVERDUE"


HOLDING = frozenset(
    {
        CreditReasonCode.NO_CREDIT_LIMIT,
        CreditReasonCode.CREDIT_LIMIT_EXCEEDED,
        CreditReasonCode.CREDIT_LIMIT_IN_OTHER_CURRENCY,
        CreditReasonCode.PAYMENTS_OVERDUE,
    }
)


@dataclass(frozen=True, slots=True)
class CreditRules:
    """How much over the limit is let pass, in percent of it, and how many days overdue. InvalidArgument below 0.

    Without a limit nothing is let pass, unless `unlimited_without_limit`.
    """

    tolerance_percent: Decimal = Decimal(0)
    max_overdue_days: int = 0
    unlimited_without_limit: bool = False

    def __post_init__(self) -> None:
        if self.tolerance_percent < 0 or self.max_overdue_days < 0:
            raise invalid_field("rules", "not_negative", "tolerance and overdue days must not be negative")


@dataclass(frozen=True, slots=True)
class CreditReason:
    """One thing looked at, with the numbers it was judged by, which `metadata` has by name."""

    code: CreditReasonCode
    explanation: str
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return self.code in HOLDING


@dataclass(frozen=True, slots=True)
class CreditDecision:
    """Approved when nothing holds."""

    reasons: tuple[CreditReason, ...]

    @property
    def approved(self) -> bool:
        return not any(reason.holds for reason in self.reasons)

    @property
    def decisive(self) -> tuple[CreditReason, ...]:
        """Of a refusal what holds, of an approval all that was looked at."""
        return tuple(reason for reason in self.reasons if self.approved or reason.holds)


def check_credit(limit: Money | None, used: Money, new: Money, overdue_days: int, rules: CreditRules) -> CreditDecision:
    """Decides on a new order; all reasons are given, those that pass too.

    `used` is what the account owes or has ordered already, `overdue_days` those of its oldest unpaid order.
    An account without a limit (None) gets what the rules say of it; a limit of zero is a limit, and one in another
    currency than the order's holds. InvalidArgument for an order that is not above zero; ValueError when `used` is in
    another currency than the order.
    """
    if new.amount <= 0:
        raise invalid_field("amount", "positive", "must be above zero")
    return CreditDecision((_against_limit(limit, used, new, rules), _against_overdue(overdue_days, rules)))


def _against_limit(limit: Money | None, used: Money, new: Money, rules: CreditRules) -> CreditReason:
    values = {"used": str(used), "new": str(new)}
    if limit is None:
        code = CreditReasonCode.NO_LIMIT_SET if rules.unlimited_without_limit else CreditReasonCode.NO_CREDIT_LIMIT
        return CreditReason(code, f"no credit limit is set; {used} used + {new} new", values)
    values["limit"] = str(limit)
    if limit.currency_code != new.currency_code:
        explanation = f"the limit is {limit}, the order {new}: amounts are not converted"
        return CreditReason(CreditReasonCode.CREDIT_LIMIT_IN_OTHER_CURRENCY, explanation, values)
    allowed = limit + limit * rules.tolerance_percent * _PERCENT
    together = used + new
    values["together"] = str(together)
    numbers = f"{used} used + {new} new = {together}, limit {limit}"
    if rules.tolerance_percent:
        numbers += f" + {rules.tolerance_percent} % = {allowed}"
        values |= {"tolerance_percent": str(rules.tolerance_percent), "allowed": str(allowed)}
    if together <= allowed:
        return CreditReason(CreditReasonCode.WITHIN_LIMIT, numbers, values)
    values["excess"] = str(together - allowed)
    return CreditReason(CreditReasonCode.CREDIT_LIMIT_EXCEEDED, f"{numbers}: {values['excess']} too much", values)


def _against_overdue(overdue_days: int, rules: CreditRules) -> CreditReason:
    numbers = f"days overdue: {overdue_days}, allowed: {rules.max_overdue_days}"
    values = {"overdue_days": str(overdue_days), "allowed_days": str(rules.max_overdue_days)}
    is_late = overdue_days > rules.max_overdue_days
    return CreditReason(CreditReasonCode.PAYMENTS_OVERDUE if is_late else CreditReasonCode.NOT_OVERDUE, numbers, values)
