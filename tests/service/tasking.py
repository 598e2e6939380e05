"""Tasks for tests, by gRPC."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from crm.resource.v1 import my_tasks_pb2, tasks_pb2
from crm.resource.v1.my_tasks_pb2_grpc import MyTaskServiceStub
from crm.resource.v1.tasks_pb2_grpc import TaskServiceStub
from crm_kit.directory.projection import project_user
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.running import Running, User

Task = tasks_pb2.Task
READER: Mapping[str, Scope] = {"accounts.read": Scope.ALL}


class ToDo:
    """The tasks of a collection, of accounts unless told otherwise."""

    def __init__(self, service: Running, collection: str = "accounts") -> None:
        self.stub = TaskServiceStub(service.channel)
        self.of: dict[str, Any] = {"collection": collection}

    async def create(self, by: User, record_id: str, title: str = "call them", *, key: str = "", **more: Any) -> Task:
        task = Task(record_id=record_id, title=title, **more)
        request = tasks_pb2.CreateTaskRequest(task=task, **self.of)
        answer: Task = await self.stub.CreateTask(request, metadata=by.with_key(key) if key else by.metadata)
        return answer

    async def get(self, by: User, task: Task) -> Task:
        answer: Task = await self.stub.GetTask(tasks_pb2.GetTaskRequest(id=task.id, **self.of), metadata=by.metadata)
        return answer

    async def list(self, by: User, filter: str = "", **asked: Any) -> list[Task]:
        request = tasks_pb2.ListTasksRequest(filter=filter, **self.of, **asked)
        return list((await self.stub.ListTasks(request, metadata=by.metadata)).tasks)

    async def count(self, by: User, filter: str = "") -> int:
        request = tasks_pb2.CountTasksRequest(filter=filter, **self.of)
        return int((await self.stub.CountTasks(request, metadata=by.metadata)).count)

    async def update(
        self, by: User, task: Task, etag: str = "", *, cleared: tuple[str, ...] = (), **values: Any
    ) -> Task:
        sent = Task(id=task.id, etag=etag, **values)
        request = tasks_pb2.UpdateTaskRequest(task=sent, update_mask=FieldMask(paths=[*values, *cleared]), **self.of)
        answer: Task = await self.stub.UpdateTask(request, metadata=by.metadata)
        return answer

    async def complete(self, by: User, task: Task, outcome: str = "", *, key: str = "", etag: str = "") -> Task:
        request = tasks_pb2.CompleteTaskRequest(id=task.id, outcome=outcome, etag=etag, **self.of)
        answer: Task = await self.stub.CompleteTask(request, metadata=by.with_key(key) if key else by.metadata)
        return answer

    async def cancel(self, by: User, task: Task, outcome: str = "") -> Task:
        request = tasks_pb2.CancelTaskRequest(id=task.id, outcome=outcome, **self.of)
        answer: Task = await self.stub.CancelTask(request, metadata=by.metadata)
        return answer

    async def reopen(self, by: User, task: Task) -> Task:
        request = tasks_pb2.ReopenTaskRequest(id=task.id, **self.of)
        answer: Task = await self.stub.ReopenTask(request, metadata=by.metadata)
        return answer


class Mine:
    """What waits for somebody in one service."""

    def __init__(self, service: Running) -> None:
        self.stub = MyTaskServiceStub(service.channel)

    async def find(self, by: User, filter: str = "", **asked: Any) -> my_tasks_pb2.FindMyTasksResponse:
        request = my_tasks_pb2.FindMyTasksRequest(filter=filter, **asked)
        answer: my_tasks_pb2.FindMyTasksResponse = await self.stub.FindMyTasks(request, metadata=by.metadata)
        return answer

    async def titles(self, by: User, filter: str = "") -> list[str]:
        return [each.title for each in (await self.find(by, filter)).tasks]

    async def counts(self, by: User) -> tuple[int, int, int]:
        """All that are open, those that are overdue, and those that are due today."""
        answer = await self.stub.CountMyTasks(my_tasks_pb2.CountMyTasksRequest(), metadata=by.metadata)
        return answer.open_count, answer.overdue_count, answer.today_count


async def deactivate(service: Running, user: User, *, role_ids: tuple[UUID, ...] = (), active: bool = False) -> None:
    """Have somebody leave, and lose all roles."""
    async with service.unit_of_work(user.tenant_id) as work:
        values: dict[str, Any] = {"display_name": "somebody", "active": active, "team_id": user.team_id}
        login = f"{user.id.hex[-12:]}@example.test"
        project_user(work, id=user.id, login=login, role_ids=list(role_ids), version=9, **values)
    service.service.directory.forget(user.tenant_id)
