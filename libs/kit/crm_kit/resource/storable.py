"""Texts that PostgreSQL does not keep: those with the character U+0000."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from crm_kit.errors import FieldViolation, InvalidArgument

NUL = "\0"
MAX_NAMED = 20
SAID = "must not contain the character U+0000"


def check_storable(message: Message) -> None:
    """InvalidArgument naming the texts of a message that have U+0000 in them, the first of many."""
    found = [path for path, _ in zip(texts_with_nul(message), range(MAX_NAMED), strict=False)]
    if found:
        violations = [FieldViolation(path, "string.nul", SAID) for path in found]
        raise InvalidArgument(f"{found[0]}: {SAID}", violations=violations)


def texts_with_nul(message: Message, path: str = "") -> Iterator[str]:
    """Paths of such texts, also of keys and values of maps."""
    for field, value in message.ListFields():
        kind, here = field.message_type, f"{path}{field.name}"
        if kind is not None and kind.GetOptions().map_entry:
            for key in value:
                yield from _of_entry(f"{here}.{key}".replace(NUL, "\\0"), key, value[key])
        elif kind is not None or field.type == FieldDescriptor.TYPE_STRING:
            for at, each in enumerate(value) if field.is_repeated else ((None, value),):
                yield from _of_value(here if at is None else f"{here}[{at}]", each)


def _of_entry(path: str, key: Any, value: Any) -> Iterator[str]:
    if isinstance(key, str) and NUL in key:
        yield path
        return
    yield from _of_value(path, value)


def _of_value(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, Message):
        # Of a value of JSON the field counts, and not how it is wrapped.
        is_ours = value.DESCRIPTOR.file.package.startswith("crm.")
        below = texts_with_nul(value, f"{path}.")
        yield from below if is_ours else ((path,) if next(below, None) else ())
    elif isinstance(value, str) and NUL in value:
        yield path
