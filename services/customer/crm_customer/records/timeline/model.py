"""A timeline: what happened with an account, in one order, whichever service it happened in."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Detail:
    """Something to show at a glance."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `id` is that of the event or of the interaction, so that it is there once."""

    id: UUID
    account_id: UUID
    kind: str
    entry_time: datetime
    title: str
    details: tuple[Detail, ...]
    service: str
    reference_type: str
    reference_id: UUID
    actor_id: UUID
