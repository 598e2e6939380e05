"""Open tasks go along with their record: those of its old owner are the new one's, as the record is."""

from collections.abc import Mapping
from typing import Any

from crm.resource.v1 import events_pb2 as events
from sqlalchemy import Select, Uuid, bindparam, select

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.identity.access import Scope
from crm_kit.plumbing import tasks
from crm_kit.resource.owners import Given, GoesAlong
from crm_kit.tasks.commands import save
from crm_kit.tasks.model import State
from crm_kit.tasks.notices import tell_going_along
from crm_kit.tasks.place import Place
from crm_kit.tasks.resource import IS_OPEN


def going_along(places: Mapping[str, Place]) -> GoesAlong:
    """What is done where a record of one of the collections comes to belong to somebody else."""

    async def hand_on(work: UnitOfWork, given: Given) -> None:
        place = places.get(given.collection)
        if place is None:
            return
        rows = await work.all(open_tasks(), record_id=given.record_id, assignee_id=given.old_owner_id)
        found = await place.tasks.get_many(work, [row["id"] for row in rows], scope=Scope.ALL)
        goes = []
        for before in found.values():
            if before.state is not State.OPEN:
                # Ended just now.
                continue
            after = before.given_to(given.new_owner_id)
            save(work, place, before, after, events.TaskUpdated)
            goes.append(after)
        # Who is given many records by a job is told of all of them together.
        if work.job_id is None:
            await tell_going_along(work, place, goes)

    return hand_on


@statement
def open_tasks() -> Select[Any]:
    """Of a record those that somebody has."""
    return select(tasks.c.id).where(
        tasks.c.tenant_id == bindparam("tenant_id"),
        tasks.c.record_id == bindparam("record_id", type_=Uuid),
        tasks.c.assignee_id == bindparam("assignee_id", type_=Uuid),
        IS_OPEN,
    )
