"""What is told of accounts that may be the same."""

from dataclasses import dataclass
from uuid import UUID

from crm_customer.records.duplicate_rules.matching import RELATED, Match

WORTH_TELLING = RELATED
"""Points from which on somebody who sees an account is told of it: also of a branch, or the company it belongs to."""

MAX_TOLD = 20
MAX_NAMED = 5
"""Accounts that a refusal names."""


@dataclass(frozen=True, slots=True)
class FoundDuplicate:
    """An account that may be the same, and why."""

    account_id: UUID
    owner_id: UUID | None
    match: Match


@dataclass(frozen=True, slots=True)
class Finding:
    """Those that the reader sees, the most alike first, and how many others there are that are likely the same."""

    duplicates: tuple[FoundDuplicate, ...]
    unseen_count: int

    @property
    def likely(self) -> tuple[FoundDuplicate, ...]:
        return tuple(each for each in self.duplicates if each.match.is_duplicate)


def ranked(found: list[FoundDuplicate]) -> tuple[FoundDuplicate, ...]:
    """Those that are worth telling, the most alike first."""
    worth = [each for each in found if each.match.points >= WORTH_TELLING]
    return tuple(sorted(worth, key=lambda each: (-each.match.points, each.account_id))[:MAX_TOLD])
