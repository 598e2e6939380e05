"""What is kept of an answer under its idempotency key: all but what is to be gone once it is deleted, and secrets.

A text that is sensitive and without history stands in the request as in the answer, and a repetition is the same
request. A secret that is `shown_once` is in the first answer alone.
"""

from collections.abc import Iterator
from functools import cache

from crm.options.v1 import options_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message


def kept_part(answer: Message, data: bytes, request: Message) -> bytes:
    """What is kept of an answer, whose `data` are those of all of it."""
    names = [name for name, value in _told(request, type(answer)) if value == getattr(answer, name)]
    names += [name for name in _shown_once(answer.DESCRIPTOR) if getattr(answer, name)]
    if not names:
        return data
    kept = type(answer)()
    kept.CopyFrom(answer)
    for name in names:
        kept.ClearField(name)
    return kept.SerializeToString()


def whole_answer(kept: bytes, request: Message, response: type[Message]) -> bytes:
    """The answer of which this was kept, as the same request got it first."""
    told = dict(_told(request, response))
    if not told:
        return kept
    answer = response.FromString(kept)
    for name, value in told.items():
        if not getattr(answer, name):
            setattr(answer, name, value)
    return answer.SerializeToString()


def _told(request: Message, response: type[Message]) -> Iterator[tuple[str, str]]:
    """The texts that are not kept, as the request has them within a record of the answer's kind."""
    if names := _unkept(response.DESCRIPTOR):
        for field in request.DESCRIPTOR.fields:
            if field.message_type is response.DESCRIPTOR:
                yield from ((name, getattr(getattr(request, field.name), name)) for name in names)


@cache
def _unkept(record: Descriptor) -> tuple[str, ...]:
    options = {field.name: field.GetOptions().Extensions for field in record.fields}
    wanted = (options_pb2.sensitive, options_pb2.without_history)
    return tuple(name for name, each in options.items() if all(each[option] for option in wanted))


@cache
def _shown_once(message: Descriptor) -> tuple[str, ...]:
    return tuple(field.name for field in message.fields if field.GetOptions().Extensions[options_pb2.shown_once])
