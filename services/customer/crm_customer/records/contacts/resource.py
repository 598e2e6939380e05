"""Contacts, declared."""

from crm.customer.v1 import contacts_pb2 as pb
from crm.customer.v1 import events_pb2 as events
from crm_kit.identity.access import Scope, visible
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, Select, bindparam, exists, func, or_, select, true
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from crm_customer.records.accounts.tables import accounts
from crm_customer.records.contacts.model import Contact, Status
from crm_customer.records.contacts.tables import contact_accounts, contacts

LINKS = (
    select(
        func.jsonb_agg(
            aggregate_order_by(
                func.jsonb_build_object(
                    "account_id", contact_accounts.c.account_id, "role", contact_accounts.c.role, type_=JSONB
                ),
                contact_accounts.c.position,
            ),
            type_=JSONB,
        )
    )
    .where(contact_accounts.c.tenant_id == contacts.c.tenant_id, contact_accounts.c.contact_id == contacts.c.id)
    .scalar_subquery()
)


def seen(scope: Scope) -> ColumnElement[bool]:
    """Which contacts the actor may see: their own, and everybody at the accounts they may see."""
    at = contact_accounts
    if scope is Scope.ALL:
        return true()
    if scope is Scope.OWN:
        # What one user sees is little: it is looked up by owner, instead of asking of each contact of the tenant.
        own = select(contacts.c.id).where(contacts.c.tenant_id == bindparam("tenant_id"), visible(contacts, scope))
        at_own_accounts = (
            select(at.c.contact_id)
            .join(accounts, (accounts.c.tenant_id == at.c.tenant_id) & (accounts.c.id == at.c.account_id))
            .where(at.c.tenant_id == bindparam("tenant_id"), visible(accounts, scope))
        )
        return contacts.c.id.in_(own.correlate(None).union(at_own_accounts.correlate(None)))
    at_seen_account = (
        exists()
        .where(
            at.c.tenant_id == contacts.c.tenant_id,
            at.c.contact_id == contacts.c.id,
            accounts.c.tenant_id == at.c.tenant_id,
            accounts.c.id == at.c.account_id,
            visible(accounts, scope),
        )
        .correlate(contacts)
    )
    return or_(visible(contacts, scope), at_seen_account)


CONTACTS = Resource(
    "contact",
    entity=Contact,
    table=contacts,
    message=pb.Contact,
    created=events.ContactCreated,
    updated=events.ContactUpdated,
    computed={"accounts": LINKS},
    visible=seen,
    hidden={"status": {Status.ARCHIVED}},
    verbs={
        "ArchiveContact": lambda contact, _: contact.archive(),
        "RestoreContact": lambda contact, _: contact.restore(),
    },
)


def _at_account() -> Select[tuple[object]]:
    return select(contact_accounts.c.contact_id).where(
        contact_accounts.c.tenant_id == bindparam("tenant_id"),
        contact_accounts.c.account_id == bindparam("account_id"),
    )


# Needs the bind parameter `account_id`.
AT_ACCOUNT = CONTACTS.list_of("account_contacts", of=contacts.c.id.in_(_at_account()))
