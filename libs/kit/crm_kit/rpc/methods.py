"""What the contract says about each rpc: its messages, who may call it, and what a repetition does."""

import functools
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from crm.options.v1 import options_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

Run = Callable[[Any, Any], Awaitable[Message]]
READ = options_pb2.IDEMPOTENCY_READ
KEYED = options_pb2.IDEMPOTENCY_KEYED
PUBLIC = "public"
AUTHENTICATED = "authenticated"
INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Method:
    """One rpc of the contract. `path` is `/crm.customer.v1.AccountService/GetAccount`."""

    path: str
    name: str
    permission: str
    reads_only: bool
    keyed: bool
    request: type[Message]
    response: type[Message]
    # Of an internal one: the services that may call it in their own name.
    callers: frozenset[str] = frozenset()
    # Which permission a request needs, where that depends on what it asks for; of several, the first that is granted.
    permission_of: Callable[[Any], str | Sequence[str]] | None = None


class Servicer(Protocol):
    """One service of the contract: a method per rpc, named as there, taking the request and a reader or unit.

    A servicer whose permission depends on the request has a method `permission_of(request)` too.
    """

    contract: ServiceDescriptor


def runs_of(servicers: Iterable[Servicer], around: Callable[[str, Run], Run]) -> dict[str, Run]:
    """The methods of servicers by the path of their rpc, each with what is `around` it: for who calls as people do."""
    return {
        method.path: around(method.path, getattr(servicer, method.name))
        for servicer in servicers
        for method in methods_of(servicer.contract)
    }


def methods_of(service: ServiceDescriptor) -> Iterator[Method]:
    """All rpcs of a service, as the contract describes them."""
    for method in service.methods:
        options = method.GetOptions()
        idempotency = options.Extensions[options_pb2.idempotency]
        yield Method(
            path=f"/{service.full_name}/{method.name}",
            name=method.name,
            permission=options.Extensions[options_pb2.permission],
            reads_only=idempotency == READ,
            keyed=idempotency == KEYED,
            request=GetMessageClass(method.input_type),
            response=GetMessageClass(method.output_type),
            callers=frozenset(options.Extensions[options_pb2.callers]),
        )


def reads_only(path: str) -> bool:
    """Whether the contract says that an rpc has no effect; not of one that no loaded contract has."""
    try:
        return _reads_only(path)
    except KeyError:
        return False


@functools.cache
def _reads_only(path: str) -> bool:
    method = descriptor_pool.Default().FindMethodByName(path[1:].replace("/", "."))
    return method.GetOptions().Extensions[options_pb2.idempotency] == READ
