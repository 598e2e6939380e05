"""An account as the desk knows it: the customer service's, and its tier the scoring service's."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class ValueTier(StrEnum):
    """What an account is worth to us, from the most to the least."""

    KEY = "KEY"
    MAJOR = "MAJOR"
    STANDARD = "STANDARD"
    SMALL = "SMALL"
    NEGATIVE = "NEGATIVE"


@dataclass(frozen=True, slots=True)
class Account:
    """What cases need to know of it; `version` is that of the account at the customer service."""

    id: UUID
    display_name: str
    owner_id: UUID | None
    owner_team_id: UUID | None
    version: int
