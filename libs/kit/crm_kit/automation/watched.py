"""What the collections of a service offer to automation rules: events that set one off, and rpcs that actions call.

All of it is read from the contract: the events that carry a record, and the rpcs that are marked `automatable`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crm.options.v1 import options_pb2
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from crm_kit.approvals.declaration import ID, Approvable
from crm_kit.errors import NotFound
from crm_kit.events.payloads import events_of
from crm_kit.resource.values import DeclarationError
from crm_kit.resource.writing import Resource

UPDATE = "update"
UPDATED = "UPDATED"
CHANGED_FIELDS = "changed_fields"


@dataclass(frozen=True, slots=True)
class Call:
    """An rpc that rules may call on a record: by the verb as paths have it, or `update`."""

    verb: str
    path: str
    permission: str
    request: type[Any]

    @property
    def is_update(self) -> bool:
        return self.verb == UPDATE


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """A collection that rules can be for.

    `events`: by what the history calls them, the events that carry one of its records. `calls`: by verb.
    `submissions`: the verbs that approval can be asked for. `targets`: the fields that name a record of a collection of
    the same service that rules can call, with that collection.
    """

    resource: Resource[Any, Any]
    events: Mapping[str, type[Message]]
    calls: Mapping[str, Call]
    submissions: Mapping[str, Approvable]
    targets: Mapping[str, str]

    @property
    def collection(self) -> str:
        return self.resource.collection


def watched_among(
    resources: Iterable[Resource[Any, Any]], approvables: Iterable[Approvable] = ()
) -> dict[str, Watched]:
    """The collections with an rpc that rules may call, by name."""
    called = {each.collection: (each, calls_of(each, options_pb2.automatable)) for each in resources}
    called = {name: (each, calls) for name, (each, calls) in called.items() if calls}
    submissions: dict[str, dict[str, Approvable]] = {name: {} for name in called}
    for approvable in approvables:
        # Of others, such as a credit limit, the record is not the one that the request names.
        if approvable.resource.collection in called and approvable.record_id == ID:
            submissions[approvable.resource.collection][approvable.verb.name] = approvable
    return {
        name: Watched(each, dict(_events(each)), calls, submissions[name], _targets(each, called))
        for name, (each, calls) in called.items()
    }


def _targets(resource: Resource[Any, Any], called: Collection[str]) -> dict[str, str]:
    """The fields that name one record of one of these collections."""
    named = {name: each for name, each in resource.contract.items() if each.refers_to in called}
    return {name: each.refers_to for name, each in named.items() if not each.descriptor.is_repeated}


def calls_of(resource: Resource[Any, Any], *marks: Any) -> dict[str, Call]:
    """The update and the verbs of a resource that the contract marks so, by verb."""
    message = resource.message_type.DESCRIPTOR
    verbs = {rpc: verb.name for rpc, verb in resource.verbs.items()} | {f"Update{message.name}": UPDATE}
    found = {}
    for service in message.file.services_by_name.values():
        for method in service.methods:
            options = method.GetOptions()
            if not any(options.Extensions[mark] for mark in marks):
                continue
            if method.name not in verbs:
                raise DeclarationError(f"{method.name}: is neither an update of a {message.name} nor a verb on one")
            path, permission = f"/{service.full_name}/{method.name}", options.Extensions[options_pb2.permission]
            verb = verbs[method.name]
            found[verb] = Call(verb, path, permission, GetMessageClass(method.input_type))
    return found


def _events(resource: Resource[Any, Any]) -> Iterator[tuple[str, type[Message]]]:
    for event in events_of(resource.created, resource.message_type):
        yield resource.action_of(event), event


def require_watched(watched: Mapping[str, Watched], collection: str) -> Watched:
    """What the collection offers to rules; NotFound where that is nothing."""
    if collection not in watched:
        raise NotFound(f"there are no automation rules of {collection!r} here", reason="COLLECTION_NOT_FOUND")
    return watched[collection]
