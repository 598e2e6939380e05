"""What happens when a timer of a case is due, or its calendar has changed. One case, one transaction."""

from uuid import UUID

from crm_kit.database.work import UnitOfWork

from crm_service_desk.cases import wire
from crm_service_desk.cases.commands import counted
from crm_service_desk.cases.milestones import Timer, TimerLevel
from crm_service_desk.cases.model import Case
from crm_service_desk.cases.queries import get_case, get_log, is_due
from crm_service_desk.cases.wire import Announce
from crm_service_desk.cases.writing import save, write_fired


async def fire(work: UnitOfWork, id: UUID, timer: Timer) -> None:
    """Warn of a promise or find it broken, once; a timer that has fired or moved meanwhile does nothing."""
    if not await is_due(work, id, *timer):
        return
    before = await get_case(work, id)
    after = await counted(work, before, await get_log(work, id))
    told = tell(after, timer, work)
    if told is None:
        # Counted anew it is not due: the calendar has changed since the timer was set.
        save_counted(work, before, after)
        return
    after, announce = told
    write_fired(work, id, timer, fire_time=work.now)
    save(work, before, after, announce, fired=timer)


def tell(case: Case, timer: Timer, work: UnitOfWork) -> tuple[Case, Announce] | None:
    """The case once the timer has fired, and the event of it; None when there is nothing to tell."""
    kind, level = timer
    milestone = case.milestone(kind)
    if milestone is None:
        return None
    if level is TimerLevel.BREACH:
        return None if milestone.breach_time is None else (case, wire.breached(kind))
    if milestone.ended or milestone.warning_time is None or milestone.warning_time > work.now:
        return None
    return case.warned(kind), wire.warned(kind)


async def recount(work: UnitOfWork, id: UUID) -> None:
    """Count the running clocks of a case by its calendar as it is now."""
    before = await get_case(work, id)
    save_counted(work, before, await counted(work, before, await get_log(work, id)))


def save_counted(work: UnitOfWork, before: Case, after: Case) -> None:
    """Gather what counting anew has changed, if anything."""
    if after != before:
        save(work, before, after, wire.recounted)
