"""Contacts, declared."""

from typing import Any

from crm.customer.v1 import contacts_pb2 as pb
from crm.customer.v1 import events_pb2 as events
from crm_kit.filtering.schema import FilterField
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope, is_closed, visible, ways_to_own
from crm_kit.resource.reach import Reach, asked_of_each, ids_of_owned
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, Select, bindparam, exists, func, not_, or_, select
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from crm_customer.records.accounts.tables import accounts
from crm_customer.records.contacts.model import Contact, Status
from crm_customer.records.contacts.tables import contact_accounts, contacts
from crm_customer.records.quality_rules.keeping import QUALITY

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
    asked = _at_accounts().where(contact_accounts.c.contact_id == contacts.c.id, visible(accounts, scope))
    return or_(visible(contacts, scope), asked_of_each(asked, contacts))


def of_many(scope: Scope) -> ColumnElement[bool]:
    """The same, asked of many contacts: those at the accounts are found first."""
    return or_(visible(contacts, scope), *map(contacts.c.id.in_, at_own_accounts(scope)))


def ways(scope: Scope) -> list[Select[Any]]:
    """The same contacts, each way along an index."""
    return [*ids_of_owned(contacts, scope), *at_own_accounts(scope)]


def at_own_accounts(scope: Scope) -> list[Select[Any]]:
    """The ids of the contacts at one's own accounts, and at those of the teams."""
    return [_at_accounts().where(way) for way in ways_to_own(accounts, scope)]


def open_to(scope: Scope) -> ColumnElement[bool]:
    """Which contacts are at no account that is restricted from the actor; one such account is enough."""
    closed = _at_accounts().where(contact_accounts.c.contact_id == contacts.c.id, is_closed(accounts, scope))
    return not_(exists(closed.correlate(contacts)))


def _at_accounts() -> Select[Any]:
    at = contact_accounts
    # NOT IN would read the links once for each contact as soon as they are many; NOT EXISTS joins them.
    is_there = (accounts.c.tenant_id == at.c.tenant_id) & (accounts.c.id == at.c.account_id)
    return select(at.c.contact_id).join(accounts, is_there).where(at.c.tenant_id == bindparam("tenant_id"))


def with_link(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Which contacts are at an account of which the condition is true."""
    at = contact_accounts
    # NOT IN would read the links once for each contact as soon as they are many; NOT EXISTS joins them.
    is_there = (at.c.tenant_id == bindparam("tenant_id")) & (at.c.contact_id == contacts.c.id)
    return exists().where(is_there, condition).correlate(contacts)


CONTACTS = Resource(
    "contact",
    entity=Contact,
    table=contacts,
    message=pb.Contact,
    created=events.ContactCreated,
    updated=events.ContactUpdated,
    computed={"accounts": LINKS},
    nested={
        "accounts.account_id": FilterField(FieldType.UUID_LIST, contact_accounts.c.account_id, within=with_link),
    },
    visible=Reach(contacts, seen, ways, of_many, open=open_to),
    unversioned=QUALITY - {"quality_tier"},
    hidden={"status": {Status.ARCHIVED}},
    verbs={
        "ConfirmContactFields": lambda contact, _: contact.confirm((), ()),
        "AdoptContactSourceValue": lambda contact, _: contact.confirm((), ()),
        "ArchiveContact": lambda contact, _: contact.archive(),
        "RestoreContact": lambda contact, _: contact.restore(),
    },
)


# Needs the bind parameter `account_id`.
AT_ACCOUNT = CONTACTS.list_of(
    "account_contacts", of=with_link(contact_accounts.c.account_id == bindparam("account_id"))
)
