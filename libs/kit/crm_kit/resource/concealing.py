"""Answers without the fields that roles hide from who asks: of records wherever they stand in an answer, and copies.

As names beside ids, that is done when an answer is whole. Events have all: services need what people must not see.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from crm.options.v1 import options_pb2
from crm.type.v1.change_pb2 import Change, FieldChange
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Value

from crm_kit.field_rights import CUSTOM, EVERYTHING, is_hidden, telling_of
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
        hidden = access.hidden_of(own.collection)
        copies = [name for name, collection, field in own.copies if field in access.hidden_of(collection)]
        for message in found:
            _conceal_own(message, own.collection, hidden)
            for name in copies:
                _clear(message, name)
            for name, collection in own.keyed:
                _drop(getattr(message, name), access.hidden_of(getattr(message, collection)))


def _conceal_own(record: Any, collection: str, hidden: frozenset[str]) -> None:
    """Take hidden fields out of a record, and what speaks of them."""
    if hidden:
        for name, part in telling_of(collection).speaking.items():
            _leave_out(getattr(record, name), part, hidden)
        for field in hidden:
            _clear(record, field)


def conceal_changes(collection: str, hidden: frozenset[str], changes: Iterable[Change]) -> None:
    """Take hidden fields out of changes: that there was a change stays, as the record's version says."""
    speaking = telling_of(collection).speaking
    for change in changes if hidden else ():
        shown = [each for each in change.fields if not is_hidden(each.field, hidden)]
        shown = [each for each in shown if each.field not in speaking or _speaks_still(each, speaking, hidden)]
        del change.fields[:]
        change.fields.extend(shown)


def _speaks_still(changed: FieldChange, speaking: Mapping[str, str], hidden: frozenset[str]) -> bool:
    """Whether a list that speaks of other fields was changed where it does not speak of hidden ones, which go."""
    for value in (changed.old_value, changed.new_value):
        _leave_out(value.list_value.values, speaking[changed.field], hidden)
    return changed.old_value != changed.new_value


def _leave_out(entries: Any, part: str, hidden: frozenset[str]) -> None:
    """Take what speaks of hidden fields out of a list of texts, of messages, or of values as JSON has them."""
    for index in reversed(range(len(entries))):
        if _spoken_of(entries[index], part) in hidden:
            del entries[index]


def _spoken_of(entry: Any, part: str) -> str:
    if isinstance(entry, Value):
        entry = entry.string_value if part == EVERYTHING else entry.struct_value.fields[part].string_value
        return str(entry)
    return str(entry if part == EVERYTHING else getattr(entry, part))


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
