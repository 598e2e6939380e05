"""The rules that labels keep: what is shown to people has one, in both languages, and no two beside each other agree.

A record's message says what one of it is called. Every field and value within it, or within the request of a verb, has
a label, at any depth.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from crm.options.v1 import options_pb2
from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)

from crm_kit.contract_problem import ContractProblem, Path
from crm_kit.labels import STANDARD, Label, field_label, in_words, name_beside, value_label, without_id

_HTTP: Any = annotations_pb2.http
_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_BLANK_BESIDE_HAN = re.compile(rf"[{_HAN}] | [{_HAN}]|^ | $")
# The source paths of messages, fields, enums, values, services and rpcs in descriptor.proto.
_MESSAGES, _FIELDS, _NESTED, _NESTED_ENUMS, _ENUMS, _VALUES, _SERVICES, _METHODS = 4, 2, 3, 4, 5, 2, 6, 2


@dataclass(frozen=True, slots=True)
class _Declared:
    """A message or enum with its place."""

    file: str
    path: Path
    proto: Any

    def problem(self, path: Path, text: str) -> ContractProblem:
        return ContractProblem(self.file, (*self.path, *path), f"{self.proto.name}{text}")


def find_label_problems(files: Iterable[FileDescriptorProto]) -> Iterator[ContractProblem]:
    """What is shown to people and lacks a label, or has an odd one."""
    files = tuple(files)
    declared = dict(_declarations(files))
    waiting = [name for name, each in declared.items() if _is_record(each.proto)] + list(_verb_requests(files))
    seen = set(waiting)
    while waiting:
        each = declared[waiting.pop()]
        if isinstance(each.proto, EnumDescriptorProto):
            yield from _enum_problems(each)
            continue
        yield from _message_problems(each)
        inner = {field.type_name for field in each.proto.field} & declared.keys() - seen
        waiting += sorted(inner)
        seen |= inner
    for file in files:
        for index, service in enumerate(file.service):
            for at, text in _verb_problems(service):
                yield ContractProblem(file.name, (_SERVICES, index, _METHODS, at), text)


def _verb_requests(files: Iterable[FileDescriptorProto]) -> Iterator[str]:
    for file in files:
        yield from (method.input_type for service in file.service for method in service.method if _verb_of(method))


def _declarations(files: Iterable[FileDescriptorProto]) -> Iterator[tuple[str, _Declared]]:
    """Every message and enum by its full name, which starts with a dot; the entries of maps are left out."""
    for file in files:
        for index, message in enumerate(file.message_type):
            yield from _within(file, f".{file.package}", (_MESSAGES, index), message)
        for index, enum in enumerate(file.enum_type):
            yield f".{file.package}.{enum.name}", _Declared(file.name, (_ENUMS, index), enum)


def _within(
    file: FileDescriptorProto, scope: str, path: Path, message: DescriptorProto
) -> Iterator[tuple[str, _Declared]]:
    name = f"{scope}.{message.name}"
    if message.options.map_entry:
        return
    yield name, _Declared(file.name, path, message)
    for index, inner in enumerate(message.nested_type):
        yield from _within(file, name, (*path, _NESTED, index), inner)
    for index, enum in enumerate(message.enum_type):
        yield f"{name}.{enum.name}", _Declared(file.name, (*path, _NESTED_ENUMS, index), enum)


def _is_record(proto: Any) -> bool:
    """Whether it is the message of a record, which people are shown."""
    return isinstance(proto, DescriptorProto) and any(
        proto.options.HasExtension(each) for each in (options_pb2.resource, options_pb2.view, options_pb2.noun)
    )


def _message_problems(each: _Declared) -> Iterator[ContractProblem]:
    if _is_record(each.proto):
        for text in _said_problems(each.proto.options.Extensions[options_pb2.noun], each.proto.name):
            yield each.problem((), f": {text}: option (crm.options.v1.noun)")
    labels: list[tuple[str, Label]] = []
    # The name of what an id refers to is called as the id is.
    names = {name_beside(field.name) for field in each.proto.field if field.options.Extensions[options_pb2.refers_to]}
    for index, field in enumerate(each.proto.field):
        if field.name in names:
            continue
        labels.append((field.name, field_label(field.name, field.options)))
        if field.name in STANDARD and not field.options.HasExtension(options_pb2.label):
            continue
        for text in _said_problems(field.options.Extensions[options_pb2.label], without_id(field.name)):
            yield each.problem((_FIELDS, index), f".{field.name}: {text}: (crm.options.v1.label)")
    yield from (each.problem((), f": {text}") for text in _doubled(labels))


def _enum_problems(each: _Declared) -> Iterator[ContractProblem]:
    """An unset value has no label: it is shown as nothing."""
    prefix = each.proto.value[0].name.removesuffix("UNSPECIFIED")
    labels: list[tuple[str, Label]] = []
    for index, value in enumerate(each.proto.value[1:], start=1):
        name = value.name.removeprefix(prefix)
        labels.append((name, value_label(name, value.options)))
        for text in _said_problems(value.options.Extensions[options_pb2.value_label], name):
            yield each.problem((_VALUES, index), f".{name}: {text}: (crm.options.v1.value_label)")
    yield from (each.problem((), f": {text}") for text in _doubled(labels))


def _verb_problems(service: ServiceDescriptorProto) -> Iterator[tuple[int, str]]:
    names = {method.name for method in service.method}
    for index, method in enumerate(service.method):
        undone_by = method.options.Extensions[options_pb2.undone_by]
        if undone_by and undone_by not in names:
            yield index, f"{method.name}: undone_by {undone_by} is no rpc of {service.name}"
        if verb := _verb_of(method):
            for text in _said_problems(method.options.Extensions[options_pb2.verb_label], verb):
                yield index, f"{method.name}: {text}: (crm.options.v1.verb_label)"


def _verb_of(method: MethodDescriptorProto) -> str:
    """The verb in the path of an rpc that people do something with; empty for all others."""
    if "." not in method.options.Extensions[options_pb2.permission]:
        return ""
    path: str = method.options.Extensions[_HTTP].post
    return path.rpartition("/")[2].partition(":")[2]


def _said_problems(said: Any, name: str) -> Iterator[str]:
    if not said.zh:
        yield "no label in Chinese"
    if _BLANK_BESIDE_HAN.search(said.zh):
        yield f"{said.zh!r} has a blank beside Han or at an end; screens set the space"
    if said.en and said.en == in_words(name):
        yield f"its name says {said.en!r} already; leave out `en`"


def _doubled(labels: Iterable[tuple[str, Label]]) -> Iterator[str]:
    """What stands side by side and is called the same."""
    seen: dict[str, str] = {}
    for name, label in labels:
        # A text that is the same in both languages, such as ID, is told once.
        for text in sorted({label.en, label.zh} - {""}):
            other = seen.setdefault(text, name)
            if other != name:
                yield f"{other} and {name} are both called {text!r}"
