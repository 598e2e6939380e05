"""Texts that must show something: where the contract asks for more than blanks, invisible characters are blanks."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from crm_kit.blanks import is_visible

_NO_BLANKS = frozenset([r"\S", r"^\S(.*\S)?$", r"^[^\s]+$"])


def invisible_texts(message: Message, path: str = "") -> Iterator[str]:
    """Paths of the texts in a message that must show something and show nothing."""
    texts, messages = _fields(message.DESCRIPTOR)
    for name in texts:
        text = getattr(message, name)
        if text and not any(map(is_visible, text)):
            yield f"{path}{name}"
    for name in messages:
        value: Any = getattr(message, name)
        if isinstance(value, Message):
            if message.HasField(name):
                yield from invisible_texts(value, f"{path}{name}.")
        else:
            for at, each in enumerate(value):
                yield from invisible_texts(each, f"{path}{name}[{at}].")


@cache
def _fields(descriptor: Descriptor) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields of a message that must show something, and those with messages that have such."""
    return (
        tuple(field.name for field in descriptor.fields if _must_show(field)),
        tuple(field.name for field in descriptor.fields if _is_ours(field) and _has_any(field.message_type, ())),
    )


def _has_any(descriptor: Descriptor | None, above: tuple[Descriptor, ...]) -> bool:
    if descriptor is None or descriptor in above:
        return False
    below = (each for each in descriptor.fields if _is_ours(each))
    return any(map(_must_show, descriptor.fields)) or any(
        _has_any(each.message_type, (*above, descriptor)) for each in below
    )


def _is_ours(field: FieldDescriptor) -> bool:
    kind = field.message_type
    return kind is not None and kind.file.package.startswith("crm.") and not kind.GetOptions().map_entry


def _must_show(field: FieldDescriptor) -> bool:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    return not field.is_repeated and rules.string.pattern in _NO_BLANKS
