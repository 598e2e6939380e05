"""An automation rule: what sets it off, for which records, and what it does; and when it runs."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.errors import wrong_state

# What a rule does. Whoever activates it answers for that, so a change of it stops the rule.
DOING = ("trigger", "filter", "filter_before", "actions")


class State(enum.StrEnum):
    DRAFT = "DRAFT"
    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    ARCHIVED = "ARCHIVED"


class StopReason(enum.StrEnum):
    DEACTIVATED = "DEACTIVATED"
    CHANGED = "CHANGED"
    LOST_RIGHTS = "LOST_RIGHTS"
    LOOP = "LOOP"
    FAILURES = "FAILURES"


@dataclass(frozen=True, slots=True)
class Trigger:
    """What happens to a record, as its history calls it; of an update, to one of these fields, or any."""

    events: tuple[str, ...]
    changed_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """A call on the record: the verb as paths have it, and what REST would be sent."""

    verb: str
    request: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AutomationRule:
    """Fields as in the contract. Methods return the changed one."""

    id: UUID
    collection: str
    display_name: str
    trigger: Trigger
    actions: tuple[Action, ...]
    create_time: datetime
    update_time: datetime
    version: int = 1
    filter: str = ""
    filter_before: str = ""
    state: State = State.DRAFT
    stop_reason: StopReason | None = None
    activator_id: UUID | None = None
    activate_time: datetime | None = None

    def update(self, values: Mapping[str, Any]) -> "AutomationRule":
        """With new values of some properties; stopped, when it is active and they change what it does."""
        if self.state is State.ARCHIVED:
            raise wrong_state(
                "automation_rule", self.state, "changed", legal=[State.DRAFT, State.ACTIVE, State.INACTIVE]
            )
        changed = replace(self, **values)
        does_other = any(getattr(changed, name) != getattr(self, name) for name in DOING)
        return changed.stop(StopReason.CHANGED) if does_other and self.state is State.ACTIVE else changed

    def activate(self, by: UUID, *, now: datetime) -> "AutomationRule":
        """ACTIVE, with the rights of who says so."""
        if self.state not in (State.DRAFT, State.INACTIVE):
            raise wrong_state("automation_rule", self.state, "activated", legal=[State.DRAFT, State.INACTIVE])
        return replace(self, state=State.ACTIVE, stop_reason=None, activator_id=by, activate_time=now)

    def deactivate(self) -> "AutomationRule":
        """INACTIVE, since somebody wants it so."""
        return self.stop(StopReason.DEACTIVATED)

    def stop(self, reason: StopReason) -> "AutomationRule":
        """INACTIVE, for whatever reason."""
        if self.state is not State.ACTIVE:
            raise wrong_state("automation_rule", self.state, "deactivated", legal=[State.ACTIVE])
        return replace(self, state=State.INACTIVE, stop_reason=reason)

    def archive(self) -> "AutomationRule":
        """ARCHIVED."""
        if self.state is State.ARCHIVED:
            raise wrong_state(
                "automation_rule", self.state, "archived", legal=[State.DRAFT, State.ACTIVE, State.INACTIVE]
            )
        stopped = StopReason.DEACTIVATED if self.state is State.ACTIVE else self.stop_reason
        return replace(self, state=State.ARCHIVED, stop_reason=stopped)

    def restore(self) -> "AutomationRule":
        """INACTIVE again, or the draft that it was."""
        if self.state is not State.ARCHIVED:
            raise wrong_state("automation_rule", self.state, "restored", legal=[State.ARCHIVED])
        return replace(self, state=State.DRAFT if self.activator_id is None else State.INACTIVE)
