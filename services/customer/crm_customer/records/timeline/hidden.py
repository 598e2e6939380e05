"""Entries of a timeline without values of fields that are hidden from their reader."""

from collections.abc import Mapping
from dataclasses import replace

from crm_kit.identity.access import Access

from crm_customer.records.timeline.model import Entry, Kind
from crm_customer.records.timeline.wire import TITLE, EventKind


def as_seen(entry: Entry, kinds: Mapping[Kind, EventKind], access: Access) -> Entry:
    """The entry without hidden values; a detail that its kind does not have any more may be one."""
    if not access.hidden:
        return entry
    fields = dict(kinds[entry.kind].fields_shown())
    hidden = {name for name, of in fields.items() if of is not None and of[1] in access.hidden_of(of[0])}
    details = tuple(each for each in entry.details if each.name in fields and each.name not in hidden)
    return replace(entry, title="" if TITLE in hidden else entry.title, details=details)
