"""What is looked up of custom fields beside what their declaration selects."""

from collections.abc import Collection
from uuid import UUID

from crm_kit.custom_field_definitions.resource import CUSTOM_FIELDS
from crm_kit.database.work import Reader
from crm_kit.field_rights import CUSTOM


async def readable_custom_fields(reader: Reader, collection: str, ids: Collection[UUID]) -> list[UUID]:
    """Those of the ids that are custom fields of a collection, but for those that are hidden from the reader."""
    hidden = reader.actor.access.hidden_of(collection)
    found = await CUSTOM_FIELDS.get_many(reader, ids)
    return [id for id, each in found.items() if each.collection == collection and f"{CUSTOM}.{each.key}" not in hidden]
