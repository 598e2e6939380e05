"""Prices: what a product costs in a price book, by quantity."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from crm_kit.errors import invalid_field, wrong_state

from crm_sales.pricing.steps import PriceStep, StepMode, StepPrice


class PriceState(StrEnum):
    """Whether a price is in its book."""

    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"


@dataclass(frozen=True, slots=True)
class Price:
    """The steps of a price, the lowest first. Methods return the changed one."""

    id: UUID
    price_book_id: UUID
    product_id: UUID
    steps: tuple[PriceStep, ...]
    create_time: datetime
    update_time: datetime
    version: int = 1
    mode: StepMode = StepMode.VOLUME
    price_per: int = 1
    state: PriceState = PriceState.ACTIVE

    @property
    def by_quantity(self) -> StepPrice:
        """What it says of quantities."""
        return StepPrice(self.steps, self.mode, self.price_per)

    def checked(self) -> "Price":
        """The price itself. InvalidArgument for steps that are not in ascending order."""
        for number, step in enumerate(self.steps[1:], start=1):
            if step.from_quantity <= self.steps[number - 1].from_quantity:
                detail = f"{step.from_quantity} is not above the step before"
                raise invalid_field(f"price.steps[{number}].from_quantity", "ascending", detail)
        return self

    def require_active(self) -> None:
        """FailedPrecondition when it was archived."""
        if self.state is not PriceState.ACTIVE:
            raise wrong_state("price", self.state, "changed", legal=[PriceState.ACTIVE])

    def archive(self) -> "Price":
        """Taken out of its book."""
        if self.state is not PriceState.ACTIVE:
            raise wrong_state("price", self.state, "archived", legal=[PriceState.ACTIVE])
        return replace(self, state=PriceState.ARCHIVED)

    def restore(self) -> "Price":
        """Back in its book."""
        if self.state is not PriceState.ARCHIVED:
            raise wrong_state("price", self.state, "restored", legal=[PriceState.ARCHIVED])
        return replace(self, state=PriceState.ACTIVE)
