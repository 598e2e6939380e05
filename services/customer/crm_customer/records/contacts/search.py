"""What contacts are found by: who is calling, who has written."""

from crm_kit.database.connections import Record
from crm_kit.database.work import Reader, UnitOfWork

from crm_customer.records.contacts.model import Contact, Status
from crm_customer.records.contacts.resource import CONTACTS
from crm_customer.records.contacts.tables import contact_search
from crm_customer.records.search.candidates import CONTACT_SEARCH
from crm_customer.records.search.searching import Search
from crm_customer.records.search.tables import put_found_by
from crm_customer.records.search.terms import RecordTexts, index_tokens

SEARCHED = frozenset({"display_name", "phone_numbers", "emails", "status"})


def found_by(reader: Reader, row: Record) -> RecordTexts:
    """What a contact is found by: the same for everybody who sees it, but for what is hidden from them."""
    hidden = CONTACTS.hidden_from(reader)
    return RecordTexts(**{name: () if name in hidden else tuple(row[name]) for name in CONTACT_SEARCH.texts})


# Whose accounts a contact is at changes without it: who sees it is asked of the record itself.
SEARCH = Search(CONTACTS, CONTACT_SEARCH, found_by)


def put_contact_search_row(work: UnitOfWork, contact: Contact) -> None:
    """Make the contact findable by what it is called now."""
    texts = RecordTexts((contact.display_name,), phone_numbers=contact.phone_numbers, emails=contact.emails)
    is_put_away = contact.status is Status.ARCHIVED
    put_found_by(work, CONTACT_SEARCH, contact_search, contact.id, texts, index_tokens(texts), put_away=is_put_away)
