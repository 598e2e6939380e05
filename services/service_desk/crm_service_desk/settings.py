"""What the service desk reads from its environment beside what all services read."""

from typing import Annotated

from crm_kit.settings import ServiceSettings
from msgspec import Meta


class ServiceDeskSettings(ServiceSettings, kw_only=True):
    # For so long after its resolution a case can be reopened.
    reopen_days: Annotated[int, Meta(ge=1, le=3650)] = 14
