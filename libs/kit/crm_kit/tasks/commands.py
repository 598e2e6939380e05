"""Every write on tasks. Each function is one transaction's work."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from crm.resource.v1 import events_pb2 as events
from google.protobuf.message import Message
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import require_users
from crm_kit.errors import invalid_field
from crm_kit.ids import new_id
from crm_kit.plumbing import task_timers
from crm_kit.tasks.model import Moment, Source, State, Task, timers_to_set
from crm_kit.tasks.notices import tell_assigned, tell_ended
from crm_kit.tasks.place import Place

ASSIGNEE = "task.assignee_id"
ENDINGS: dict[State, type[Message]] = {State.DONE: events.TaskCompleted, State.CANCELLED: events.TaskCancelled}


async def create_task(work: UnitOfWork, place: Place, values: dict[str, Any]) -> Task:
    """Have somebody do something about a record that the caller may read; of a rule's, that is noted.

    NotFound, InvalidArgument, InvalidArgument ASSIGNMENT_NOT_ALLOWED.
    """
    await place.records.check_readable(work, values["record_id"])
    rule_id = UUID(work.causes[-1].rule_id) if work.causes else None
    task = Task(
        id=new_id(),
        collection=place.collection,
        creator_id=work.actor.user_id,
        source=Source.MANUAL if rule_id is None else Source.RULE,
        rule_id=rule_id,
        create_time=work.now,
        update_time=work.now,
        **values,
    ).timed(zone_of(work), now=work.now)
    await check_assignee(work, place, task)
    set_timers(work, None, task)
    await tell_assigned(work, place, None, task)
    return place.tasks.create(work, task).seen(work.now)


async def update_task(work: UnitOfWork, place: Place, before: Task, values: dict[str, Any]) -> Task:
    """Change a task that is open; nothing is written when nothing changes."""
    await check_may_change(work, place, before)
    after = before.change(values, zone_of(work), now=work.now)
    if after.assignee_id != before.assignee_id:
        await check_assignee(work, place, after)
        await tell_assigned(work, place, before, after)
    return save(work, place, before, after, events.TaskUpdated)


async def end_task(work: UnitOfWork, place: Place, before: Task, state: State, outcome: str | None) -> Task:
    """Have it done, or cancelled; who created it is told."""
    await check_may_change(work, place, before)
    after = before.end(state, work.actor.user_id, outcome, now=work.now)
    await tell_ended(work, place, after)
    return save(work, place, before, after, ENDINGS[state])


async def reopen_task(work: UnitOfWork, place: Place, before: Task) -> Task:
    """Have it wait to be done again; who has it is told."""
    await check_may_change(work, place, before)
    after = before.reopen()
    await tell_assigned(work, place, None, after)
    return save(work, place, before, after, events.TaskReopened)


def save(work: UnitOfWork, place: Place, before: Task, after: Task, event: type[Message]) -> Task:
    """Gather a changed task, and when people are told of it."""
    set_timers(work, before, after)
    return place.tasks.save(work, before, after, event).seen(work.now)


async def check_may_change(work: UnitOfWork, place: Place, task: Task) -> None:
    """PermissionDenied for who has nothing to do with the task or its record."""
    by = work.actor.user_id
    if by in (task.creator_id, task.assignee_id):
        return
    task.check_changed_by(by, changes_record=await place.changes(work, task.record_id))


async def check_assignee(work: UnitOfWork, place: Place, task: Task) -> None:
    """InvalidArgument unless whoever is to do it is active and may read the record."""
    id = task.assignee_id
    if id is None:
        return
    await require_users(work, [id], field=ASSIGNEE)
    if id not in await place.readers(work, task.record_id, [id]):
        detail = "may not read the record, so they cannot be given a task at it"
        raise invalid_field(ASSIGNEE, "reads_record", detail, reason="ASSIGNMENT_NOT_ALLOWED")


def set_timers(work: UnitOfWork, before: Task | None, after: Task) -> None:
    """Gather when people are to be told of it."""
    changed = timers_to_set(before.timers() if before else {}, after.timers(), now=work.now)
    for moment, time in changed.items():
        put_timer(work, after, moment, time)


def put_timer(work: UnitOfWork, task: Task, moment: Moment, time: datetime | None) -> None:
    """Gather one timer of a task; none where there is no time."""
    if time is None:
        work.delete(task_timers, task_id=task.id, kind=moment)
    else:
        work.execute(set_timer(), task_id=task.id, kind=moment, collection=task.collection, tell_time=time)


def zone_of(work: UnitOfWork) -> ZoneInfo:
    """Whose days the tenant's are."""
    return ZoneInfo(work.actor.access.time_zone)


@statement
def set_timer() -> Any:
    table = task_timers
    names = ("tenant_id", "task_id", "kind", "collection", "tell_time")
    fresh = insert(table).values({name: bindparam(name) for name in names})
    key = [table.c.tenant_id, table.c.task_id, table.c.kind]
    return fresh.on_conflict_do_update(index_elements=key, set_={"tell_time": fresh.excluded.tell_time})
