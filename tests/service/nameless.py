"""Answers as events have them: without the names beside ids, which belong to other records."""

from typing import TypeVar

from crm_kit.resource.contract import named_ids
from google.protobuf.message import Message

Answer = TypeVar("Answer", bound=Message)


def nameless(answer: Answer) -> Answer:
    """The answer without names, at any depth."""
    told = type(answer)()
    told.CopyFrom(answer)
    _clear(told)
    return told


def _clear(message: Message) -> None:
    for each in named_ids(message.DESCRIPTOR):
        message.ClearField(each.name)
    for field, value in message.ListFields():
        message_type = field.message_type
        if message_type is not None and not message_type.GetOptions().map_entry:
            for inner in value if field.is_repeated else [value]:
                _clear(inner)
