"""What can be done with a record now: its verbs, each tried on the record without being done."""

import enum
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from crm.options.v1 import options_pb2
from google.api import annotations_pb2
from google.protobuf.message import Message

from crm_kit.database.work import Reader
from crm_kit.errors import CrmError
from crm_kit.identity.access import Scope
from crm_kit.resource.values import DeclarationError

_HTTP: Any = annotations_pb2.http


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who would do it now: the reader, with the scope that the verb's permission gives them."""

    reader: Reader
    scope: Scope

    @property
    def now(self) -> datetime:
        return self.reader.now


# A rule, tried: raises as the command would, and its answer is thrown away.
Try = Callable[[Any, Attempt], object | Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb of the contract: its rpc, its name in paths and the permission it needs."""

    rpc: str
    name: str
    permission: str


class ApprovalNeed(enum.StrEnum):
    """Whether others have to approve a verb before it takes effect."""

    NOT_NEEDED = "NOT_NEEDED"
    MAY_BE_NEEDED = "MAY_BE_NEEDED"
    NEEDED = "NEEDED"


# Of a verb and a record; raises where nobody may.
NeedOf = Callable[[Verb, Any], ApprovalNeed]


def not_needed(_verb: Verb, _record: Any) -> ApprovalNeed:
    """Where a tenant has nothing approved."""
    return ApprovalNeed.NOT_NEEDED


class Approving(Protocol):
    """Knows what tenants have approved."""

    async def needs(self, collection: str, reader: Reader) -> NeedOf: ...


@dataclass(frozen=True, slots=True)
class Action:
    """Whether a verb is possible, and if not, why: as the error of the command says it."""

    verb: Verb
    reason: str = ""
    detail: str = ""
    # What the detail names, for who tells it in another language.
    metadata: Mapping[str, str] = field(default_factory=dict)
    approval: ApprovalNeed = ApprovalNeed.NOT_NEEDED


def verbs_of(message: type[Message]) -> Iterator[Verb]:
    """The verbs on one record that the resource's contract has, in its order."""
    beginning = f"{_options_of_get(message).Extensions[_HTTP].get}:"
    for service in message.DESCRIPTOR.file.services_by_name.values():
        for method in service.methods:
            options = method.GetOptions()
            path = options.Extensions[_HTTP].post
            if path.startswith(beginning):
                permission = options.Extensions[options_pb2.permission]
                yield Verb(method.name, path.removeprefix(beginning), permission)


def verbs_beside(message: type[Message]) -> Iterator[Verb]:
    """Reading a record, and changing it where the resource's contract has an Update."""
    for service in message.DESCRIPTOR.file.services_by_name.values():
        for verb in ("Get", "Update"):
            method = service.methods_by_name.get(f"{verb}{message.DESCRIPTOR.name}")
            if method is not None:
                yield Verb(method.name, verb.lower(), method.GetOptions().Extensions[options_pb2.permission])


def read_permission(message: type[Message]) -> str:
    """The permission that reading the resource needs: that of its Get rpc."""
    permission: str = _options_of_get(message).Extensions[options_pb2.permission]
    return permission


def _options_of_get(message: type[Message]) -> Any:
    wanted = f"Get{message.DESCRIPTOR.name}"
    for service in message.DESCRIPTOR.file.services_by_name.values():
        if wanted in service.methods_by_name:
            return service.methods_by_name[wanted].GetOptions()
    raise DeclarationError(f"{message.DESCRIPTOR.full_name} has no rpc {wanted} beside it; a resource can be read")


def check_tries(noun: str, verbs: Mapping[str, Verb], tries: Mapping[str, Try]) -> None:
    """DeclarationError for a verb without a rule to try, or a rule without a verb."""
    for name in verbs.keys() - tries.keys():
        raise DeclarationError(f"{noun}: the verb {name} is not in `verbs`; say how it is tried on a record")
    for name in tries.keys() - verbs.keys():
        raise DeclarationError(f"{noun}: `verbs` has {name}, the contract has no such verb on one record")


async def tried(verb: Verb, rule: Try, record: Any, attempt: Attempt, need_of: NeedOf = not_needed) -> Action:
    """Whether a verb is legal for the record as it is and for who attempts it, and whether it has to be approved."""
    try:
        answer = rule(record, attempt)
        if inspect.isawaitable(answer):
            await answer
        return Action(verb, approval=need_of(verb, record))
    except CrmError as error:
        return Action(verb, error.reason, error.detail, error.metadata)
