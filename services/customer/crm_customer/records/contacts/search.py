"""What contacts are found by: who is calling, who has written."""

from typing import Any

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from crm_customer.records.contacts.model import Contact, Status
from crm_customer.records.contacts.resource import CONTACTS
from crm_customer.records.contacts.tables import contact_search
from crm_customer.records.search.candidates import CONTACT_SEARCH, stored_tokens
from crm_customer.records.search.searching import Search
from crm_customer.records.search.terms import RecordTexts, index_tokens

SEARCHED = frozenset({"display_name", "phone_numbers", "emails", "status"})


def found_by(_reader: Reader, row: Record) -> RecordTexts:
    """What a contact is found by, the same for everybody who sees it."""
    return RecordTexts(**{name: tuple(row[name]) for name in CONTACT_SEARCH.texts})


# Whose accounts a contact is at changes without it: who sees it is asked of the record itself.
SEARCH = Search(CONTACTS, CONTACT_SEARCH, found_by)


def put_contact_search_row(work: UnitOfWork, contact: Contact) -> None:
    """Make the contact findable by what it is called now."""
    names, is_put_away = (contact.display_name,), contact.status is Status.ARCHIVED
    tokens = index_tokens(RecordTexts(names, phone_numbers=contact.phone_numbers, emails=contact.emails))
    work.execute(
        put_row(),
        contact_id=contact.id,
        tokens=stored_tokens(work.tenant_id, contact.id, tokens, put_away=is_put_away),
        names=names,
        phone_numbers=contact.phone_numbers,
        emails=contact.emails,
    )


@statement
def put_row() -> Any:
    columns = ("tokens", *CONTACT_SEARCH.texts)
    fresh = insert(contact_search).values({name: bindparam(name) for name in ("tenant_id", "contact_id", *columns)})
    return fresh.on_conflict_do_update(
        index_elements=[contact_search.c.tenant_id, contact_search.c.contact_id],
        set_={name: fresh.excluded[name] for name in columns},
    )
