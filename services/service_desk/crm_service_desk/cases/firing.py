"""What happens when a timer of a case is due, or its calendar has changed. One case, one transaction."""

from dataclasses import replace
from uuid import UUID

from crm_kit.database.work import UnitOfWork
from google.protobuf.message import Message

from crm_service_desk.calendars.queries import get_calendar
from crm_service_desk.cases.case_file import CaseFile
from crm_service_desk.cases.commands import changed_from, finish
from crm_service_desk.cases.milestones import Timer, TimerLevel
from crm_service_desk.cases.queries import get_case, get_log, is_due
from crm_service_desk.cases.wire import milestone_breached, milestone_warned
from crm_service_desk.cases.writing import write, write_fired


async def fire(work: UnitOfWork, id: UUID, timer: Timer) -> None:
    """Warn of a promise or find it broken, once; a timer that has fired or moved meanwhile does nothing."""
    if not await is_due(work, id, *timer):
        return
    before = await get_case(work, id)
    calendar = await get_calendar(work, before.calendar_id)
    after = before.counted(await get_log(work, id), calendar.calendar, calendar_version=calendar.version, now=work.now)
    after = replace(after, version=before.version + 1, update_time=work.now)
    told = tell(after, timer, work)
    if told is None:
        # Counted anew it is not due: the calendar has changed since the timer was set.
        write(work, before, after, changed_from(before)(after, work.now), action="COUNTED")
        return
    after, event = told
    write_fired(work, id, timer, fire_time=work.now)
    write(work, before, after, event, action=timer[1], fired=timer)


def tell(case: CaseFile, timer: Timer, work: UnitOfWork) -> tuple[CaseFile, Message] | None:
    """The case once the timer has fired, and the event of it; None when there is nothing to tell."""
    kind, level = timer
    milestone = case.milestone(kind)
    if milestone is None:
        return None
    if level is TimerLevel.BREACH:
        return None if milestone.breach_time is None else (case, milestone_breached(case, work.now, kind))
    if milestone.ended or milestone.warning_time is None or milestone.warning_time > work.now:
        return None
    warned = case.warned(kind)
    return warned, milestone_warned(warned, work.now, kind)


async def recount(work: UnitOfWork, id: UUID) -> None:
    """Count the running clocks of a case by its calendar as it is now."""
    case = await get_case(work, id)
    await finish(work, case, case, [], "COUNTED", changed_from(case))
