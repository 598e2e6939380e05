"""Contacts as the other services know them from the customer service: what they are called."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm.customer.v1 import contacts_pb2 as pb
from crm.customer.v1 import events_pb2 as events
from sqlalchemy import Column, Integer, MetaData, Table, Text, Uuid

from crm_kit.database.tables import Kept, tenant_table
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import NotFound, PermissionDenied, invalid_field
from crm_kit.etags import version_of
from crm_kit.events.consumers import Consumers, Event
from crm_kit.events.payloads import events_carrying
from crm_kit.ids import id_from_text
from crm_kit.projections import put_newest
from crm_kit.rpc.clients import ServiceClient

OnChanged = Callable[[UnitOfWork, pb.Contact, int], None]
GET_CONTACT = "/crm.customer.v1.ContactService/GetContact"


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


def follow_contacts(consumers: Consumers, table: Table, *, on_changed: OnChanged | None = None) -> None:
    """Subscribe to every event that tells of a contact; `on_changed` gathers more of the contact in its version."""

    def contact_changed(work: UnitOfWork, event: Event, changed: Any) -> None:
        put_contact(work, table, changed.contact, version=event.aggregate_version)
        if on_changed is not None:
            on_changed(work, changed.contact, event.aggregate_version)

    for payload in events_carrying(events, pb.Contact):
        consumers.project(payload, contact_changed)


@dataclass(frozen=True, slots=True, eq=False)
class Contacts:
    """The contacts of a service's table. Who may see which of them only the customer service knows."""

    customer: ServiceClient
    table: Table

    async def require(self, work: UnitOfWork, id: UUID, *, field: str) -> None:
        """REFERENCE_NOT_FOUND unless the caller sees such a contact, whose name is known here from then on.

        Call it before anything is gathered: while the customer service is asked, no connection is held.
        """
        missing = invalid_field(field, "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
        if not work.asks_others:
            raise missing
        await work.release()
        try:
            found = await self.customer.call(GET_CONTACT, pb.GetContactRequest(id=str(id)), pb.Contact)
        except (NotFound, PermissionDenied):
            raise missing from None
        put_contact(work, self.table, found, version=version_of(found.etag) or 0)


def put_contact(work: UnitOfWork, table: Table, contact: pb.Contact, *, version: int) -> None:
    """Gather what a contact is called in a version; an older one changes nothing."""
    put_newest(work, table, {"id": id_from_text(contact.id), "display_name": contact.display_name, "version": version})
