"""To whom open deals go when their account has changed hands, in whatever order that is heard of."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Handover:
    """An account that went from one owner to another together with its open deals; `version` is the account's."""

    account_id: UUID
    version: int
    former_owner_id: UUID
    owner_id: UUID
    owner_team_id: UUID | None


def last_of(handover: Handover, others: Iterable[Handover]) -> Handover:
    """The handover after which the deals of this one stay where they are: its own, or a later one that took them on.

    So it does not matter which of them is heard of first, or late, or once more.
    """
    last = handover
    for each in sorted(others, key=lambda other: other.version):
        if each.version > last.version and each.former_owner_id == last.owner_id:
            last = each
    return last
