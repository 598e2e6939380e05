"""What a case needs to know of its account."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class AccountReference:
    """An account of the customer service; `value_tier` KEY, MAJOR, STANDARD, SMALL, NEGATIVE or None."""

    id: UUID
    display_name: str
    owner_id: UUID | None
    owner_team_id: UUID | None
    value_tier: str | None
    version: int
