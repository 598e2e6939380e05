"""Whom tasks tell: who is given one, who has not done it in time, and who created it, once it has ended.

A notice is about the record, and names the task. Who may not read the record is told nothing.
"""

from collections.abc import Iterable
from uuid import UUID

from crm_kit.database.work import UnitOfWork
from crm_kit.notice_texts import OUTCOME
from crm_kit.notices import Kind, raise_notice
from crm_kit.tasks.model import Moment, Task, held_by
from crm_kit.tasks.place import Place

KINDS: dict[Moment, "Kind.ValueType"] = {
    Moment.REMINDER: Kind.NOTICE_KIND_TASK_REMINDER,
    Moment.DEADLINE: Kind.NOTICE_KIND_TASK_OVERDUE,
}
TITLE = "title"


async def tell_assigned(work: UnitOfWork, place: Place, before: Task | None, after: Task) -> None:
    """Gather a notice for who has been given it by others, or by a rule."""
    id = after.assignee_id
    if id is not None and (before is None or before.assignee_id != id):
        by_rule = after.rule_id is not None and before is None
        await _tell(work, place, after, Kind.NOTICE_KIND_TASK_ASSIGNED, [id], also_actor=by_rule)


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
    raise_notice(
        work,
        kind,
        ids,
        record=(task.collection, task.record_id),
        name=task.title if not name else f"{task.title} · {name}",
        text=text or task.note or "",
        values={"task_id": str(task.id), TITLE: task.title} | ({OUTCOME: outcome} if outcome else {}),
        also_actor=also_actor,
    )
