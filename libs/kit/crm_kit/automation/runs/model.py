"""A run: what an automation rule did on one event, and why not."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

# Rules that set one another off.
MAX_CHAIN = 5
# Runs that other runs set off, of all that follows from one event.
MAX_FOLLOWING = 100
# What keeps a rule from a record without a fault of its own, as often as others bring it about: no rule stops for it,
# and all else that the rule does is done.
BLAMELESS = frozenset({"AUTOMATIC_MESSAGE_REFUSED"})


class State(enum.StrEnum):
    SUCCEEDED = "SUCCEEDED"
    PARTLY_DONE = "PARTLY_DONE"
    FAILED = "FAILED"
    STOPPED_LOOP = "STOPPED_LOOP"


@dataclass(frozen=True, slots=True)
class Effect:
    """What one action did: the record's etag after it, and which fields it changed.

    `target` is the field that names the record, where that is not the run's own; `told_count` is how many were told.
    Of a record that it created these are its collection and id, and the etag is that one's; `left_etag` is then that of
    the run's own record where this was changed by it, as a case is that is told of a message. An action that was left
    out has a `reason` and its `detail`, as a caller would have been told.
    """

    verb: str
    record_etag: str
    changed_fields: tuple[str, ...] = ()
    target: str = ""
    told_count: int = 0
    created_collection: str = ""
    created_id: str = ""
    left_etag: str = ""
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """A rule that brought an event about, as it was called then."""

    rule_id: UUID
    display_name: str
    collection: str


@dataclass(frozen=True, slots=True)
class AutomationRun:
    """Fields as in the contract. It is written once and never changed."""

    id: UUID
    collection: str
    rule_id: UUID
    rule_etag: str
    event: str
    event_id: UUID
    root_event_id: UUID
    record_id: UUID
    record_etag: str
    activator_id: UUID
    state: State
    create_time: datetime
    update_time: datetime
    version: int = 1
    effects: tuple[Effect, ...] = ()
    failed_action: int = 0
    reason: str | None = None
    detail: str | None = None
    fields: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()
    due_time: datetime | None = None


def loop_of(causes: Sequence[Cause], rule: Cause) -> Sequence[Cause]:
    """The rules by which a rule comes to itself again, from itself to itself; none where it does not."""
    ids = [each.rule_id for each in causes]
    return [*causes[ids.index(rule.rule_id) :], rule] if rule.rule_id in ids else []


def is_too_deep(causes: Sequence[Cause]) -> bool:
    """Whether so many rules have set one another off that there it ends."""
    return len(causes) >= MAX_CHAIN
