"""Lists of other systems and countries: whose numbers are whose, and how numbers and places are written there."""

from typing import TYPE_CHECKING

import grpc
import pytest
from crm.customer.v1 import contacts_pb2
from crm.customer.v1 import imports_pb2 as pb

from tests.service.customer.imports.calls import Run, Upload, all_accounts, counts
from tests.service.running import User

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub


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
    assert not account.phone_numbers
    assert not account.emails
    assert not account.external_ids
    page = await contacts.ListContacts(contacts_pb2.ListContactsRequest(), metadata=user.metadata)
    found = {each.display_name: (list(each.phone_numbers), list(each.emails)) for each in page.contacts}
    assert found == {
        "Anna Schmidt": (["+4930901820", "+491711234567"], ["anna@acme.example"]),
        "Bob Fox": (["+16502530000"], ["bob@acme.example"]),
    }


async def test_the_country_of_a_list_is_that_of_its_numbers_and_states(
    accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    job = await run([["Name", "Phone"], ["Müller", "0211/8765432"]], default_region="DE")
    assert (counts(job), job.default_region) == ((1, 0, 0, 0), "DE")
    job = await run([["Name", "Billing State"], ["Dover Ltd", "DE"]], default_region="US")
    assert counts(job) == (1, 0, 0, 0)
    made = await all_accounts(accounts, user)
    found = {each.display_name: (list(each.phone_numbers), each.region_code) for each in made}
    assert found == {"Müller": (["+492118765432"], ""), "Dover Ltd": ([], "US-DE")}


async def test_the_country_is_told_where_none_is_given_and_must_be_one(
    imports: "ImportServiceAsyncStub", user: User, run: Run, upload: Upload
) -> None:
    assert (await run([["Name"], ["A"]])).default_region == "CN"
    job = pb.Import(upload_id=await upload(b"Name\nA\n"), mode=pb.Import.MODE_CREATE, default_region="XX")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await imports.CreateImport(pb.CreateImportRequest(job=job), metadata=user.metadata)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "job.default_region" in (refused.value.details() or "")
