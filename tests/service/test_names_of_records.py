"""Names beside ids are read by whoever reads the record that refers to them, and by nothing else than reading it."""

from typing import TYPE_CHECKING

import pytest
from crm.customer.v1 import accounts_pb2, contacts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_kit.identity.access import Scope
from crm_kit.resource.contract import named_ids

from tests.factories.places import SERVICES
from tests.service.customer.customers import new_account, new_contact
from tests.service.running import Running, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub
    from crm.resource.v1.resources_pb2_grpc import ResourceServiceAsyncStub

OWN = dict.fromkeys(("accounts.read", "accounts.write", "contacts.read", "contacts.write"), Scope.OWN)


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_is_filtered_ordered_or_grouped_by_the_name_of_another_record(
    name: str, request: pytest.FixtureRequest
) -> None:
    """So that nobody finds out by trying what they cannot read: ids are all that lists go by."""
    running: Running = request.getfixturevalue(name)
    for resource in running.service.resources:
        listed = {*resource.filter_schema.fields, *resource.listing.orders, *resource.contract}
        assert listed.isdisjoint(each.name for each in named_ids(resource.message_type.DESCRIPTOR)), resource.noun


async def test_who_reads_a_contact_reads_the_names_of_all_its_accounts_and_no_more_of_them(customer: Running) -> None:
    contacts: ContactServiceAsyncStub = ContactServiceStub(customer.channel)
    accounts: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
    head = await customer.user()
    li = await customer.user(head.tenant_id, grants=OWN)
    own, other = (
        await new_account(customer, li, display_name="甲"),
        await new_account(customer, head, display_name="乙"),
    )
    contact = await new_contact(customer, head, own.id, other.id)
    read = await contacts.GetContact(contacts_pb2.GetContactRequest(id=contact.id), metadata=li.metadata)
    assert [each.account_name for each in read.accounts] == ["甲", "乙"]
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await accounts.GetAccount(accounts_pb2.GetAccountRequest(id=other.id), metadata=li.metadata)
    found = await accounts.SearchAccounts(accounts_pb2.SearchAccountsRequest(query="乙"), metadata=li.metadata)
    assert not found.accounts
    # Sent back as it came, it stays as it is; another account that is not theirs is not named by its id.
    assert await contacts.UpdateContact(contacts_pb2.UpdateContactRequest(contact=read), metadata=li.metadata) == read
    third = await new_account(customer, head, display_name="丙")
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await new_contact(customer, li, third.id)


async def test_sums_and_values_name_what_records_refer_to_that_the_caller_reads(customer: Running) -> None:
    resources: ResourceServiceAsyncStub = ResourceServiceStub(customer.channel)
    head = await customer.user()
    li = await customer.user(head.tenant_id, grants=OWN)
    group, others = [await new_account(customer, head, display_name=name) for name in ("集团", "别的集团")]
    await new_account(customer, head, parent_id=group.id, owner_id=str(li.id))
    await new_account(customer, head, parent_id=others.id)
    summed = await resources.SummarizeRecords(
        resources_pb2.SummarizeRecordsRequest(collection="accounts", group_by=["parent_id"]), metadata=li.metadata
    )
    assert [each.names["parent_id"] for each in summed.groups] == ["集团"]
    counted = await resources.CountRecordValues(
        resources_pb2.CountRecordValuesRequest(collection="accounts", field="parent_id"), metadata=li.metadata
    )
    assert [each.name for each in counted.values] == ["集团"]
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await resources.CountRecords(
            resources_pb2.CountRecordsRequest(collection="accounts", filter='parent_name = "集团"'),
            metadata=li.metadata,
        )
