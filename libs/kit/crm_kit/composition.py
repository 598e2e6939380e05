"""Texts in composed form (NFC): a letter and its accent are one character, from whatever keyboard, file or system.

`u` and a combining diaeresis look like `ü` and equal it nowhere: not in filters, unique values or labels of options. So
every request and every cell of a spreadsheet is composed as it comes in, and with it all that is stored and compared.
"""

import re
import unicodedata
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

# Left as they are: ideographs that NFC would replace by others, since in names of people and places they are meant; and
# more marks in a row than any language writes, since putting them in order takes the square of their number.
_LEFT = re.compile(r"([\uf900-\ufaff\U0002f800-\U0002fa1f]+|[^\w\x00-\x7f]{31,})")


def composed(text: str) -> str:
    """The text in NFC, but for compatibility ideographs and heaps of more than 30 marks, which stay as they were."""
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return text
    parts = _LEFT.split(text)
    parts[::2] = [unicodedata.normalize("NFC", part) for part in parts[::2]]
    return "".join(parts)


def is_composed(data: bytes) -> bool:
    """Whether all texts of a serialized message are composed: none begins with a part of a character.

    What stands between them, read as text, may make it look otherwise, and never the other way round.
    """
    return data.isascii() or unicodedata.is_normalized("NFC", data.decode("utf-8", "replace"))


def compose_texts(message: Message) -> None:
    """Compose all texts of a message in place."""
    for field, value in message.ListFields():
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            _compose_map(kind.fields_by_name["value"], value)
        elif kind is not None:
            for each in value if field.is_repeated else (value,):
                compose_texts(each)
        elif field.type == FieldDescriptor.TYPE_STRING:
            _compose_field(message, field, value)


def _compose_map(field: FieldDescriptor, entries: Any) -> None:
    if field.message_type is not None:
        for each in entries.values():
            compose_texts(each)
    elif field.type == FieldDescriptor.TYPE_STRING:
        kept = {composed(key): composed(each) for key, each in entries.items()}
        entries.clear()
        entries.update(kept)


def _compose_field(message: Message, field: FieldDescriptor, value: Any) -> None:
    if field.is_repeated:
        value[:] = map(composed, value)
    else:
        setattr(message, field.name, composed(value))
