"""The compiled contracts as the gateway reads them: files, comments and RPCs with their options.

Shapes come from the descriptor pool that the generated modules fill; comments come from the image, since generated
modules carry none.
"""

import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from crm.options.v1 import options_pb2
from crm_kit.image import read_image
from crm_kit.thin_events.types import EventTypes, event_types
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
)

OWN_PACKAGES = "crm."
INTERNAL = "internal"  # service to service: needs no route and gets none
PUBLIC = "public"  # needs no token
SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")  # by their names, with `_`, fields of the request

_HTTP: Any = annotations_pb2.http


@dataclass(frozen=True, slots=True)
class Binding:
    """One way to reach an RPC: verb, path template and the field the body fills (`*`: all, empty: no body)."""

    verb: str
    template: str
    body: str


@dataclass(frozen=True, slots=True, eq=False)
class Rpc:
    """One unary RPC with everything its options say."""

    service: str  # full name, for example crm.customer.v1.AccountService
    name: str
    owner: str  # the process that serves it, `customer` for `crm.customer.v1`
    path: str  # as gRPC names it on the wire
    permission: str
    idempotency: int
    bindings: tuple[Binding, ...]
    comment: str
    options: Any  # its MethodOptions, for what only some ask for
    request: Descriptor
    response: Descriptor
    preset: bytes = b""  # what every request carries besides what the caller sends

    @property
    def full_name(self) -> str:
        return f"{self.service}.{self.name}"

    @property
    def is_read(self) -> bool:
        return self.idempotency == options_pb2.IDEMPOTENCY_READ

    @property
    def is_signed(self) -> bool:
        """Whether its callers prove themselves by a signature, of the body as it came and of the headers `SIGNED`."""
        return bool(self.options.Extensions[options_pb2.signed])

    @property
    def is_keyed(self) -> bool:
        return self.idempotency == options_pb2.IDEMPOTENCY_KEYED


class Contract:
    """All contracts of the platform: their files, with `pool` the shapes of what is in them."""

    def __init__(self, files: Iterable[FileDescriptorProto], pool: descriptor_pool.DescriptorPool) -> None:
        self.files = tuple(files)
        self.pool = pool

    def with_more(
        self, files: Iterable[FileDescriptorProto], rpcs: Iterable[Rpc], comments: Mapping[str, str]
    ) -> "Contract":
        """The contract with more files, whose comments come apart, and with these rpcs in place of its own."""
        more = Contract((*self.files, *files), self.pool)
        more.comments = {**self.comments, **comments}
        more.rpcs = tuple(rpcs)
        return more

    @cached_property
    def comments(self) -> dict[str, str]:
        """Full name of a service, RPC, message, field, enum or value -> its leading comment, one line a paragraph."""
        return {name: text for file in self.files for name, text in _comments_of(file)}

    @cached_property
    def event_types(self) -> EventTypes:
        """What streams and webhooks tell of."""
        return event_types(self.files)

    @cached_property
    def rpcs(self) -> tuple[Rpc, ...]:
        """All unary RPCs in the order of the files; a streaming RPC has no REST form and is left out."""
        return tuple(
            self._rpc(f"{file.package}.{service.name}", method.name)
            for file in self.files
            for service in file.service
            for method in service.method
            if not method.client_streaming and not method.server_streaming
        )

    def _rpc(self, service: str, name: str) -> Rpc:
        method: MethodDescriptor = self.pool.FindServiceByName(service).methods_by_name[name]
        options = method.GetOptions()
        return Rpc(
            service=service,
            name=name,
            owner=service.split(".")[1],
            path=f"/{service}/{name}",
            permission=options.Extensions[options_pb2.permission],
            idempotency=options.Extensions[options_pb2.idempotency],
            bindings=_bindings(options.Extensions[_HTTP]),
            comment=self.comments.get(f"{service}.{name}", ""),
            options=options,
            request=method.input_type,
            response=method.output_type,
        )


def read_contract() -> Contract:
    """Read the image and import the generated module of each of its files, so that the default pool knows them."""
    own = [file for file in read_image().file if file.package.startswith(OWN_PACKAGES)]
    for file in own:
        importlib.import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
    comments = {name: text for file in own for name, text in _comments_of(file)}
    contract = Contract(map(_without_source, own), descriptor_pool.Default())
    contract.comments = comments
    return contract


def _without_source(file: FileDescriptorProto) -> FileDescriptorProto:
    """The file without where each part of it stands in its text: that is three quarters of it."""
    file.ClearField("source_code_info")
    # Anew: what is cleared keeps its room.
    return FileDescriptorProto.FromString(file.SerializeToString())


def _bindings(rule: http_pb2.HttpRule) -> tuple[Binding, ...]:
    rules = [rule, *rule.additional_bindings]
    return tuple(
        Binding(verb.upper(), getattr(each, verb), each.body)
        for each in rules
        if (verb := each.WhichOneof("pattern")) is not None and verb != "custom"
    )


def _comments_of(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    names = dict(_named_paths(file))
    for location in file.source_code_info.location:
        name = names.get(tuple(location.path))
        if name is not None and location.leading_comments.strip():
            yield name, _unwrapped(location.leading_comments)


def _unwrapped(comment: str) -> str:
    return "\n".join(line.strip() for line in comment.strip().splitlines())


def _named_paths(file: FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    """Path of a declaration in its file, as descriptor.proto numbers it -> its full name."""
    for index, service in enumerate(file.service):
        name = f"{file.package}.{service.name}"
        yield (6, index), name
        yield from (((6, index, 2, at), f"{name}.{rpc.name}") for at, rpc in enumerate(service.method))
    for index, message in enumerate(file.message_type):
        yield from _message_paths((4, index), file.package, message)
    for index, enum in enumerate(file.enum_type):
        yield from _enum_paths((5, index), file.package, enum)


def _message_paths(
    path: tuple[int, ...], scope: str, message: DescriptorProto
) -> Iterator[tuple[tuple[int, ...], str]]:
    name = f"{scope}.{message.name}"
    yield path, name
    yield from (((*path, 2, at), f"{name}.{field.name}") for at, field in enumerate(message.field))
    for index, nested in enumerate(message.nested_type):
        yield from _message_paths((*path, 3, index), name, nested)
    for index, enum in enumerate(message.enum_type):
        yield from _enum_paths((*path, 4, index), name, enum)


def _enum_paths(path: tuple[int, ...], scope: str, enum: EnumDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    name = f"{scope}.{enum.name}"
    yield path, name
    # Kept under the enum's name: in proto a value's own full name belongs to the enclosing scope.
    yield from (((*path, 2, at), f"{name}.{value.name}") for at, value in enumerate(enum.value))
