"""Texts of a spreadsheet are as long as the contract lets them be; each field has a length or a form."""

import pytest
from buf.validate import validate_pb2
from crm.customer.v1 import accounts_pb2, contacts_pb2
from crm_customer.imports.spreadsheets.fields import MAX_CHARACTERS
from crm_customer.imports.spreadsheets.mapping import Field
from google.protobuf.descriptor import Descriptor, FieldDescriptor

ACCOUNT = accounts_pb2.Account.DESCRIPTOR
PLACES = {
    Field.CITY: accounts_pb2.Address.DESCRIPTOR.fields_by_name["city"],
    Field.ADDRESS: accounts_pb2.Address.DESCRIPTOR.fields_by_name["line"],
    Field.POSTAL_CODE: accounts_pb2.Address.DESCRIPTOR.fields_by_name["postal_code"],
    Field.EXTERNAL_IDS: accounts_pb2.ExternalId.DESCRIPTOR.fields_by_name["value"],
    Field.CONTACT_NAME: contacts_pb2.Contact.DESCRIPTOR.fields_by_name["display_name"],
    Field.CONTACT_TITLE: contacts_pb2.Contact.DESCRIPTOR.fields_by_name["job_title"],
    # Lines of the account's preferences.
    Field.REMARKS: ACCOUNT.fields_by_name["preferences"],
    # Names of other records, which are looked for.
    Field.OWNER: ACCOUNT.fields_by_name["display_name"],
    Field.PARENT: ACCOUNT.fields_by_name["display_name"],
}
BY_FORM = {
    *(Field.ID, Field.KIND, Field.CREDIT_CODE, Field.ROLES, Field.STATUS, Field.EMPLOYEE_COUNT, Field.COUNTRY),
    *(Field.REGION, Field.PHONE_NUMBERS, Field.EMAILS, Field.CONTACT_PHONE, Field.CONTACT_EMAIL),
}
# Half of a name each: together they are as long as the whole.
HALVES = {Field.CONTACT_FIRST_NAME, Field.CONTACT_LAST_NAME}


def longest(field: FieldDescriptor) -> int:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    return int(rules.string.max_len or rules.repeated.items.string.max_len)


def own(message: Descriptor, name: str) -> FieldDescriptor:
    assert name in message.fields_by_name, f"{name} is no field of {message.name}: say in PLACES which one it becomes"
    return message.fields_by_name[name]


@pytest.mark.parametrize("target", [each for each in Field if each not in BY_FORM | HALVES])
def test_a_text_is_as_long_as_the_contract_lets_it_be(target: Field) -> None:
    field = PLACES.get(target) or own(ACCOUNT, target)
    remedy = f"MAX_CHARACTERS of spreadsheets/fields.py has to say {longest(field)} for {target.name}"
    assert MAX_CHARACTERS.get(target) == longest(field), f"{remedy}, or BY_FORM here that its cells are read by a form"


def test_what_is_read_by_its_form_has_no_length() -> None:
    assert BY_FORM & MAX_CHARACTERS.keys() == set()
    assert sum(MAX_CHARACTERS[half] for half in HALVES) == longest(PLACES[Field.CONTACT_NAME])
