"""What the contracts of all services speak of: the permissions that a role can grant, and what can be approved."""

from collections.abc import Iterable, Iterator
from functools import cache

from crm.options.v1 import options_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto, MethodOptions

from crm_kit.image import read_image

# Of an rpc: who may call it is no matter of roles, or is that of the collection it is asked for.
_NO_GRANTS = frozenset({"public", "authenticated", "internal", "resource"})


@cache
def known_permissions() -> frozenset[str]:
    """Every permission that some rpc of some service asks for, `accounts.read` for example."""
    methods = (method for file in _files() for service in file.service for method in service.method)
    return frozenset(each for method in methods for each in _asked_by(method.options)) - _NO_GRANTS


@cache
def approvable_collections() -> frozenset[str]:
    """The collections of all services that have a verb which tenants may have approved, `credit_limits` for example."""
    return frozenset(
        message.options.Extensions[options_pb2.resource].collection
        for file in _files()
        for service in file.service
        if any(method.options.Extensions[options_pb2.approvable] for method in service.method)
        for message in file.message_type
        if any(method.name == f"Get{message.name}" for method in service.method)
    )


@cache
def reported_collections() -> frozenset[str]:
    """The collections of all services that there are reports of, `orders` for example."""
    resources = (message.options.Extensions[options_pb2.resource] for file in _files() for message in file.message_type)
    return frozenset(each.collection for each in resources if each.reports)


def _files() -> Iterable[FileDescriptorProto]:
    return read_image().file


def _asked_by(options: MethodOptions) -> Iterator[str]:
    if permission := options.Extensions[options_pb2.permission]:
        yield permission
    yield from options.Extensions[options_pb2.more_permissions]
