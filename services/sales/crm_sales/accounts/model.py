"""What sales tells the customer service about an account or a contact that a sale brings."""

from dataclasses import dataclass, field
from uuid import UUID

from crm_kit.custom_fields.values import CustomValues


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A company, or a private person when `is_organization` is false. It keeps the id of the lead it came from."""

    display_name: str
    is_organization: bool
    lead_id: UUID
    owner_id: UUID | None = None
    phone_number: str | None = None
    email: str | None = None
    region_code: str | None = None
    source: str | None = None
    custom: CustomValues = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewContact:
    """A person at an account."""

    display_name: str
    account_id: UUID
    owner_id: UUID | None = None
    job_title: str | None = None
    phone_number: str | None = None
    email: str | None = None
