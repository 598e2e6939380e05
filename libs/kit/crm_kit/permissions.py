"""The permissions that the contracts of the platform speak of: what a role can grant."""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from crm.options.v1 import options_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodOptions

# Of an rpc: who may call it is no matter of roles, or is that of the collection it is asked for.
_NO_GRANTS = frozenset({"public", "authenticated", "internal", "resource"})


@cache
def known_permissions() -> frozenset[str]:
    """Every permission that some rpc of some service asks for, `accounts.read` for example."""
    image = FileDescriptorSet.FromString(files("crm_protos").joinpath("image.binpb").read_bytes())
    methods = (method for file in image.file for service in file.service for method in service.method)
    return frozenset(each for method in methods for each in _asked_by(method.options)) - _NO_GRANTS


def _asked_by(options: MethodOptions) -> Iterator[str]:
    if permission := options.Extensions[options_pb2.permission]:
        yield permission
    yield from options.Extensions[options_pb2.more_permissions]
