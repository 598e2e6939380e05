"""How a case keeps its milestones between two events, and when their timers are due. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from crm_service_desk.service_levels.model import Milestone, MilestoneKind, MilestoneState


class TimerLevel(StrEnum):
    """What a timer tells of."""

    WARNING = "WARNING"
    BREACH = "BREACH"


Timer = tuple[MilestoneKind, TimerLevel]


@dataclass(frozen=True, slots=True)
class KeptMilestone:
    """A milestone as it was last counted, by that version of that calendar."""

    kind: MilestoneKind
    state: MilestoneState
    start_time: datetime
    due_time: datetime | None
    warning_time: datetime | None
    breach_time: datetime | None
    completed_time: datetime | None
    warned: bool
    calendar_id: UUID
    calendar_version: int

    @property
    def ended(self) -> bool:
        """Whether its clock will not run again, unless the case is reopened."""
        return self.completed_time is not None or self.state is MilestoneState.CANCELLED

    def at(self, now: datetime) -> "KeptMilestone":
        """As it stands at `now`, which lies not before the last event: a due time that passes breaks the promise."""
        if self.state is MilestoneState.RUNNING and self.due_time is not None and self.due_time <= now:
            return replace(self, state=MilestoneState.MISSED, breach_time=self.due_time)
        return self


def keep(
    before: Iterable[KeptMilestone], counted: Iterable[Milestone], *, calendar_id: UUID, calendar_version: int
) -> tuple[KeptMilestone, ...]:
    """What is kept of milestones just counted.

    One that had ended keeps what it was judged by, and a breach that was seen stays the first one.
    """
    earlier = {each.kind: each for each in before}
    fresh = (
        KeptMilestone(
            kind=each.kind,
            state=each.state,
            start_time=each.start_time,
            due_time=each.due_time,
            warning_time=each.warning_time,
            breach_time=each.breach_time,
            completed_time=each.completed_time,
            warned=each.kind in earlier and earlier[each.kind].warned,
            calendar_id=calendar_id,
            calendar_version=calendar_version,
        )
        for each in counted
    )
    return tuple(_kept(earlier.get(each.kind), each) for each in fresh)


def _kept(before: KeptMilestone | None, now: KeptMilestone) -> KeptMilestone:
    if before is None:
        return now
    if before.ended and now.ended:
        return before
    if before.breach_time is not None and (now.breach_time is None or before.breach_time < now.breach_time):
        return replace(now, state=MilestoneState.MISSED, breach_time=before.breach_time)
    return now


def timers_of(milestones: Iterable[KeptMilestone]) -> dict[Timer, datetime | None]:
    """When each timer is due; None for one that waits for nothing now."""
    due: dict[Timer, datetime | None] = {}
    for each in milestones:
        running = each.state is MilestoneState.RUNNING
        due[each.kind, TimerLevel.BREACH] = each.breach_time or (each.due_time if running else None)
        due[each.kind, TimerLevel.WARNING] = None if each.ended or each.warned else each.warning_time
    return due


def moved_timers(before: Mapping[Timer, datetime | None], after: Mapping[Timer, datetime | None]) -> list[Timer]:
    """Those whose due time is not what it was; one that no longer exists waits for nothing."""
    return [timer for timer in {**before, **after} if before.get(timer) != after.get(timer)]
