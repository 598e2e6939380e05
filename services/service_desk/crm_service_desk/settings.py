"""What the service desk reads from its environment beside what all services read."""

from crm_kit.settings import ServiceSettings
from pydantic import Field


class ServiceDeskSettings(ServiceSettings):
    # For so long after its resolution a case can be reopened.
    reopen_days: int = Field(default=14, ge=1, le=3650)
