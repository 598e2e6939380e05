"""Answers without the values of archived custom fields: they stay in the record, and come back with the field.

As names beside ids, that is done when an answer is whole, also of a record as it was. History and events have all.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Any

from crm.options.v1 import options_pb2
from google.protobuf.message import Message

from crm_kit.custom_fields.definitions import catalogue_of
from crm_kit.database.work import Reader
from crm_kit.resource.places import Places, places_of
from crm_kit.resource.values import is_value_map

Run = Callable[[Any, Any], Awaitable[Message]]
CUSTOM = "custom"


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
    for collection, records in places.found(messages):
        with_values = [each for each in records if each.custom]
        if not with_values:
            continue
        known = await catalogue.of(reader, collection)
        for record in with_values:
            for key in [key for key in record.custom if known.is_archived(key)]:
                del record.custom[key]


@cache
def places_in(message: Any) -> Places[str] | None:
    """Where messages of this descriptor have custom fields, with the collection; None where they have none."""
    return places_of(message, _collection)


def _collection(message: Any) -> str:
    field = message.fields_by_name.get(CUSTOM)
    if field is None or not is_value_map(field):
        return ""
    return str(message.GetOptions().Extensions[options_pb2.resource].collection)
