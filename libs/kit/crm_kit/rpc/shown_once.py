"""Secrets that only the answer has which made them: what is kept of it for repetitions is without them."""

from functools import cache
from typing import Any

from crm.options.v1 import options_pb2
from google.protobuf.message import Message


def kept_of(answer: Message, response: bytes) -> bytes:
    """What is kept of an answer, of which `response` are the bytes."""
    names = shown_once_in(answer.DESCRIPTOR)
    if not any(getattr(answer, name) for name in names):
        return response
    kept = type(answer)()
    kept.CopyFrom(answer)
    for name in names:
        kept.ClearField(name)
    return kept.SerializeToString()


@cache
def shown_once_in(message: Any) -> tuple[str, ...]:
    """Such fields of a message itself."""
    return tuple(field.name for field in message.fields if field.GetOptions().Extensions[options_pb2.shown_once])
