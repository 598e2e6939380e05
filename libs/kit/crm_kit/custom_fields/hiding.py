"""Answers without the values of archived custom fields: they stay in the record, and come back with the field.

As names beside ids, that is done when an answer is whole, also of a record as it was. History and events have all.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from crm.options.v1 import options_pb2
from google.protobuf.message import Message

from crm_kit.custom_fields.definitions import catalogue_of
from crm_kit.database.work import Reader
from crm_kit.resource.values import is_value_map

Run = Callable[[Any, Any], Awaitable[Message]]
CUSTOM = "custom"
OWN_PACKAGES = "crm."


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where messages of a type have custom fields: their own, as records of a collection, and in these fields."""

    collection: str
    within: "tuple[tuple[str, bool, Places], ...]"

    def found(self, messages: Sequence[Any]) -> Iterator[tuple[str, Any]]:
        """Each record that has values of custom fields, with its collection."""
        if self.collection:
            yield from ((self.collection, each) for each in messages if each.custom)
        for name, is_repeated, places in self.within:
            for each in messages:
                if is_repeated:
                    yield from places.found(getattr(each, name))
                elif each.HasField(name):
                    yield from places.found([getattr(each, name)])


def without_archived(run: Run, answer: type[Message]) -> Run:
    """The method of a servicer, without the values of archived custom fields in its answer."""
    places = places_in(answer.DESCRIPTOR)
    if places is None:
        return run

    async def hiding(request: Any, reader: Any) -> Message:
        message = await run(request, reader)
        await hide_archived(reader, [message])
        return message

    return hiding


async def hide_archived(reader: Reader, messages: Sequence[Message]) -> None:
    """Take the values of archived custom fields out of messages of one type."""
    places = places_in(messages[0].DESCRIPTOR) if messages else None
    if places is None:
        return
    catalogue = catalogue_of(reader.database)
    for collection, record in places.found(messages):
        known = await catalogue.of(reader, collection)
        for key in [key for key in record.custom if known.is_archived(key)]:
            del record.custom[key]


@cache
def places_in(message: Any) -> Places | None:
    """Where messages of this descriptor have custom fields; None where they have none."""
    return _compiled(message, frozenset())


def _compiled(message: Any, above: frozenset[str]) -> Places | None:
    field = message.fields_by_name.get(CUSTOM)
    collection = message.GetOptions().Extensions[options_pb2.resource].collection
    own = collection if field is not None and is_value_map(field) else ""
    above |= {message.full_name}
    within = tuple(
        (field.name, field.is_repeated, places)
        for field in message.fields
        if (inner := field.message_type) is not None
        and inner.full_name.startswith(OWN_PACKAGES)
        and not inner.GetOptions().map_entry
        and inner.full_name not in above
        and (places := _compiled(inner, above)) is not None
    )
    return Places(own, within) if own or within else None
