"""Every write on timelines."""

from typing import Any

from crm_kit.database.connections import row_of
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import insert

from crm_customer.records.timeline.model import Entry
from crm_customer.records.timeline.tables import timeline_entries


def put_entry(work: UnitOfWork, entry: Entry) -> None:
    """Gather an entry; one that is there already stays as it is."""
    work.execute(insert_entry(), **row_of(entry))


def retell_entry(work: UnitOfWork, entry: Entry) -> None:
    """Gather that an entry has other details by now, or is another account's."""
    work.execute(update_entry(), entry_id=entry.id, account_id=entry.account_id, details=row_of(entry)["details"])


@statement
def update_entry() -> Any:
    entries = timeline_entries.c
    return (
        update(timeline_entries)
        .where(entries.tenant_id == bindparam("tenant_id"), entries.id == bindparam("entry_id"))
        .values(
            account_id=bindparam("account_id", type_=entries.account_id.type),
            details=bindparam("details", type_=entries.details.type),
        )
    )


@statement
def insert_entry() -> Any:
    fresh = insert(timeline_entries).values({column.name: bindparam(column.name) for column in timeline_entries.c})
    return fresh.on_conflict_do_nothing(index_elements=[timeline_entries.c.tenant_id, timeline_entries.c.id])
