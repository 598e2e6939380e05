"""What entries of a timeline have of fields that are hidden from their reader."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from crm.options.v1 import options_pb2
from crm_kit.identity.access import Access

from crm_customer.records.timeline.model import Entry, Kind
from crm_customer.records.timeline.wire import EventKind, detail_name_and_path

# The collection and the field that something shown is the value of.
Shown = tuple[str, str]
# In place of a detail's name.
TITLE = ""


def as_seen(entry: Entry, kinds: Mapping[Kind, EventKind], access: Access) -> Entry:
    """The entry without hidden values; what no kind says any more may be one."""
    if not access.hidden:
        return entry
    kind = kinds[entry.kind]
    hidden = {name for name, of in shown_by(kind) if of is not None and of[1] in access.hidden_of(of[0])}
    known = {name for name, _ in shown_by(kind)}
    details = tuple(each for each in entry.details if each.name in known - hidden)
    return replace(entry, title="" if TITLE in hidden else entry.title, details=details)


def shown_by(kind: EventKind) -> Iterator[tuple[str, Shown | None]]:
    """The title and the details of a kind by name, each with the field of a record that it is a value of."""
    message = kind.payload.DESCRIPTOR
    for name, path in ((TITLE, kind.title), *map(detail_name_and_path, kind.details)):
        yield name, field_at(message, path) if path else None


def field_at(message: Any, path: str) -> Shown | None:
    """The hideable field at a path of an event; None where it is no field of a record that has such."""
    head, _, rest = path.partition(".")
    field = message.fields_by_name[head]
    if not rest:
        collection, _, copied = field.GetOptions().Extensions[options_pb2.copy_of].partition(".")
        return (collection, copied) if copied else None
    resource = field.message_type.GetOptions().Extensions[options_pb2.resource]
    return (resource.collection, rest.partition(".")[0]) if resource.hides_fields else None
