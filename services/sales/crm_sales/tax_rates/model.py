"""Tax rates: how many percent a tax class is taxed with from a day on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm_kit.errors import illegal_state, invalid_field

MAX_PERCENT = Decimal(100)


@dataclass(frozen=True, slots=True)
class TaxRate:
    """The rate of a class from a day on until its next one begins. Methods return the changed one."""

    id: UUID
    display_name: str
    tax_class: str
    percent: Decimal
    valid_from_date: date
    create_time: datetime
    update_time: datetime
    version: int = 1

    def update(self, values: Mapping[str, Any], *, today: date) -> "TaxRate":
        """With new values of some fields; what was taxed by a rate stays explained by it."""
        after = replace(self, **values)
        if after.percent != self.percent and self.valid_from_date <= today:
            detail = f"the rate has held since {self.valid_from_date}: create one that begins later"
            raise illegal_state("tax_rate_begun", detail, begin=self.valid_from_date)
        return after

    def checked(self) -> "TaxRate":
        """The rate itself. InvalidArgument for more than 100 percent."""
        if self.percent > MAX_PERCENT:
            raise invalid_field("tax_rate.percent", "percent", f"{self.percent} is more than 100")
        return self
