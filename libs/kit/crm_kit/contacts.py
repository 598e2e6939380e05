"""Contacts as the other services know them from the customer service: what they are called."""

from typing import Any
from uuid import UUID

from crm.customer.v1 import contacts_pb2 as pb
from crm.customer.v1 import events_pb2 as events
from sqlalchemy import Column, Integer, MetaData, Table, Text, Uuid

from crm_kit.database.tables import Kept, tenant_table
from crm_kit.database.work import UnitOfWork
from crm_kit.events.consumers import Consumers, Event
from crm_kit.events.payloads import events_carrying
from crm_kit.projections import put_newest


def contacts_table(metadata: MetaData) -> Table:
    """The table of a service's contacts."""
    return tenant_table(
        "contacts",
        metadata,
        Column("id", Uuid, nullable=False),
        Column("display_name", Text, nullable=False),
        # Of the event that said so; an older one changes nothing.
        Column("version", Integer, nullable=False),
        retention=Kept("contacts, as customer has them"),
    )


def follow_contacts(consumers: Consumers, table: Table) -> None:
    """Subscribe to every event that tells of a contact."""

    def contact_changed(work: UnitOfWork, event: Event, changed: Any) -> None:
        contact = changed.contact
        row = {"id": UUID(contact.id), "display_name": contact.display_name, "version": event.aggregate_version}
        put_newest(work, table, row)

    for payload in events_carrying(events, pb.Contact):
        consumers.project(payload, contact_changed)
