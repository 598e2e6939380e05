"""A promise on a case: as the clock counts it, and as it is kept and shown."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from crm_service_desk.calendars.model import Calendar
from crm_service_desk.service_levels.model import MilestoneKind, Target
from crm_service_desk.service_levels.time_spent import CountedInterval, PausedInterval, TimeSpent


class MilestoneState(StrEnum):
    """How a promise stands. MISSED stays, whatever happens after; CANCELLED is no longer owed."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    MET = "MET"
    MISSED = "MISSED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Milestone:
    """Fields as in the contract, as they were last counted by that version of that calendar.

    `calendar_id` is None when it was counted by a calendar that is not stored.
    """

    kind: MilestoneKind
    state: MilestoneState
    start_time: datetime
    due_time: datetime | None
    warning_time: datetime | None
    breach_time: datetime | None
    complete_time: datetime | None
    warned: bool
    calendar_id: UUID | None
    calendar_version: int
    # Whether the event of its breach was sent; not shown.
    breach_told: bool = False

    @property
    def ended(self) -> bool:
        """Whether its clock will not run again, unless the case is reopened."""
        return self.complete_time is not None or self.state is MilestoneState.CANCELLED

    @property
    def open_due_time(self) -> datetime | None:
        """By when it is still to be done, or had to be."""
        owed = self.state in (MilestoneState.RUNNING, MilestoneState.MISSED) and self.complete_time is None
        return self.due_time if owed else None

    def at(self, now: datetime) -> "Milestone":
        """As it stands at `now`, which lies not before the last event: a due time that passes breaks the promise."""
        if self.state is MilestoneState.RUNNING and self.due_time is not None and self.due_time <= now:
            return replace(self, state=MilestoneState.MISSED, breach_time=self.due_time)
        return self


@dataclass(frozen=True, slots=True)
class CountedMilestone:
    """One promise on one case, as the clock counted it at the `now` it was asked for.

    `cycle` numbers the NEXT_RESPONSE records from 1. `budget` is the target in business time (of a target of
    working days: from start to its end); `time_spent` is what became of the business time from the start to the
    end of the clock or now. `due_time` and a `warning_time` that was not reached are None while paused.
    """

    kind: MilestoneKind
    cycle: int
    state: MilestoneState
    target: Target
    start_time: datetime
    due_time: datetime | None
    warning_time: datetime | None
    breach_time: datetime | None
    complete_time: datetime | None
    budget: timedelta
    time_spent: TimeSpent
    reopenings: int = 0

    def kept(self, calendar: Calendar | None, *, warned: bool = False, breach_told: bool = False) -> Milestone:
        """What is kept and shown of it; `calendar` is what it was counted by, None when that is not stored."""
        return Milestone(
            kind=self.kind,
            state=self.state,
            start_time=self.start_time,
            due_time=self.due_time,
            warning_time=self.warning_time,
            breach_time=self.breach_time,
            complete_time=self.complete_time,
            warned=warned,
            calendar_id=calendar.id if calendar else None,
            calendar_version=calendar.version if calendar else 0,
            breach_told=breach_told,
        )

    def explaining(self, shown: Milestone) -> "MilestoneExplanation":
        """Why the milestone stands as it is shown: this is what the clock counts for it."""
        return MilestoneExplanation(
            milestone=shown,
            target=self.target,
            budget=self.budget,
            elapsed=self.time_spent.elapsed,
            counted=self.time_spent.counted,
            paused=self.time_spent.paused,
            calendar_id=shown.calendar_id,
            calendar_version=shown.calendar_version,
            reopenings=self.reopenings,
        )


@dataclass(frozen=True, slots=True)
class MilestoneExplanation:
    """Fields as in the contract."""

    milestone: Milestone
    target: Target
    budget: timedelta
    elapsed: timedelta
    counted: tuple[CountedInterval, ...]
    paused: tuple[PausedInterval, ...]
    calendar_id: UUID | None
    calendar_version: int
    reopenings: int
