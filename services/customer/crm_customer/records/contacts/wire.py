"""Contacts between protobuf and entity."""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from crm.customer.v1 import contacts_pb2 as pb
from crm.customer.v1 import events_pb2
from crm_kit.errors import invalid_field
from crm_kit.etags import etag_of
from crm_kit.wire import EnumNames, Fields, id_from, id_text, same, text_or_none, timestamp

from crm_customer.records.accounts.wire import consent_to_pb, consents_from
from crm_customer.records.contacts.model import AccountLink, Contact, Role, Status

ROLES = EnumNames(pb.Contact.Role, "ROLE_", Role)
STATUSES = EnumNames(pb.Contact.Status, "STATUS_", Status)


def links_from(values: Iterable[pb.Contact.AccountLink]) -> tuple[AccountLink, ...]:
    return tuple(AccountLink(UUID(each.account_id), ROLES.entity(each.role) if each.role else None) for each in values)


def birth_date_from(text: str) -> date | None:
    """The day; InvalidArgument for one that no calendar has."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise invalid_field("contact.birth_date", "date", "is not a day of the calendar") from None


# What a caller may set beside display_name.
FIELDS = Fields(
    accounts=links_from,
    job_title=text_or_none,
    department=text_or_none,
    phone_numbers=tuple,
    emails=tuple,
    birth_date=birth_date_from,
    reports_to_id=id_from,
    preferences=text_or_none,
    taboos=text_or_none,
    consents=consents_from,
    owner_id=id_from,
)
CHANGEABLE = FIELDS.with_more(display_name=same)


def contact_to_pb(contact: Contact) -> pb.Contact:
    return pb.Contact(
        id=str(contact.id),
        display_name=contact.display_name,
        accounts=map(link_to_pb, contact.accounts),
        job_title=contact.job_title or "",
        department=contact.department or "",
        phone_numbers=contact.phone_numbers,
        emails=contact.emails,
        birth_date="" if contact.birth_date is None else contact.birth_date.isoformat(),
        reports_to_id=id_text(contact.reports_to_id),
        preferences=contact.preferences or "",
        taboos=contact.taboos or "",
        consents=map(consent_to_pb, contact.consents),
        owner_id=id_text(contact.owner_id),
        owner_team_id=id_text(contact.owner_team_id),
        status=STATUSES.wire(contact.status),
        etag=etag_of(contact.version),
        create_time=timestamp(contact.create_time),
        update_time=timestamp(contact.update_time),
    )


def link_to_pb(link: AccountLink) -> pb.Contact.AccountLink:
    role = ROLES.wire(link.role) if link.role else pb.Contact.ROLE_UNSPECIFIED
    return pb.Contact.AccountLink(account_id=str(link.account_id), role=role)


def contact_created(contact: Contact) -> events_pb2.ContactCreated:
    return events_pb2.ContactCreated(contact=contact_to_pb(contact))


def contact_updated(contact: Contact, changed_fields: Iterable[str]) -> events_pb2.ContactUpdated:
    return events_pb2.ContactUpdated(contact=contact_to_pb(contact), changed_fields=changed_fields)
