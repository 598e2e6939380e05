"""Prices by quantity: what a quantity costs before discounts, exact and not yet rounded."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation
from enum import StrEnum

# 13 digits of a quantity, 25 of a price, 7 of a percentage: what does not fit is refused, not rounded.
EXACT = Context(prec=100, traps=[Inexact, InvalidOperation])


class StepMode(StrEnum):
    """What the steps of a price mean."""

    # The highest step that is reached is the price of all.
    VOLUME = "VOLUME"
    # Each slice between two steps has its own price; exactly at a step nothing of the next is charged.
    GRADUATED = "GRADUATED"


@dataclass(frozen=True, slots=True)
class PriceStep:
    """The price of `price_per` units from this quantity on, which is within the step."""

    from_quantity: Decimal
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class StepPrice:
    """A price with at least one step, in ascending order. The first says from which quantity on there is a price."""

    steps: Sequence[PriceStep]
    mode: StepMode = StepMode.VOLUME
    price_per: int = 1

    def step_at(self, quantity: Decimal) -> PriceStep | None:
        """The highest step that a quantity reaches, of a return as of its sale; None below the first."""
        reached = [step for step in self.steps if step.from_quantity <= abs(quantity)]
        return reached[-1] if reached else None

    def amount_of(self, quantity: Decimal) -> Decimal:
        """What the quantity costs. ValueError below the first step."""
        step = self.step_at(quantity)
        if step is None:
            raise ValueError(f"there is no price for {quantity}")
        if self.mode is StepMode.VOLUME:
            return price_of(quantity, step.unit_price, self.price_per)
        amount = self._graduated(abs(quantity))
        return amount if quantity > 0 else EXACT.minus(amount)

    def cheaper_quantity(self, quantity: Decimal) -> Decimal | None:
        """The start of the next steps that costs less in all than this smaller quantity does; None where none does."""
        if quantity <= 0 or self.mode is StepMode.GRADUATED:
            return None
        amount = self.amount_of(quantity)
        above = (step.from_quantity for step in self.steps if step.from_quantity > quantity)
        return next((each for each in above if self.amount_of(each) < amount), None)

    def _graduated(self, quantity: Decimal) -> Decimal:
        amount, above = Decimal(0), quantity
        # From the last slice down to the first, which begins at zero.
        for number in range(len(self.steps) - 1, -1, -1):
            step = self.steps[number]
            start = step.from_quantity if number else Decimal(0)
            if above > start:
                slice_ = price_of(EXACT.subtract(above, start), step.unit_price, self.price_per)
                amount, above = EXACT.add(amount, slice_), start
        return amount


def price_of(quantity: Decimal, unit_price: Decimal, price_per: int = 1) -> Decimal:
    """Quantity times price, exact; `price_per` is a power of ten: 1, 10, 100 or 1000."""
    product = EXACT.multiply(quantity, unit_price)
    return product if price_per == 1 else EXACT.divide(product, Decimal(price_per))
