"""How a case keeps its milestones between two events, and when their timers are due. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from crm_service_desk.calendars.model import Calendar
from crm_service_desk.service_levels.milestones import CountedMilestone, Milestone, MilestoneState
from crm_service_desk.service_levels.model import MilestoneKind


class TimerLevel(StrEnum):
    """What a timer tells of."""

    WARNING = "WARNING"
    BREACH = "BREACH"


Timer = tuple[MilestoneKind, TimerLevel]


def keep(before: Iterable[Milestone], counted: Iterable[CountedMilestone], calendar: Calendar) -> tuple[Milestone, ...]:
    """What is kept of milestones just counted by a calendar.

    One that had ended keeps what it was judged by, and a breach that was seen stays the first one.
    """
    earlier = {each.kind: each for each in before}
    return tuple(_kept(earlier.get(each.kind), each, calendar) for each in counted)


def _kept(before: Milestone | None, counted: CountedMilestone, calendar: Calendar) -> Milestone:
    if before is None:
        return counted.kept(calendar)
    now = counted.kept(calendar, warned=before.warned)
    if before.ended and now.ended:
        return before
    if before.breach_time is not None and (now.breach_time is None or before.breach_time < now.breach_time):
        return replace(now, state=MilestoneState.MISSED, breach_time=before.breach_time)
    return now


def timers_of(milestones: Iterable[Milestone]) -> dict[Timer, datetime | None]:
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
