"""Every SELECT on timelines."""

from typing import Any

from crm_kit.database.connections import Record
from crm_kit.filtering.schema import FilterField, FilterSchema, user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from sqlalchemy import Select, bindparam, select

from crm_customer.records.timeline.model import Detail, Entry
from crm_customer.records.timeline.tables import timeline_entries

COLUMNS = [column for column in timeline_entries.c if column.name != "tenant_id"]


def _of_account(_scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    """Of one account, which the caller has been found to see."""
    return select(*COLUMNS).where(
        timeline_entries.c.tenant_id == bindparam("tenant_id"),
        timeline_entries.c.account_id == bindparam("account_id"),
    )


LISTING = Listing(
    name="timeline",
    rows=_of_account,
    fields=FilterSchema(
        {
            "kind": FilterField(FieldType.TEXT, timeline_entries.c.kind),
            "entry_time": FilterField(FieldType.INSTANT, timeline_entries.c.entry_time),
            "service": FilterField(FieldType.TEXT, timeline_entries.c.service),
            "reference_type": FilterField(FieldType.TEXT, timeline_entries.c.reference_type),
            "reference_id": FilterField(FieldType.UUID, timeline_entries.c.reference_id),
            "actor_id": user_field(timeline_entries.c.actor_id),
        }
    ),
    orders={
        "id": OrderColumn(timeline_entries.c.id),
        "entry_time": OrderColumn(timeline_entries.c.entry_time),
    },
    default_order="entry_time desc",
)


def entry_from(row: Record) -> Entry:
    """The entry that a row of `COLUMNS` holds."""
    return Entry(**dict(row) | {"details": tuple(Detail(**each) for each in row["details"])})
