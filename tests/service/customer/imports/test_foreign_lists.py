"""Lists of other systems and countries: whose numbers are whose, and how numbers and places are written there."""

from typing import TYPE_CHECKING

from crm.customer.v1 import contacts_pb2

from tests.service.customer.imports.calls import Run, all_accounts, counts
from tests.service.running import User

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub


async def test_in_an_export_of_contacts_each_has_their_own_numbers_and_the_account_none(
    accounts: "AccountServiceAsyncStub", contacts: "ContactServiceAsyncStub", user: User, run: Run
) -> None:
    rows = [
        ["Id", "Account Name", "First Name", "Last Name", "Title", "Phone", "Mobile", "Email"],
        ["003A", "Acme", "Anna", "Schmidt", "CEO", "+49 30 901820", "+49 171 1234567", "anna@acme.example"],
        ["003B", "Acme", "Bob", "Fox", "CTO", "", "+1 650 253 0000", "bob@acme.example"],
    ]
    job = await run(rows)
    assert counts(job) == (1, 1, 0, 0), job.failure
    (account,) = await all_accounts(accounts, user)
    assert (account.phone_numbers, account.emails, account.external_ids) == ([], [], [])
    page = await contacts.ListContacts(contacts_pb2.ListContactsRequest(), metadata=user.metadata)
    found = {each.display_name: (each.phone_numbers, each.emails) for each in page.contacts}
    assert found == {
        "Anna Schmidt": (["+4930901820", "+491711234567"], ["anna@acme.example"]),
        "Bob Fox": (["+16502530000"], ["bob@acme.example"]),
    }
