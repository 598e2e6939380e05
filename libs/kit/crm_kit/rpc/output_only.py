"""What a caller gives for fields that the platform sets: it is what a new record has anyway, or it is refused by name.

So nothing is ignored silently. An update passes over such fields: an answer can be sent back as it came.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from crm_kit.errors import FieldViolation, InvalidArgument

_BEHAVIOR: Any = field_behavior_pb2.field_behavior
RULE = "output_only"


@dataclass(frozen=True, slots=True)
class _Fields:
    """Of a message: its output-only fields, whether each can be unset, and the fields with messages that have some."""

    own: tuple[tuple[str, bool], ...]
    within: tuple[tuple[str, "_Fields"], ...]


def check_output_only(request: Message, answer: Message) -> None:
    """InvalidArgument for output-only fields that a create gives, and that the new record, its answer, has not got.

    Such a field of anything else that a request carries is refused whatever it is.
    """
    fields = _of_request(request.DESCRIPTOR)
    if fields is None:
        return
    paths = [path for name, inner in fields.within for path in _of_part(request, answer, name, inner)]
    if paths:
        violations = [FieldViolation(path, RULE, "is set by the platform; leave it out") for path in paths]
        raise InvalidArgument("; ".join(f"{each.field}: {each.detail}" for each in violations), violations=violations)


def _of_part(request: Message, answer: Message, name: str, fields: _Fields) -> Iterator[str]:
    part = getattr(request, name)
    is_record = isinstance(part, Message) and part.DESCRIPTOR is answer.DESCRIPTOR
    yield from _not_kept(part, answer if is_record else None, fields, name)


def _not_kept(given: Any, kept: Any, fields: _Fields, path: str) -> Iterator[str]:
    """The paths of what is given and not kept, in a message or in those of a list."""
    if not isinstance(given, Message):
        others: Sequence[Any] = () if kept is None else kept
        for at, each in enumerate(given):
            yield from _not_kept(each, others[at] if at < len(others) else None, fields, f"{path}[{at}]")
        return
    for name, may_be_unset in fields.own:
        is_given = given.HasField(name) if may_be_unset else bool(getattr(given, name))
        if is_given and (kept is None or getattr(given, name) != getattr(kept, name)):
            yield f"{path}.{name}"
    for name, inner in fields.within:
        value = getattr(given, name)
        if not isinstance(value, Message) or given.HasField(name):
            yield from _not_kept(value, kept and getattr(kept, name), inner, f"{path}.{name}")


@cache
def _of_request(request: Descriptor) -> _Fields | None:
    """What a request may not give; None for an update, which says by its mask what it changes."""
    if "update_mask" in request.fields_by_name:
        return None
    return _fields(request, ())


def _fields(kind: Descriptor, above: tuple[Descriptor, ...]) -> _Fields | None:
    """None when there is nothing, nor within a message that is within itself."""
    if kind in above:
        return None
    own = tuple((each.name, each.has_presence) for each in kind.fields if _is_output_only(each))
    parts = ((each.name, _fields(part, (*above, kind))) for each in kind.fields if (part := _part(each)) is not None)
    within = tuple((name, inner) for name, inner in parts if inner is not None)
    return _Fields(own, within) if own or within else None


def _part(field: FieldDescriptor) -> Descriptor | None:
    """The message of the contract that callers give in a field."""
    kind = field.message_type
    if kind is None or _is_output_only(field) or kind.GetOptions().map_entry:
        return None
    return kind if kind.file.package.startswith("crm.") else None


def _is_output_only(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[_BEHAVIOR]
