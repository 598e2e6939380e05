"""Which dates of a collection rules can go by: those with an index, which lists are ordered by."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from crm_kit.automation.watched import Watched
from crm_kit.custom_fields.model import CustomField
from crm_kit.custom_fields.model import FieldType as CustomType
from crm_kit.filtering.schema import CUSTOM
from crm_kit.filtering.tree import Field, FieldType

DATES = (FieldType.DATE, FieldType.INSTANT)


def own_dates(watched: Watched) -> dict[str, Field]:
    """Those that the contract has, by path."""
    listing = watched.resource.listing
    typed = {path: field.type for path, field in listing.fields.fields.items() if path in listing.orders}
    return {path: Field(path, type) for path, type in typed.items() if type in DATES and "." not in path}


def dates_of(watched: Watched, custom: Mapping[str, CustomField]) -> dict[str, Field]:
    """Those and the tenant's own, which are `custom`, by key."""
    own = own_dates(watched)
    for key, field in custom.items():
        if field.is_active and field.type is CustomType.DATE:
            own[CUSTOM + key] = Field(CUSTOM + key, FieldType.DATE)
    return own


def value_in(record: Any, field: Field) -> date | datetime | None:
    """The value of a record; None where it has none."""
    if field.path.startswith(CUSTOM):
        kept = record.custom.get(field.path.removeprefix(CUSTOM))
        return None if kept is None else date.fromisoformat(kept)
    value: date | datetime | None = getattr(record, field.path)
    return value
