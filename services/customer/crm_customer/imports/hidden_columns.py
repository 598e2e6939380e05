"""Columns of a file that fill fields which are hidden from who imports it: such a file is refused as a whole.

What a row does to a record depends on what is there, and its errors tell of that. So who does not see a field does not
see either which rows of another's file stayed out.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from crm_kit.field_rights import require_shown
from crm_kit.identity.access import Access

from crm_customer.imports.model import Import
from crm_customer.imports.spreadsheets.mapping import EXTERNAL_ID_PREFIX, Field
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.contacts.resource import CONTACTS

# The fields of accounts, and of contacts, that targets which are called otherwise fill.
OF_ACCOUNTS = {
    Field.COUNTRY: ("region_code", "addresses"),
    Field.CITY: ("addresses",),
    Field.ADDRESS: ("addresses",),
    Field.POSTAL_CODE: ("addresses",),
    Field.PARENT: ("parent_id",),
    Field.REMARKS: ("preferences",),
    # Without a contact's name they are the account's.
    Field.CONTACT_PHONE: ("phone_numbers",),
    Field.CONTACT_EMAIL: ("emails",),
}
OF_CONTACTS = {
    Field.CONTACT_TITLE: ("job_title",),
    Field.CONTACT_PHONE: ("phone_numbers",),
    Field.CONTACT_EMAIL: ("emails",),
}


def require_columns_shown(access: Access, targets: Iterable[str]) -> None:
    """PermissionDenied where a column is a field that is hidden from whoever has this access."""
    if not access.hidden:
        return
    targets = set(targets)
    require_shown(ACCOUNTS.collection, access.hidden, fields_filled(targets))
    contact_fields = (OF_CONTACTS.get(Field(target), ()) for target in targets if is_field(target))
    require_shown(CONTACTS.collection, access.hidden, chain.from_iterable(contact_fields))


def require_cells_shown(access: Access, job: Import) -> None:
    """PermissionDenied where a column of an import's file is a field that is hidden from whoever has this access."""
    require_columns_shown(access, (each.field for each in job.mapping if each.field))


def fields_filled(targets: Iterable[str]) -> Iterator[str]:
    """The fields of accounts that columns with these targets fill."""
    for target in targets:
        if target.startswith(EXTERNAL_ID_PREFIX):
            yield str(Field.EXTERNAL_IDS)
        elif is_field(target):
            yield from OF_ACCOUNTS.get(Field(target), (target,))
        else:
            yield target


def is_field(target: str) -> bool:
    """Whether it is a field of the contract, and no custom one or key."""
    return target in set(Field)
