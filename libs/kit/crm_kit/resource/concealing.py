"""Answers without the fields that roles hide from who asks: of records wherever they stand in an answer, and copies.

As names beside ids, that is done when an answer is whole. Events have all: services need what people must not see.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from crm.options.v1 import options_pb2
from crm.type.v1.change_pb2 import Change
from google.protobuf.message import Message

from crm_kit.field_rights import CUSTOM, is_hidden
from crm_kit.identity.access import Access
from crm_kit.labels import name_beside
from crm_kit.resource.places import Places, places_of

Run = Callable[[Any, Any], Awaitable[Message]]


@dataclass(frozen=True, slots=True)
class Concealable:
    """Of a message: the collection whose record it is, if roles hide fields of that, and its copies of such fields.

    A copy is a field of the message, the collection, and the field of that. `keyed` are its fields that speak of fields
    of some record, each with the field that names the record's collection.
    """

    collection: str
    copies: tuple[tuple[str, str, str], ...]
    keyed: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.collection or self.copies or self.keyed)


def concealing(run: Run, answer: type[Message]) -> Run:
    """The method of a servicer, without what is hidden from its caller."""
    if places_in(answer.DESCRIPTOR) is None:
        return run

    async def concealed(request: Any, reader: Any) -> Message:
        message = await run(request, reader)
        conceal(reader.actor.access, [message])
        return message

    return concealed


def conceal(access: Access, messages: Sequence[Message]) -> None:
    """Take what is hidden out of messages of one type."""
    places = places_in(messages[0].DESCRIPTOR) if access.hidden and messages else None
    if places is None:
        return
    for own, found in places.found(messages):
        copies = [name for name, collection, field in own.copies if field in access.hidden_of(collection)]
        cleared = [*access.hidden_of(own.collection), *copies]
        for message in found:
            for field in cleared:
                _clear(message, field)
            for name, collection in own.keyed:
                _drop(getattr(message, name), access.hidden_of(getattr(message, collection)))


def conceal_changes(hidden: frozenset[str], changes: Iterable[Change]) -> None:
    """Take hidden fields out of changes: that there was a change stays, as the record's version says."""
    for change in changes if hidden else ():
        shown = [each for each in change.fields if not is_hidden(each.field, hidden)]
        del change.fields[:]
        change.fields.extend(shown)


def _clear(message: Any, field: str) -> None:
    head, _, key = field.partition(".")
    if head == CUSTOM:
        message.custom.pop(key, None)
        return
    message.ClearField(head)
    # Without the id there is nothing to call by a name.
    if (name := name_beside(head)) in message.DESCRIPTOR.fields_by_name:
        message.ClearField(name)


def _drop(said: Any, hidden: Collection[str]) -> None:
    """Take what is said of hidden fields out of a map by fields, or of a list of what has a field each."""
    if not hidden:
        return
    if isinstance(said, MutableMapping):
        for path in [path for path in said if is_hidden(path, hidden)]:
            del said[path]
        return
    shown = [each for each in said if not is_hidden(each.field, hidden)]
    del said[:]
    said.extend(shown)


@cache
def places_in(message: Any) -> Places[Concealable] | None:
    """Where messages of this descriptor have something that roles can hide; None where nowhere."""
    return places_of(message, _concealable)


def _concealable(message: Any) -> Concealable:
    resource = message.GetOptions().Extensions[options_pb2.resource]
    copies = ((each.name, each.GetOptions().Extensions[options_pb2.copy_of]) for each in message.fields)
    parts = ((name, *of.split(".", 1)) for name, of in copies if of)
    keyed = ((each.name, each.GetOptions().Extensions[options_pb2.fields_of]) for each in message.fields)
    return Concealable(
        resource.collection if resource.hides_fields else "",
        tuple((name, collection, field) for name, collection, field in parts),
        tuple((name, collection) for name, collection in keyed if collection),
    )
