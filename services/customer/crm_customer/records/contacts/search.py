"""What contacts are found by: who is calling, who has written."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.identity.access import Scope
from sqlalchemy import Select, any_, bindparam, not_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_customer.records.accounts import search as accounts_search
from crm_customer.records.contacts.model import Contact, Status
from crm_customer.records.contacts.resource import CONTACTS, open_to
from crm_customer.records.contacts.tables import contact_accounts, contact_search, contacts
from crm_customer.records.search.candidates import CONTACT_SEARCH
from crm_customer.records.search.searching import Labels, Search
from crm_customer.records.search.tables import put_found_by
from crm_customer.records.search.terms import RecordTexts, index_tokens

SEARCHED = frozenset({"display_name", "phone_numbers", "emails", "status"})


def found_by(reader: Reader, row: Record) -> RecordTexts:
    """What a contact is found by: the same for everybody who sees it, but for what is hidden from them."""
    hidden = CONTACTS.hidden_from(reader)
    return RecordTexts(**{name: () if name in hidden else tuple(row[name]) for name in CONTACT_SEARCH.texts})


async def closed_among(reader: Reader, ids: Collection[UUID]) -> set[UUID]:
    """Those of the contacts that are at an account which is restricted from the reader."""
    return {row["id"] for row in await reader.all(ids_of_closed(), ids=list(ids))}


@statement
def ids_of_closed() -> Select[Any]:
    return select(contacts.c.id).where(
        contacts.c.tenant_id == bindparam("tenant_id"),
        contacts.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
        not_(open_to(Scope.ALL)),
    )


def nothing_of(_texts: RecordTexts) -> RecordTexts:
    """What a contact is found by that is closed to the reader: no page goes on because of it, either."""
    return RecordTexts(names=())


# Whose accounts a contact is at changes without it: who sees it is asked of the record itself.
SEARCH = Search(
    CONTACTS, CONTACT_SEARCH, found_by, labels=Labels(accounts_search.sees_labels, closed_among, nothing_of)
)


async def unseen_names(reader: Reader, ids: Collection[UUID]) -> Mapping[UUID, Collection[str]]:
    """Of accounts what those of their contacts are called that are at a restricted one as well."""
    found: dict[UUID, set[str]] = {}
    for row in await reader.all(names_of_closed_contacts(), ids=list(ids)):
        found.setdefault(row["account_id"], set()).add(row["display_name"])
    return found


@statement
def names_of_closed_contacts() -> Select[Any]:
    at = contact_accounts
    return (
        select(at.c.account_id, contacts.c.display_name)
        .join(contacts, (contacts.c.tenant_id == at.c.tenant_id) & (contacts.c.id == at.c.contact_id))
        .where(
            at.c.tenant_id == bindparam("tenant_id"),
            at.c.account_id == any_(bindparam("ids", type_=ARRAY(Uuid))),
            not_(open_to(Scope.ALL)),
        )
    )


# Accounts are found by who is there, as far as the reader sees them.
ACCOUNT_SEARCH = replace(accounts_search.SEARCH, labels=replace(accounts_search.LABELS, unseen=unseen_names))


def put_contact_search_row(work: UnitOfWork, contact: Contact) -> None:
    """Make the contact findable by what it is called now."""
    texts = RecordTexts((contact.display_name,), phone_numbers=contact.phone_numbers, emails=contact.emails)
    is_put_away = contact.status is Status.ARCHIVED
    put_found_by(work, CONTACT_SEARCH, contact_search, contact.id, texts, index_tokens(texts), put_away=is_put_away)
