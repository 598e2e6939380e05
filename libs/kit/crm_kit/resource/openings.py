"""The filter that opens the records of a group: a list with it has those and no others. Pure."""

from collections.abc import Sequence
from datetime import date

from crm_kit.filtering.grammar import MAX_CHARACTERS
from crm_kit.filtering.tree import FieldType
from crm_kit.resource.buckets import span_of, within
from crm_kit.resource.questions import Grouping

BARE = frozenset({FieldType.BOOL, FieldType.NUMBER, FieldType.INTEGER})


def opening(filter: str, conditions: Sequence[str]) -> str:
    """The filter and all of the conditions; empty where it would be longer than filters may be."""
    parts = [f"({filter})" if filter and conditions else filter, *conditions]
    text = " AND ".join(part for part in parts if part)
    return text if len(text) <= MAX_CHARACTERS else ""


def condition_of(grouping: Grouping, key: str | None, zone: str) -> str:
    """What the records of a group have in common, by the key that it is told by; None where they have no value."""
    field = grouping.field
    if key is None:
        return f"{field} = null"
    if grouping.unit is not None:
        span = span_of(grouping.unit, date.fromisoformat(key))
        return within(field, span, zone if grouping.type is FieldType.INSTANT else None)
    return f"{field} = {key if grouping.type in BARE else quoted(key)}"


def quoted(text: str) -> str:
    """A text as it stands in a filter, whatever is in it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def of_currency(field: str, currency_code: str) -> str:
    """Records whose amount is in a currency."""
    return f"{field}.currency_code = {quoted(currency_code)}"
