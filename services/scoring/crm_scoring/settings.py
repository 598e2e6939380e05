"""What the scoring service reads from its environment beside what all services read."""

from decimal import Decimal
from typing import Literal

from crm_kit.settings import ServiceSettings
from pydantic import Field, SecretStr


class ScoringSettings(ServiceSettings):
    # Scores look at the facts of so many days up to today.
    score_window_days: int = Field(default=365, ge=1, le=3650)
    # With fewer than these nothing can be said relative to the others.
    min_buyers: int = Field(default=20, ge=1)
    min_contributing_accounts: int = Field(default=10, ge=1)
    # Shares of all contribution, in percent, at which a tier is full.
    tier_key_percent: Decimal = Decimal(80)
    tier_major_percent: Decimal = Decimal(95)
    tier_standard_percent: Decimal = Decimal(99)
    # How long facts gather before the scores follow them.
    rescoring_delay_seconds: float = Field(default=0.5, ge=0, le=3600)
    # What is answered for an account that nobody has set a limit for.
    credit_without_limit: Literal["APPROVED", "REFUSED"] = "APPROVED"
    credit_tolerance_percent: Decimal = Field(default=Decimal(0), ge=0, le=1000)
    credit_max_overdue_days: int = Field(default=30, ge=0, le=3650)
    # By which the sales service proves who it is when it asks for the credit of an order.
    sales_key: SecretStr = Field(min_length=32)
    # How long an approved amount is kept for an order of which nothing more is heard.
    credit_reservation_minutes: float = Field(default=15, gt=0, le=10_080)
