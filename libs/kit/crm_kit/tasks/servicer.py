"""TaskService: from message to command or query and back, for the collections of one service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm.resource.v1 import tasks_pb2 as pb

from crm_kit.database.work import Reader, UnitOfWork, counting
from crm_kit.errors import NotFound
from crm_kit.identity.membership import READING
from crm_kit.paging import PageTokens
from crm_kit.resource.facets import count_values
from crm_kit.resource.names import Names
from crm_kit.resource.summary_wire import named_values, summarized
from crm_kit.tasks import commands
from crm_kit.tasks.model import State, Task
from crm_kit.tasks.place import Place
from crm_kit.tasks.resource import OF_COLLECTION
from crm_kit.wire import time_from


@dataclass(frozen=True, slots=True)
class Groups:
    """What a summary of tasks asks for, in which there is nothing to add up."""

    filter: str
    group_by: Sequence[str]
    sum: Sequence[str] = ()


class TaskServicer:
    # The pipeline gives each reader the scope in which the caller reads the collection.
    contract = pb.DESCRIPTOR.services_by_name["TaskService"]

    def __init__(self, places: Mapping[str, Place], names: Names, tokens: PageTokens) -> None:
        self._places = places
        self._names = names
        self._tokens = tokens
        self._lists = {
            name: each.tasks.list_of("tasks", of=OF_COLLECTION, is_long=True) for name, each in places.items()
        }

    async def CreateTask(self, request: pb.CreateTaskRequest, work: UnitOfWork) -> pb.Task:
        place = self._of(request)
        values = place.tasks.values_of(request.task)
        return place.tasks.message(work, await commands.create_task(work, place, values))

    async def GetTask(self, request: pb.GetTaskRequest, reader: Reader) -> pb.Task:
        place = self._of(request)
        return place.tasks.message(reader, await self._get(place, reader, request.id))

    async def ListTasks(self, request: pb.ListTasksRequest, reader: Reader) -> pb.ListTasksResponse:
        tasks, listing = self._of(request).tasks, self._lists[request.collection]
        return await tasks.list(
            reader, request, pb.ListTasksResponse, self._tokens, listing=listing, binds=binds_of(request)
        )

    async def UpdateTask(self, request: pb.UpdateTaskRequest, work: UnitOfWork) -> pb.Task:
        place = self._of(request)
        await self._get(place, work, request.task.id)
        with counting(work, READING):
            before, values = await place.tasks.to_update(work, request)
        return place.tasks.message(work, await commands.update_task(work, place, before, values))

    async def CompleteTask(self, request: pb.CompleteTaskRequest, work: UnitOfWork) -> pb.Task:
        return await self._end(request, work, State.DONE)

    async def CancelTask(self, request: pb.CancelTaskRequest, work: UnitOfWork) -> pb.Task:
        return await self._end(request, work, State.CANCELLED)

    async def ReopenTask(self, request: pb.ReopenTaskRequest, work: UnitOfWork) -> pb.Task:
        place = self._of(request)
        before = await self._get(place, work, request.id, etag=request.etag)
        return place.tasks.message(work, await commands.reopen_task(work, place, before))

    async def CountTasks(self, request: pb.CountTasksRequest, reader: Reader) -> pb.CountTasksResponse:
        count = await self._lists[request.collection].count(reader, request.filter, **binds_of(request))
        return pb.CountTasksResponse(count=count.total, exact=count.exact)

    async def SummarizeTasks(self, request: pb.SummarizeTasksRequest, reader: Reader) -> pb.SummarizeTasksResponse:
        tasks, listing = self._of(request).tasks, self._lists[request.collection]
        asked = Groups(request.filter, request.group_by)
        found = await summarized(tasks, self._names, reader, asked, listing=listing, binds=binds_of(request))
        return pb.SummarizeTasksResponse(groups=found.groups, total_count=found.total_count, truncated=found.truncated)

    async def CountTaskValues(self, request: pb.CountTaskValuesRequest, reader: Reader) -> pb.CountTaskValuesResponse:
        tasks, listing, field = self._of(request).tasks, self._lists[request.collection], request.field
        asked: dict[str, Any] = {"filter": request.filter, "limit": request.limit, **binds_of(request)}
        counted = await count_values(tasks, reader, field, listing=listing, **asked)
        return pb.CountTaskValuesResponse(
            values=await named_values(tasks, self._names, reader, field, counted),
            unset_count=counted.unset,
            total_count=counted.total,
            truncated=counted.truncated,
            exact=counted.exact,
        )

    async def ListTaskChanges(self, request: pb.ListTaskChangesRequest, reader: Reader) -> pb.ListTaskChangesResponse:
        place = self._of(request)
        await self._get(place, reader, request.id)
        return await place.tasks.list_changes(reader, request, pb.ListTaskChangesResponse, self._tokens)

    async def GetTaskAsOf(self, request: pb.GetTaskAsOfRequest, reader: Reader) -> pb.Task:
        place = self._of(request)
        await self._get(place, reader, request.id)
        return await place.tasks.as_of(reader, request.id, time_from(request.read_time))

    def permission_of(self, request: Any) -> str:
        """What a request needs: to read the collection that it names. Whoever changes a task needs more."""
        return self._of(request).records.permission

    async def _end(self, request: Any, work: UnitOfWork, state: State) -> pb.Task:
        place, outcome = self._of(request), request.outcome.strip() or None
        before = await self._get(place, work, request.id, etag=request.etag)
        return place.tasks.message(work, await commands.end_task(work, place, before, state, outcome))

    async def _get(self, place: Place, reader: Reader, id: str, *, etag: str = "") -> Task:
        """The task; NotFound when the caller may not read its record, or it is another collection's; EtagMismatch."""
        # Whether somebody changes it is another question than whether they read it.
        with counting(reader, READING):
            found = await place.tasks.get(reader, UUID(id))
            if found.collection != place.collection:
                raise NotFound("the task does not exist", reason=place.tasks.not_found)
            await place.tasks.check_etag(reader, found.id, etag, found.version)
        return found

    def _of(self, request: Any) -> Place:
        """The collection that a request names; NotFound when it has no tasks here."""
        found = self._places.get(request.collection)
        if found is None:
            raise NotFound(f"{request.collection!r} have no tasks here", reason="COLLECTION_NOT_FOUND")
        return found


def binds_of(request: Any) -> dict[str, str]:
    """What a list of a collection needs."""
    return {"collection": request.collection}
