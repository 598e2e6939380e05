"""Tasks, declared. Whoever may read a record reads its tasks."""

from collections.abc import Callable
from functools import cache
from typing import Any

from crm.resource.v1 import events_pb2 as events
from crm.resource.v1 import tasks_pb2 as pb
from sqlalchemy import ColumnElement, DateTime, and_, bindparam, func, not_, select

from crm_kit.identity.access import Scope
from crm_kit.plumbing import access_users, tasks
from crm_kit.resource.reach import Reach, asked_of_each, beside_records
from crm_kit.resource.writing import Resource
from crm_kit.tasks.model import State, Task

AnyResource = Resource[Any, Any]
Tasks = Resource[Task, pb.Task]
IS_OPEN = tasks.c.state == State.OPEN
# Needs the bind parameter `collection`.
OF_COLLECTION = tasks.c.collection == bindparam("collection")
NOW: ColumnElement[Any] = bindparam("now", type_=DateTime(timezone=True))
OVERDUE = func.coalesce(and_(IS_OPEN, tasks.c.deadline_time <= NOW), False)


@cache
def tasks_of(records: AnyResource) -> Tasks:
    """The tasks of the records of a resource."""
    return tasks_seen(seen_with(records))


def tasks_seen(visible: Callable[[Scope], ColumnElement[bool]]) -> Tasks:
    """Tasks that are seen so."""
    return Resource(
        "task",
        entity=Task,
        table=tasks,
        message=pb.Task,
        created=events.TaskCreated,
        updated=events.TaskUpdated,
        visible=visible,
        computed={"overdue": OVERDUE, "assignee_missing": and_(IS_OPEN, not_(_has_active_assignee()))},
        unversioned={"overdue", "assignee_missing"},
        # Whether somebody may end it takes more than the task: which records they may change.
        verbs={f"{verb}Task": lambda *_: None for verb in ("Complete", "Cancel", "Reopen")},
        # Ids grow with time. By deadlines, which may be missing, who sees few of very many waits longer.
        default_order="id desc",
    )


def seen_with(records: AnyResource) -> Callable[[Scope], ColumnElement[bool]]:
    """Whose tasks a scope reaches: those of the records that it reaches."""
    if isinstance(records.visible, Reach):
        return beside_records(tasks, records.table, records.visible)

    def each(scope: Scope) -> ColumnElement[bool]:
        own = records.table.c.id
        rows = records.rows(scope).with_only_columns(own, maintain_column_froms=True)
        return asked_of_each(rows.where(own == tasks.c.record_id), tasks)

    return each


def _has_active_assignee() -> ColumnElement[bool]:
    users = access_users.c
    found = select(users.id).where(users.tenant_id == tasks.c.tenant_id, users.id == tasks.c.assignee_id, users.active)
    return found.correlate(tasks).exists()
