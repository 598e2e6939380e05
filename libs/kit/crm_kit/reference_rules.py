"""The rules that ids keep: what one refers to can be read, and an answer says its name beside it.

An id refers to a collection, or to what stands within the records of one: `pipelines.stages`. Every id of an answer has
the name of its record beside it, or says why there is none.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from crm.options.v1 import options_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from crm_kit.contract_problem import ContractProblem, Path
from crm_kit.labels import collection_field, name_beside

INTERNAL = "internal"
# The source paths of messages, of their fields and of the messages within them in descriptor.proto.
_MESSAGES, _FIELDS, _NESTED = 4, 2, 3


@dataclass(frozen=True, slots=True)
class _Message:
    """A message with its place."""

    file: str
    path: Path
    proto: DescriptorProto

    def problem(self, index: int, text: str) -> ContractProblem:
        """What is wrong with one of its fields."""
        place = (*self.path, _FIELDS, index)
        return ContractProblem(self.file, place, f"{self.proto.name}.{self.proto.field[index].name}: {text}")


def find_reference_problems(files: Iterable[FileDescriptorProto]) -> Iterator[ContractProblem]:
    """The ids that refer to what nobody can read, and those of answers that nobody could tell from one another."""
    files = tuple(files)
    messages = dict(_messages(files))
    yield from _targets_that_are_not_there(messages)
    for name in sorted(_answered(files, messages)):
        yield from _ids_without_names(messages[name])


def _targets_that_are_not_there(messages: Mapping[str, _Message]) -> Iterator[ContractProblem]:
    collections = {
        collection: each.proto
        for each in messages.values()
        if (collection := each.proto.options.Extensions[options_pb2.resource].collection)
    }
    for message in messages.values():
        for index, field in enumerate(message.proto.field):
            target = field.options.Extensions[options_pb2.refers_to]
            if target and not (_is_named_by(message, target) or _is_there(target, collections, messages)):
                text = (
                    f"{message.proto.name}.{field.name}: refers_to {target!r} is neither a collection nor a list in one"
                )
                yield ContractProblem(message.file, (*message.path, _FIELDS, index), text)


def _is_named_by(message: _Message, target: str) -> bool:
    """Whether the collection is what another field of the message names: `{collection}`."""
    return collection_field(target) in {field.name for field in message.proto.field}


def _is_there(target: str, collections: Mapping[str, DescriptorProto], messages: Mapping[str, _Message]) -> bool:
    """Whether there are records with ids there: of a collection, or in a list that each record of one has."""
    collection, _, inner = target.partition(".")
    record = collections.get(collection)
    if record is None or not inner:
        return record is not None
    field = next((each for each in record.field if each.name == inner), None)
    element = messages.get(field.type_name) if field and _is_list(field) else None
    return element is not None and any(each.name == "id" for each in element.proto.field)


def _answered(files: Iterable[FileDescriptorProto], messages: Mapping[str, _Message]) -> set[str]:
    """The messages that an answer to a caller has, at any depth."""
    waiting = [
        method.output_type
        for file in files
        for service in file.service
        for method in service.method
        if method.options.Extensions[options_pb2.permission] != INTERNAL
    ]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in messages and name not in found:
            found.add(name)
            waiting += [field.type_name for field in messages[name].proto.field if field.type_name]
    return found


def _ids_without_names(message: _Message) -> Iterator[ContractProblem]:
    names = {field.name for field in message.proto.field}
    for index, field in enumerate(message.proto.field):
        name = name_beside(field.name)
        if not name or field.type != FieldDescriptorProto.TYPE_STRING:
            continue
        is_named = bool(field.options.Extensions[options_pb2.refers_to]) and name in names
        why = field.options.Extensions[options_pb2.nameless]
        if is_named and why:
            yield message.problem(index, f"{name} stands beside it: no (crm.options.v1.nameless)")
        elif not is_named and not why:
            remedy = f"say what it refers_to and put {name} beside it, or say why not: (crm.options.v1.nameless)"
            yield message.problem(index, f"an answer tells an id without a name; {remedy}")


def _is_list(field: FieldDescriptorProto) -> bool:
    return field.label == FieldDescriptorProto.LABEL_REPEATED


def _messages(files: Iterable[FileDescriptorProto]) -> Iterator[tuple[str, _Message]]:
    """Every message by its full name, which starts with a dot."""
    for file in files:
        for index, message in enumerate(file.message_type):
            yield from _within(file.name, f".{file.package}", (_MESSAGES, index), message)


def _within(file: str, scope: str, path: Path, message: DescriptorProto) -> Iterator[tuple[str, _Message]]:
    name = f"{scope}.{message.name}"
    yield name, _Message(file, path, message)
    for index, inner in enumerate(message.nested_type):
        yield from _within(file, name, (*path, _NESTED, index), inner)
