"""Business hours from short text, and the clock asked one question at a time."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from crm_kit.working_time.business_hours import BusinessHours, DayIntervals, LocalInterval
from crm_kit.working_time.timeline import timeline_of, to_instant, to_micros
from crm_service_desk.service_levels.clock import evaluate
from crm_service_desk.service_levels.facts import Fact, FactKind
from crm_service_desk.service_levels.milestones import CountedMilestone
from crm_service_desk.service_levels.model import (
    ASKED_PAUSES,
    MilestoneKind,
    MilestoneTarget,
    PauseReason,
    ServiceLevelPolicy,
    Target,
)
from crm_service_desk.service_levels.time_spent import CountedInterval

HOUR = 60
DAY = 24 * HOUR


class Stop(NamedTuple):
    """A pause; without an end it lasts."""

    start: datetime
    end: datetime | None


def minutes(text: str) -> int:
    """`HH:MM` in minutes from midnight."""
    hours, _, rest = text.strip().partition(":")
    return int(hours) * HOUR + int(rest)


def intervals(text: str) -> DayIntervals:
    """Hours of a day, such as `09:00-12:00, 13:00-24:00`; closed when empty."""
    pairs = (part.split("-") for part in text.split(",") if part)
    return tuple(LocalInterval(minutes(opens), minutes(closes)) for opens, closes in pairs)


def weekly(zone: str, hours: Mapping[int, str], exceptions: Sequence[tuple[date, DayIntervals]] = ()) -> BusinessHours:
    """Business hours by weekday, 0 Monday to 6 Sunday; one not given is closed."""
    return BusinessHours(zone, tuple(intervals(hours.get(weekday, "")) for weekday in range(7)), tuple(exceptions))


def daily(zone: str, hours: str) -> BusinessHours:
    """The same hours on every day."""
    return weekly(zone, dict.fromkeys(range(7), hours))


def within(minutes: int) -> Target:
    return Target(business_minutes=minutes)


def policy(
    targets: Mapping[MilestoneKind, Target],
    pauses: Mapping[MilestoneKind, Sequence[PauseReason]] | None = None,
    **fields: int,
) -> ServiceLevelPolicy:
    """A policy in which everything pauses RESOLUTION, and nothing the responses, unless told otherwise."""
    given = {MilestoneKind.RESOLUTION: ASKED_PAUSES} if pauses is None else pauses
    return ServiceLevelPolicy(
        tuple(MilestoneTarget(kind, target, tuple(given.get(kind, ()))) for kind, target in targets.items()), **fields
    )


def business_intervals(hours: BusinessHours, start: datetime, end: datetime) -> list[CountedInterval]:
    """The business time in [start, end), in order, touching intervals as one."""
    spans = timeline_of(hours).spans(to_micros(start), to_micros(end))
    return [CountedInterval(to_instant(opens), to_instant(closes)) for opens, closes in spans]


def elapsed(hours: BusinessHours, start: datetime, end: datetime) -> timedelta:
    """The business time in [start, end)."""
    return timedelta(microseconds=timeline_of(hours).measure(to_micros(start), to_micros(end)))


def counted(
    hours: BusinessHours, start: datetime, target: Target, now: datetime, stops: Sequence[Stop] = ()
) -> CountedMilestone:
    """How a target stands at `now` for a case of that start; each stop has a reason of its own."""
    log = [Fact(start, FactKind.CREATED)]
    for stop, reason in zip(stops, ASKED_PAUSES, strict=False):
        if stop.end is None or stop.end > start:
            log.append(Fact(max(stop.start, start), FactKind.PAUSED, reason))
        if stop.end is not None and stop.end > start:
            log.append(Fact(stop.end, FactKind.RESUMED, reason))
    (found,) = evaluate(hours, policy({MilestoneKind.RESOLUTION: target}), log, now)
    return found


def due_time(hours: BusinessHours, start: datetime, target: Target, stops: Sequence[Stop] = ()) -> datetime | None:
    """When a target is due for a case of that start, once all stops are known."""
    known = max([start, *(stop.start if stop.end is None else stop.end for stop in stops)])
    return counted(hours, start, target, known, stops).due_time
