"""Whom tasks tell: who is given one, who has not done it in time, and who created it, once it has ended.

A notice is about the task, so that each of several at a record is told of, and names the record. Who may not read that
is told nothing.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from crm_kit.database.work import UnitOfWork
from crm_kit.notice_texts import OUTCOME, TOGETHER
from crm_kit.notices import Kind, raise_notice
from crm_kit.tasks.model import Moment, Task, held_by
from crm_kit.tasks.place import Place

KINDS: dict[Moment, "Kind.ValueType"] = {
    Moment.REMINDER: Kind.NOTICE_KIND_TASK_REMINDER,
    Moment.DEADLINE: Kind.NOTICE_KIND_TASK_OVERDUE,
}
TASKS = "tasks"
TITLE = "title"


async def tell_assigned(work: UnitOfWork, place: Place, before: Task | None, after: Task) -> None:
    """Gather a notice for who has been given it by others, or by a rule."""
    id = after.assignee_id
    if id is not None and (before is None or before.assignee_id != id):
        # Of what a rule gives, who has activated it knows no more than others.
        await _tell(work, place, after, Kind.NOTICE_KIND_TASK_ASSIGNED, [id], also_actor=bool(work.causes))


async def tell_going_along(work: UnitOfWork, place: Place, given: Sequence[Task]) -> None:
    """Gather a notice for who has got open tasks along with their record: of several one for all of them."""
    if len(given) == 1:
        await tell_assigned(work, place, None, given[0])
    elif given and (id := given[0].assignee_id) is not None:
        raise_notice(
            work,
            Kind.NOTICE_KIND_TASK_ASSIGNED,
            [id],
            record=(place.collection, given[0].record_id),
            name=await place.name_of(work, given[0].record_id),
            values={OUTCOME: TOGETHER},
            also_actor=bool(work.causes),
            count=len(given),
        )


async def tell_ended(work: UnitOfWork, place: Place, task: Task) -> None:
    """Gather a notice for who created it, if somebody else has ended it and they may still read the record."""
    if task.creator_id != work.actor.user_id:
        told = await place.readers(work, task.record_id, [task.creator_id])
        await _tell(work, place, task, Kind.NOTICE_KIND_TASK_ENDED, told, text=task.outcome or "", outcome=task.state)


async def tell_moment(work: UnitOfWork, place: Place, task: Task, moment: Moment) -> None:
    """Gather a notice for who has it, or else for who answers for it."""
    owner_id = await place.owner_of(work, task.record_id)
    readers = await place.readers(work, task.record_id, [task.assignee_id, owner_id, task.creator_id])
    told = held_by(task, owner_id, readers)
    await _tell(work, place, task, KINDS[moment], [told] if told else [])


async def _tell(
    work: UnitOfWork,
    place: Place,
    task: Task,
    kind: "Kind.ValueType",
    user_ids: Iterable[UUID],
    *,
    text: str = "",
    outcome: str = "",
    also_actor: bool = False,
) -> None:
    ids = [id for id in user_ids if also_actor or id != work.actor.user_id]
    if not ids:
        return
    name = await place.name_of(work, task.record_id)
    values = {"collection": task.collection, "record_id": str(task.record_id), TITLE: task.title}
    raise_notice(
        work,
        kind,
        ids,
        record=(TASKS, task.id),
        name=task.title if not name else f"{task.title} · {name}",
        text=text or task.note or "",
        values=values | ({OUTCOME: outcome} if outcome else {}),
        also_actor=also_actor,
    )
