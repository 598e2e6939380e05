"""What the sales service reads from its environment beside what all services read."""

from typing import Annotated

from crm_kit.settings import ServiceSettings
from msgspec import Meta


class SalesSettings(ServiceSettings, kw_only=True):
    # How often the pool looks for leads to take back when nothing wakes it.
    reclaim_seconds: Annotated[float, Meta(gt=0, le=3600)] = 3
    # By which it proves who it is to the services that it calls in its own name; they have it too.
    sales_key: Annotated[str, Meta(min_length=32)]
    # How long placing an order waits for the credit check.
    credit_check_seconds: Annotated[float, Meta(gt=0, le=30)] = 2
