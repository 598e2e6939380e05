"""What the sales service reads from its environment beside what all services read."""

from crm_kit.settings import ServiceSettings
from pydantic import Field, SecretStr


class SalesSettings(ServiceSettings):
    # How often the pool looks for leads to take back when nothing wakes it.
    reclaim_seconds: float = Field(default=3, gt=0, le=3600)
    # By which it proves who it is to the services that it calls in its own name; they have it too.
    sales_key: SecretStr = Field(min_length=32)
    # How long placing an order waits for the credit check.
    credit_check_seconds: float = Field(default=2, gt=0, le=30)
