"""What the collections of a service offer to automation rules: events that set one off, and rpcs that actions call.

All of it is read from the contract: the events that carry a record, and the rpcs that are marked `automatable`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crm.options.v1 import options_pb2
from crm.resource.v1 import events_pb2, tasks_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from crm_kit.approvals.declaration import ID, Approvable
from crm_kit.errors import NotFound
from crm_kit.events.payloads import events_of
from crm_kit.resource.values import DeclarationError
from crm_kit.resource.writing import Resource
from crm_kit.tasks.resource import Tasks, tasks_of

UPDATE, CREATE = "update", "create"
CREATE_TASK = "/crm.resource.v1.TaskService/CreateTask"
UPDATED = "UPDATED"
CHANGED_FIELDS = "changed_fields"
# What rules have led to such a task is at its end with it: no rule stops for it, as many as are late at one midnight.
TASK_OVERDUE = "TASK_OVERDUE"
TASK_EVENTS: Mapping[str, type[Message]] = {
    "TASK_CREATED": events_pb2.TaskCreated,
    "TASK_UPDATED": events_pb2.TaskUpdated,
    "TASK_COMPLETED": events_pb2.TaskCompleted,
    "TASK_CANCELLED": events_pb2.TaskCancelled,
    "TASK_REOPENED": events_pb2.TaskReopened,
    TASK_OVERDUE: events_pb2.TaskOverdue,
}


@dataclass(frozen=True, slots=True)
class Call:
    """An rpc that rules may call: by the verb as paths have it, or `update`; or `create`, which makes a record.

    `beside`: the collection of the record beside which something is created, where that is no record of its own.
    """

    verb: str
    path: str
    permission: str
    request: type[Any]
    beside: str = ""

    @property
    def is_update(self) -> bool:
        return self.verb == UPDATE

    @property
    def has_record(self) -> bool:
        """Whether its request has a record with its fields, and not the fields of a verb."""
        return self.verb in (UPDATE, CREATE)


@dataclass(frozen=True, slots=True, eq=False)
class Creatable:
    """A collection of which rules can create records. `known`: the collections that these may refer to by a field."""

    resource: Resource[Any, Any]
    call: Call
    known: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """A collection that rules can be for.

    `events`: by what the history calls them, the events that carry one of its records. `task_events`: those of `tasks`
    at its records, where they have some, as `TASK_COMPLETED`. `calls`: by verb.
    `submissions`: the verbs that approval can be asked for. `targets`: the fields that name a record of a collection of
    the same service that rules can call, with that collection. `creatable`: the collections of
    the service of which rules can create records, and tasks at their own.
    """

    resource: Resource[Any, Any]
    events: Mapping[str, type[Message]]
    calls: Mapping[str, Call]
    submissions: Mapping[str, Approvable]
    targets: Mapping[str, str]
    creatable: Mapping[str, Creatable]
    tasks: Tasks | None = None

    @property
    def task_events(self) -> Mapping[str, type[Message]]:
        return TASK_EVENTS if self.tasks is not None else {}

    @property
    def collection(self) -> str:
        return self.resource.collection


def watched_among(
    resources: Iterable[Resource[Any, Any]], approvables: Iterable[Approvable] = ()
) -> dict[str, Watched]:
    """The collections with an rpc that rules may call, by name."""
    resources = tuple(resources)
    called = {each.collection: (each, calls_of(each, options_pb2.automatable)) for each in resources}
    called = {name: (each, calls) for name, (each, calls) in called.items() if calls}
    submissions: dict[str, dict[str, Approvable]] = {name: {} for name in called}
    for approvable in approvables:
        # Of others, such as a credit limit, the record is not the one that the request names.
        if approvable.resource.collection in called and approvable.record_id == ID:
            submissions[approvable.resource.collection][approvable.verb.name] = approvable
    creatable = creatable_among(resources)
    return {
        name: Watched(
            each,
            dict(_events(each)),
            calls,
            submissions[name],
            _targets(each, called),
            {**creatable, **dict(_tasks(each))},
            tasks_of(each) if each.is_discussed else None,
        )
        for name, (each, calls) in called.items()
    }


def _tasks(resource: Resource[Any, Any]) -> Iterator[tuple[str, Creatable]]:
    """The tasks at the record that a rule runs on, where its records have some."""
    if resource.is_discussed:
        request = tasks_pb2.CreateTaskRequest
        call = Call(CREATE, CREATE_TASK, resource.permission, request, beside=resource.collection)
        tasks = tasks_of(resource)
        yield tasks.collection, Creatable(tasks, call, frozenset({"", "users"}))


def creatable_among(resources: Collection[Resource[Any, Any]]) -> dict[str, Creatable]:
    """The collections whose create rules may call, by name.

    Their records refer to what every service knows, users, teams and accounts, and to records of the same service.
    """
    known = frozenset({"", "users", "teams", "accounts"} | {each.collection for each in resources})
    found = {}
    for resource in resources:
        message = resource.message_type.DESCRIPTOR
        for service, method in _marked(resource, options_pb2.automatable):
            if method.name == f"Create{message.name}":
                found[resource.collection] = Creatable(resource, _call(CREATE, service, method), known)
    return found


def _targets(resource: Resource[Any, Any], called: Collection[str]) -> dict[str, str]:
    """The fields that name one record of one of these collections."""
    named = {name: each for name, each in resource.contract.items() if each.refers_to in called}
    return {name: each.refers_to for name, each in named.items() if not each.descriptor.is_repeated}


def calls_of(resource: Resource[Any, Any], *marks: Any) -> dict[str, Call]:
    """The update and the verbs of a resource that the contract marks so, by verb."""
    message = resource.message_type.DESCRIPTOR
    verbs = {rpc: verb.name for rpc, verb in resource.verbs.items()} | {f"Update{message.name}": UPDATE}
    found = {}
    for service, method in _marked(resource, *marks):
        if method.name in verbs:
            verb = verbs[method.name]
            found[verb] = _call(verb, service, method)
        elif method.name != f"Create{message.name}":
            raise DeclarationError(f"{method.name}: is no create, update of a {message.name}, or verb on one")
    return found


def _marked(resource: Resource[Any, Any], *marks: Any) -> Iterator[tuple[ServiceDescriptor, MethodDescriptor]]:
    """The rpcs of the file of a resource that are marked so."""
    for service in resource.message_type.DESCRIPTOR.file.services_by_name.values():
        for method in service.methods:
            if any(method.GetOptions().Extensions[mark] for mark in marks):
                yield service, method


def _call(verb: str, service: ServiceDescriptor, method: MethodDescriptor) -> Call:
    permission = method.GetOptions().Extensions[options_pb2.permission]
    return Call(verb, f"/{service.full_name}/{method.name}", permission, GetMessageClass(method.input_type))


def _events(resource: Resource[Any, Any]) -> Iterator[tuple[str, type[Message]]]:
    for event in events_of(resource.created, resource.message_type):
        yield resource.action_of(event), event


def require_watched(watched: Mapping[str, Watched], collection: str) -> Watched:
    """What the collection offers to rules; NotFound where that is nothing."""
    if collection not in watched:
        raise NotFound(f"there are no automation rules of {collection!r} here", reason="COLLECTION_NOT_FOUND")
    return watched[collection]
