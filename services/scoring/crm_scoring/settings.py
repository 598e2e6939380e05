"""What the scoring service reads from its environment beside what all services read."""

from decimal import Decimal
from typing import Annotated, Literal

from crm_kit.settings import ServiceSettings
from msgspec import Meta


class ScoringSettings(ServiceSettings, kw_only=True):
    # Scores look at the facts of so many days up to today.
    score_window_days: Annotated[int, Meta(ge=1, le=3650)] = 365
    # With fewer than these nothing can be said relative to the others.
    min_buyers: Annotated[int, Meta(ge=1)] = 20
    min_contributing_accounts: Annotated[int, Meta(ge=1)] = 10
    # Shares of all contribution, in percent, at which a tier is full.
    tier_key_percent: Decimal = Decimal(80)
    tier_major_percent: Decimal = Decimal(95)
    tier_standard_percent: Decimal = Decimal(99)
    # How long facts gather before the scores follow them.
    rescoring_delay_seconds: Annotated[float, Meta(ge=0, le=3600)] = 0.5
    # What is answered for an account that nobody has set a limit for.
    credit_without_limit: Literal["APPROVED", "REFUSED"] = "APPROVED"
    credit_tolerance_percent: Decimal = Decimal(0)
    credit_max_overdue_days: Annotated[int, Meta(ge=0, le=3650)] = 30
    # By which the sales service proves who it is when it asks for the credit of an order.
    sales_key: Annotated[str, Meta(min_length=32)]
    # How long an approved amount is kept for an order of which nothing more is heard.
    credit_reservation_minutes: Annotated[float, Meta(gt=0, le=10_080)] = 15

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.credit_tolerance_percent <= 1000:
            raise ValueError("credit_tolerance_percent: must be from 0 to 1000")
