"""An account as far as scores and credit need it."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Account:
    """Who a score or a limit is of, and who answers for it; `version` is that of the customer service."""

    id: UUID
    display_name: str
    owner_id: UUID | None
    owner_team_id: UUID | None
    version: int
