"""How a case is written: row, log, timers, history and event together, in one statement."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.database.connections import row_of
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import Conflict
from google.protobuf.message import Message
from sqlalchemy import DateTime, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.types import Interval, Text

from crm_service_desk.cases.log import CaseEvent
from crm_service_desk.cases.milestones import Timer, moved_timers, timers_of
from crm_service_desk.cases.model import Case
from crm_service_desk.cases.resource import CASES
from crm_service_desk.cases.tables import case_events, case_numbers, milestone_timers


def create(work: UnitOfWork, case: Case, lines: Sequence[CaseEvent]) -> Case:
    """Gather a new case with the first lines of its log."""
    CASES.create(work, case)
    write_events(work, case, lines)
    write_timers(work, None, case)
    return case


def save(
    work: UnitOfWork,
    before: Case,
    changed: Case,
    event: type[Message],
    *,
    lines: Sequence[CaseEvent] = (),
    fired: Timer | None = None,
    **told: Any,
) -> Case:
    """Gather a changed case with the lines to append to its log; nothing is gathered where nothing changed.

    The row of a timer that `fired` is written elsewhere.
    """
    after = CASES.save(work, before, changed, event, **told)
    write_events(work, after, lines)
    write_timers(work, before, after, fired=fired)
    return after


def write_events(work: UnitOfWork, case: Case, lines: Sequence[CaseEvent]) -> None:
    """Gather the last lines of the case's log."""
    for event in lines:
        work.insert(case_events, row_of(event) | {"case_id": case.id})


def write_timers(work: UnitOfWork, before: Case | None, after: Case, *, fired: Timer | None = None) -> None:
    """Gather when the case's timers are due now; those that have fired stay as they are."""
    was, due = timers_of(before.milestones if before else ()), timers_of(after.milestones)
    moved = [timer for timer in moved_timers(was, due) if timer != fired]
    if moved:
        work.execute(
            put_timers(),
            case_id=after.id,
            kinds=[kind for kind, _ in moved],
            levels=[level for _, level in moved],
            due_times=[due.get(timer) for timer in moved],
        )


def write_fired(work: UnitOfWork, id: UUID, timer: Timer, *, fire_time: datetime) -> None:
    """Gather that a timer has fired; the unit fails as Conflict when another was faster."""
    kind, level = timer
    work.execute(
        fire_timer(),
        unmet=lambda: Conflict("the timer has fired"),
        case_id=id,
        kind=kind,
        level=level,
        fire_time=fire_time,
    )


async def next_number(work: UnitOfWork, year: int) -> int:
    """The next number of a case. Its row is locked for this statement only; a number not used is lost.

    Call it before anything is flushed, so that it does not run inside the unit's transaction.
    """
    row = await work.one(count_up(), year=year)
    assert row is not None
    last: int = row["last"]
    return last


@statement
def count_up() -> Any:
    table = case_numbers
    first = insert(table).values(tenant_id=bindparam("tenant_id"), year=bindparam("year"), last=1)
    return first.on_conflict_do_update(
        index_elements=[table.c.tenant_id, table.c.year], set_={"last": table.c.last + 1}
    ).returning(table.c.last)


@statement
def put_timers() -> Any:
    table = milestone_timers
    due_times = bindparam("due_times", type_=ARRAY(DateTime(timezone=True)))
    rows = select(
        bindparam("tenant_id", type_=table.c.tenant_id.type),
        bindparam("case_id", type_=table.c.case_id.type),
        func.unnest(bindparam("kinds", type_=ARRAY(Text))),
        func.unnest(bindparam("levels", type_=ARRAY(Text))),
        func.unnest(due_times),
        func.unnest(due_times),
    )
    fresh = insert(table).from_select(["tenant_id", "case_id", "kind", "level", "due_time", "try_time"], rows)
    return fresh.on_conflict_do_update(
        index_elements=[table.c.tenant_id, table.c.case_id, table.c.kind, table.c.level],
        set_={"due_time": fresh.excluded.due_time, "try_time": fresh.excluded.try_time},
        where=table.c.fire_time.is_(None),
    )


@statement
def fire_timer() -> Any:
    table = milestone_timers
    return (
        update(table)
        .where(
            table.c.tenant_id == bindparam("tenant_id"),
            table.c.case_id == bindparam("case_id"),
            table.c.kind == bindparam("kind"),
            table.c.level == bindparam("level"),
            table.c.fire_time.is_(None),
        )
        .values(fire_time=bindparam("fire_time"))
        .returning(table.c.case_id)
    )


@statement
def put_off_timer() -> Any:
    """Try it later: as long after `now` as it is overdue by then, within bounds. One that has moved stays as it is."""
    table, now = milestone_timers, bindparam("now", type_=DateTime(timezone=True))
    at_least, at_most = (bindparam(name, type_=Interval) for name in ("at_least", "at_most"))
    wait = func.least(func.greatest(now - table.c.due_time, at_least), at_most)
    return (
        update(table)
        .where(
            table.c.tenant_id == bindparam("tenant_id"),
            table.c.case_id == bindparam("case_id"),
            table.c.kind == bindparam("kind"),
            table.c.level == bindparam("level"),
            table.c.fire_time.is_(None),
            table.c.try_time <= now,
        )
        .values(try_time=now + wait)
    )
