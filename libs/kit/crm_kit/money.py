"""Amounts of money: exact decimals with an ISO 4217 currency. A float never enters."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation, localcontext
from typing import Self

from crm_kit.currencies import CURRENCIES, MINOR_DIGITS
from crm_kit.errors import invalid_field

USUAL_MINOR_DIGITS = 2
# The first that `crm.type.v1.Money` cannot carry.
MAX_AMOUNT = Decimal(10) ** 15

# The pattern of `crm.type.v1.Money`.
_AMOUNT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,4})?")
_CURRENCY = re.compile(r"[A-Z]{3}")
# 19 digits times 19 digits fit several times over; what does not fit is refused, not rounded.
_EXACT = Context(prec=100, traps=[Inexact, InvalidOperation])
_ROUNDING = Context(prec=100)
# The minor unit by its digits.
_UNITS = [Decimal(1).scaleb(-digits) for digits in range(5)]


def minor_digits(currency_code: str) -> int:
    """How many decimals the smallest unit of a currency has: CNY 2, JPY 0, BHD 3."""
    return MINOR_DIGITS.get(currency_code, USUAL_MINOR_DIGITS)


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in one currency. Amounts of two currencies neither add nor compare: ValueError."""

    amount: Decimal
    currency_code: str

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal) or not self.amount.is_finite():
            raise TypeError(f"an amount is a finite Decimal, not {self.amount!r}")
        if not _CURRENCY.fullmatch(self.currency_code):
            raise ValueError(f"{self.currency_code!r} is not an ISO 4217 code")

    @classmethod
    def zero(cls, currency_code: str) -> Self:
        return cls(Decimal(0), currency_code)

    def __add__(self, other: "Money") -> "Money":
        return Money(_EXACT.add(self.amount, self._amount_of(other)), self.currency_code)

    def __sub__(self, other: "Money") -> "Money":
        return Money(_EXACT.subtract(self.amount, self._amount_of(other)), self.currency_code)

    def __mul__(self, factor: Decimal | int) -> "Money":
        """The exact product, not yet rounded: a price times a quantity, an amount times a rate."""
        if isinstance(factor, bool) or not isinstance(factor, (Decimal, int)):
            raise TypeError(f"money is multiplied by a Decimal or an int, not {factor!r}")
        return Money(_EXACT.multiply(self.amount, Decimal(factor)), self.currency_code)

    __rmul__ = __mul__

    def __neg__(self) -> "Money":
        return Money(_EXACT.minus(self.amount), self.currency_code)

    def __abs__(self) -> "Money":
        return Money(_EXACT.abs(self.amount), self.currency_code)

    def __bool__(self) -> bool:
        return self.amount != 0

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._amount_of(other)

    def __le__(self, other: "Money") -> bool:
        return self.amount <= self._amount_of(other)

    def __gt__(self, other: "Money") -> bool:
        return self.amount > self._amount_of(other)

    def __ge__(self, other: "Money") -> bool:
        return self.amount >= self._amount_of(other)

    def rounded(self) -> "Money":
        """To the currency's minor unit, half up: a tie goes away from zero, so a credit mirrors its invoice."""
        return Money(_round(self.amount, minor_digits(self.currency_code)), self.currency_code)

    def percent(self, percent: Decimal) -> "Money":
        """So many hundredths of it, rounded once, half up, to the minor unit."""
        exact = _EXACT.scaleb(_EXACT.multiply(self.amount, percent), -2)
        return Money(_round(exact, minor_digits(self.currency_code)), self.currency_code)

    def text(self) -> str:
        """The amount as `crm.type.v1.Money.amount` carries it; see `format_amount`."""
        return format_amount(self.amount, self.currency_code)

    def __str__(self) -> str:
        return f"{self.text()} {self.currency_code}"

    def _amount_of(self, other: "Money") -> Decimal:
        if not isinstance(other, Money):
            raise TypeError(f"money goes with money, not with {other!r}")
        if other.currency_code != self.currency_code:
            raise ValueError(f"{self.currency_code} and {other.currency_code} do not go together")
        return other.amount


def check_minor_unit(money: Money, *, field: str) -> None:
    """InvalidArgument naming `field` when an amount is finer than the currency's smallest unit."""
    if money.rounded() != money:
        raise invalid_field(f"{field}.amount", "minor_unit", f"{money} is finer than the currency's smallest unit")


def check_range(money: Money, *, field: str) -> None:
    """InvalidArgument naming `field` for an amount of more than 15 digits before the point: no message carries it."""
    if abs(money.amount) >= MAX_AMOUNT:
        raise invalid_field(f"{field}.amount", "range", f"{money} has more than 15 digits before the point")


def check_currency(currency_code: str, *, field: str) -> None:
    """InvalidArgument naming `field` for a code that is no currency of ISO 4217."""
    if currency_code not in CURRENCIES:
        raise invalid_field(field, "currency", f"{currency_code!r} is not a currency of ISO 4217 such as CNY")


def total(amounts: Iterable[Money], currency_code: str) -> Money:
    """The sum, zero of that currency when there is nothing to add."""
    nothing, added = Money.zero(currency_code), Decimal(0)
    for each in amounts:
        added = _EXACT.add(added, nothing._amount_of(each))
    return Money(added, currency_code)


def parse_money(amount: str, currency_code: str, *, field: str = "amount") -> Money:
    """Money from the two texts of `crm.type.v1.Money`. InvalidArgument names the one of them that is wrong."""
    check_currency(currency_code, field=f"{field}.currency_code")
    return Money(parse_amount(amount, field=f"{field}.amount"), currency_code)


def parse_amount(text: str, *, field: str = "amount") -> Decimal:
    """A decimal of at most 15 digits before the point and 4 after it; no exponent, no plus sign."""
    if not _AMOUNT.fullmatch(text):
        raise invalid_field(field, "decimal", "must be a decimal such as 1234.50, with at most 4 decimals")
    return Decimal(text)


def format_amount(amount: Decimal, currency_code: str) -> str:
    """Plain decimal text with at least the decimals of the currency's minor unit: 5 CNY is `5.00`, never `5E+0`."""
    digits = minor_digits(currency_code)
    with localcontext(_EXACT):
        plain = amount + 0 if amount else Decimal(0)
        decimals = -int(plain.normalize().as_tuple().exponent)
        return f"{plain:.{max(digits, decimals)}f}"


def _round(amount: Decimal, digits: int) -> Decimal:
    return amount.quantize(_UNITS[digits], rounding=ROUND_HALF_UP, context=_ROUNDING)
