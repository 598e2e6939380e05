"""The rules a contract keeps beyond what the compiler and `buf` check.

They are read from the descriptors, so they hold in the lint step and again when a process starts: one that
serves an rpc without a comment, a permission or a route must not come up.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from crm.options.v1 import options_pb2
from google.api import annotations_pb2, field_behavior_pb2, http_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

from crm_kit.label_rules import find_label_problems
from crm_kit.labels import name_beside
from crm_kit.reference_rules import find_reference_problems

# Field numbers in descriptor.proto; a path of them and of indices names an element in the source information.
MESSAGES, ENUMS, SERVICES = 4, 5, 6
MESSAGE_FIELDS, NESTED_MESSAGES, NESTED_ENUMS = 2, 3, 4
METHODS = 2

# The stubs do not say what these extend.
_HTTP: Any = annotations_pb2.http
_FIELD_BEHAVIOR: Any = field_behavior_pb2.field_behavior

VOCABULARY_PACKAGES = ("crm.options.v1", "crm.type.v1", "crm.error.v1", "crm.event.v1", "crm.metadata.v1")
REASON_PREFIX = "ERROR_REASON_"
PERMISSION = re.compile(r"public|authenticated|internal|resource|[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
REASON = re.compile(r"[A-Z][A-Z0-9_]+")
ROUTE_VARIABLE = re.compile(r"\{([a-z0-9_.]+)(?:=[^}]*)?\}")
TIMESTAMP = ".google.protobuf.Timestamp"
# 64-bit integers become text in JSON, or lose their last digits in a browser.
WIDE_INTEGERS = {
    FieldDescriptorProto.TYPE_INT64,
    FieldDescriptorProto.TYPE_UINT64,
    FieldDescriptorProto.TYPE_SINT64,
    FieldDescriptorProto.TYPE_FIXED64,
    FieldDescriptorProto.TYPE_SFIXED64,
}
# A request field, and the reason that refuses a wrong value of it.
REASON_OF_FIELD = {
    "page_token": "INVALID_PAGE_TOKEN",
    "filter": "INVALID_FILTER",
    "etag": "ETAG_MISMATCH",
}


@dataclass(frozen=True, slots=True)
class Contracts:
    """All files of an image with what the rules look up in them; message names start with a dot."""

    files: tuple[FileDescriptorProto, ...]
    messages: dict[str, DescriptorProto]
    reasons: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rpc:
    """One rpc with its comment and its messages."""

    method: MethodDescriptorProto
    comment: str
    request: DescriptorProto
    response: DescriptorProto

    @property
    def permission(self) -> str:
        return self.method.options.Extensions[options_pb2.permission]

    @property
    def idempotency(self) -> int:
        return self.method.options.Extensions[options_pb2.idempotency]

    @property
    def http(self) -> http_pb2.HttpRule:
        rule: http_pb2.HttpRule = self.method.options.Extensions[_HTTP]
        return rule

    @property
    def route(self) -> tuple[str, str]:
        """HTTP verb and path; two empty strings when the rpc has no route."""
        http = self.http
        verb = http.WhichOneof("pattern")
        return (verb, str(getattr(http, verb))) if verb and verb != "custom" else ("", "")

    @property
    def reasons(self) -> tuple[str, ...]:
        """The error reasons that the comment names after `Reasons:`."""
        return tuple(REASON.findall(self.comment.partition("Reasons:")[2]))


def contract_problems(image: FileDescriptorSet) -> list[str]:
    """Say what breaks the house's rules in the `crm` packages of an image, as `file:line: text`.

    The image needs its source information (`--include_source_info`), since comments and lines come from it.
    """
    contracts = _read(image)
    problems: list[tuple[str, int, str]] = []
    of_ids_and_labels = (*find_label_problems(contracts.files), *find_reference_problems(contracts.files))
    for file in contracts.files:
        lines = {tuple(at.path): at.span[0] + 1 for at in file.source_code_info.location}
        for path, text in _file_problems(file, contracts):
            problems.append((file.name, lines.get(path, 1), text))
        problems += [
            (each.file, lines.get(each.path, 1), each.text) for each in of_ids_and_labels if each.file == file.name
        ]
    problems += _shared_routes(contracts)
    return [f"{name}:{line}: {text}" for name, line, text in sorted(problems)]


def _read(image: FileDescriptorSet) -> Contracts:
    messages: dict[str, DescriptorProto] = {}
    for file in image.file:
        _collect(f".{file.package}" if file.package else "", file.message_type, messages)
    reasons = {
        value.name.removeprefix(REASON_PREFIX)
        for file in image.file
        if file.package == "crm.error.v1"
        for enum in file.enum_type
        if enum.name == "ErrorReason"
        for value in enum.value
        if value.number != 0
    }
    own = tuple(file for file in image.file if file.package.startswith("crm."))
    return Contracts(own, messages, frozenset(reasons))


def _collect(scope: str, found: Iterable[DescriptorProto], messages: dict[str, DescriptorProto]) -> None:
    for message in found:
        messages[f"{scope}.{message.name}"] = message
        _collect(f"{scope}.{message.name}", message.nested_type, messages)


def _file_problems(file: FileDescriptorProto, contracts: Contracts) -> Iterator[tuple[tuple[int, ...], str]]:
    yield from (((), text) for text in _name_problems(file))
    for path, rpc in _rpcs(file, contracts):
        for text in _rpc_problems(rpc, contracts):
            yield path, f"{rpc.method.name}: {text}"
    for index, message in enumerate(file.message_type):
        yield from _message_problems((MESSAGES, index), message)
    for index, enum in enumerate(file.enum_type):
        yield from _enum_problems((ENUMS, index), enum)
        if file.package not in VOCABULARY_PACKAGES:
            yield (ENUMS, index), f"{enum.name}: an enum is nested in the message whose field it types"


def _rpcs(file: FileDescriptorProto, contracts: Contracts) -> Iterator[tuple[tuple[int, ...], Rpc]]:
    comments = {tuple(at.path): at.leading_comments.strip() for at in file.source_code_info.location}
    for service_index, service in enumerate(file.service):
        for index, method in enumerate(service.method):
            path = (SERVICES, service_index, METHODS, index)
            request, response = (contracts.messages[name] for name in (method.input_type, method.output_type))
            yield path, Rpc(method, comments.get(path, ""), request, response)


# Files


def _name_problems(file: FileDescriptorProto) -> Iterator[str]:
    stem = file.name.rpartition("/")[2].removesuffix(".proto")
    if len(file.service) > 1:
        yield "one service a file"
    if not file.service and file.package not in VOCABULARY_PACKAGES and stem != "events":
        yield "a file without a service is `events.proto`; a resource's messages stand beside its service"
    for service in file.service:
        noun = service.name.removesuffix("Service")
        names = (*_own_plural(file, noun), *plurals(_snake(noun)))
        if stem not in names:
            yield f"{service.name} belongs in {names[0]}.proto"


def _own_plural(file: FileDescriptorProto, name: str) -> Iterator[str]:
    """What a resource says of itself: people, where a person's messages stand beside the service."""
    for message in file.message_type:
        if message.name == name and (collection := message.options.Extensions[options_pb2.resource].collection):
            yield collection


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def plurals(noun: str) -> tuple[str, ...]:
    """The names of a collection that its noun allows: the regular plural first, the noun itself last."""
    if re.search(r"[^aeiou]y$", noun):
        return (f"{noun[:-1]}ies", noun)
    return (f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s", noun)


# Rpcs


def _rpc_problems(rpc: Rpc, contracts: Contracts) -> Iterator[str]:
    yield from _policy_problems(rpc)
    yield from _route_problems(rpc, contracts)
    yield from _reason_problems(rpc, contracts)
    yield from _shape_problems(rpc)
    if rpc.method.name.startswith("List"):
        yield from _list_problems(rpc)


def _policy_problems(rpc: Rpc) -> Iterator[str]:
    if not rpc.comment.partition("Reasons:")[0].strip():
        yield "no comment says what it does"
    if not rpc.permission:
        yield "no (crm.options.v1.permission): nobody may call it"
    elif not PERMISSION.fullmatch(rpc.permission):
        yield f"permission {rpc.permission!r} is not <resource>.<verb>, public, authenticated, internal or resource"
    for permission in rpc.method.options.Extensions[options_pb2.more_permissions]:
        if "." not in permission or not PERMISSION.fullmatch(permission):
            yield f"more_permissions has {permission!r}, which is not <resource>.<verb>"
    if rpc.idempotency == options_pb2.IDEMPOTENCY_UNSPECIFIED:
        yield "no (crm.options.v1.idempotency): say what a repeated call does"
    if rpc.route[0] == "get" and rpc.idempotency not in (
        options_pb2.IDEMPOTENCY_UNSPECIFIED,
        options_pb2.IDEMPOTENCY_READ,
    ):
        yield "a GET has no effect: IDEMPOTENCY_READ"


def _route_problems(rpc: Rpc, contracts: Contracts) -> Iterator[str]:
    verb, path = rpc.route
    if rpc.permission == "internal":
        if verb:
            yield "an internal rpc has no route"
        return
    if rpc.method.client_streaming:
        yield "a stream of requests has no form in REST: such an rpc is internal"
    if not verb:
        yield "no (google.api.http) route, and it is not internal"
        return
    if not path.startswith("/v1/"):
        yield f"route {path} does not start with /v1/"
    if verb in ("get", "delete") and rpc.http.body:
        yield f"a {verb.upper()} has no body"
    if rpc.http.body not in ("", "*") and _field(rpc.request, rpc.http.body) is None:
        yield f"body {rpc.http.body!r} is not a field of {rpc.request.name}"
    for variable in ROUTE_VARIABLE.findall(path):
        if not _reaches(rpc.request, variable.split("."), contracts):
            yield f"{{{variable}}} in the route is not a field of {rpc.request.name}"


def _reaches(message: DescriptorProto, names: list[str], contracts: Contracts) -> bool:
    field = _field(message, names[0])
    if field is None or len(names) == 1:
        return field is not None
    inner = contracts.messages.get(field.type_name)
    return inner is not None and _reaches(inner, names[1:], contracts)


def _reason_problems(rpc: Rpc, contracts: Contracts) -> Iterator[str]:
    if rpc.request.field and not rpc.reasons:
        yield "the comment names no error reasons (`Reasons: NOT_FOUND, ETAG_MISMATCH.`)"
        return
    for reason in rpc.reasons:
        if reason not in contracts.reasons:
            yield f"reason {reason} is not in crm.error.v1.ErrorReason"
    for name, reason in REASON_OF_FIELD.items():
        if _field(rpc.request, name) is not None and reason not in rpc.reasons:
            yield f"the request has a {name}, so the comment names {reason}"


def _shape_problems(rpc: Rpc) -> Iterator[str]:
    name, request, response = rpc.method.name, rpc.request.name, rpc.response.name
    if request not in (f"{name}Request", "Empty"):
        yield f"its request is {name}Request, not {request}"
    if response.endswith("Response") and response != f"{name}Response":
        yield f"its response is {name}Response or a resource, not {response}"
    if name.startswith(("Get", "Create", "Update")) and response.endswith("Response"):
        yield f"answers with the resource itself, not with {response}"
    if name.startswith(("List", "Batch", "Search")) and response != f"{name}Response":
        yield f"answers with {name}Response, not with {response}"
    if name.startswith("Update") and not _is(rpc.request, "update_mask", ".google.protobuf.FieldMask"):
        yield "an update has a google.protobuf.FieldMask update_mask"


def _list_problems(rpc: Rpc) -> Iterator[str]:
    for message, name, kind in (
        (rpc.request, "page_size", FieldDescriptorProto.TYPE_INT32),
        (rpc.request, "page_token", FieldDescriptorProto.TYPE_STRING),
        (rpc.response, "next_page_token", FieldDescriptorProto.TYPE_STRING),
        (rpc.response, "prev_page_token", FieldDescriptorProto.TYPE_STRING),
    ):
        field = _field(message, name)
        if field is None or field.type != kind:
            yield f"{message.name} has {FieldDescriptorProto.Type.Name(kind)[5:].lower()} {name}"


def _field(message: DescriptorProto, name: str) -> FieldDescriptorProto | None:
    return next((field for field in message.field if field.name == name), None)


def _is(message: DescriptorProto, name: str, type_name: str) -> bool:
    field = _field(message, name)
    return field is not None and field.type_name == type_name


def _shared_routes(contracts: Contracts) -> Iterator[tuple[str, int, str]]:
    """Say which rpcs answer at the route of another; a variable's name does not tell routes apart."""
    owners: dict[tuple[str, str], str] = {}
    for file in contracts.files:
        lines = {tuple(at.path): at.span[0] + 1 for at in file.source_code_info.location}
        for path, rpc in _rpcs(file, contracts):
            verb, route = rpc.route
            if not verb:
                continue
            owner = owners.setdefault((verb, ROUTE_VARIABLE.sub("{}", route)), rpc.method.name)
            if owner != rpc.method.name:
                text = f"{rpc.method.name}: {verb.upper()} {route} is already {owner}'s"
                yield file.name, lines.get(path, 1), text


# Messages and enums


def _message_problems(path: tuple[int, ...], message: DescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    ids = {name_beside(field.name): field for field in message.field}
    for index, field in enumerate(message.field):
        for text in (*_field_problems(field), *_name_problems_beside(ids.get(field.name), field)):
            yield (*path, MESSAGE_FIELDS, index), f"{message.name}.{field.name}: {text}"
    for index, inner in enumerate(message.nested_type):
        yield from _message_problems((*path, NESTED_MESSAGES, index), inner)
    for index, enum in enumerate(message.enum_type):
        yield from _enum_problems((*path, NESTED_ENUMS, index), enum)


def _field_problems(field: FieldDescriptorProto) -> Iterator[str]:
    is_instant = field.type_name == TIMESTAMP
    if is_instant != field.name.endswith(("_time", "_times")):
        yield "a google.protobuf.Timestamp, and nothing else, ends in _time"
    if field.name.endswith(("_date", "_dates")) and field.type != FieldDescriptorProto.TYPE_STRING:
        yield "a civil date is an ISO 8601 string"
    if field.type_name == ".google.type.Date":
        yield "a civil date is an ISO 8601 string that ends in _date"
    if field.type in WIDE_INTEGERS:
        yield "no 64-bit integers: a browser loses their last digits; int32, or decimal text"


def _name_problems_beside(id: FieldDescriptorProto | None, name: FieldDescriptorProto) -> Iterator[str]:
    if id is None or not id.options.Extensions[options_pb2.refers_to]:
        return
    behaviors = name.options.Extensions[_FIELD_BEHAVIOR]
    is_text = name.type == FieldDescriptorProto.TYPE_STRING and name.label == id.label
    if not is_text or field_behavior_pb2.OUTPUT_ONLY not in behaviors:
        yield f"beside {id.name}, which refers to a record, it is its name: an OUTPUT_ONLY string, as the id is"


def _enum_problems(path: tuple[int, ...], enum: EnumDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    wanted = f"{_snake(enum.name).upper()}_UNSPECIFIED"
    if enum.value[0].number != 0 or enum.value[0].name != wanted:
        yield path, f"{enum.name} starts with {wanted} = 0"
