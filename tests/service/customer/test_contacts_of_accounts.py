"""Who is at an account: one filter for lists, counts, sums and facets."""

from typing import TYPE_CHECKING

import pytest
from crm.customer.v1 import contacts_pb2 as pb
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm.resource.v1 import resources_pb2 as generic
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub

from tests.service.customer.customers import new_account, new_contact
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


async def test_whoever_is_at_an_account_is_listed_counted_and_grouped_by_the_same_filter(
    customer: Running, user: User
) -> None:
    contacts: ContactServiceAsyncStub = ContactServiceStub(customer.channel)
    records = ResourceServiceStub(customer.channel)
    first, second, third = [(await new_account(customer, user)).id for _ in range(3)]
    for at in [(first,), (first, second), (second,)]:
        await new_contact(customer, user, *at, department="+".join(map(str, map([first, second].index, at))))
    others = await customer.user()

    async def departments(filter: str, by: User = user) -> list[str]:
        page = await contacts.ListContacts(pb.ListContactsRequest(filter=filter), metadata=by.metadata)
        request = generic.CountRecordsRequest(collection="contacts", filter=filter)
        assert (await records.CountRecords(request, metadata=by.metadata)).count == len(page.contacts)
        summary = generic.SummarizeRecordsRequest(collection="contacts", filter=filter)
        told = await records.SummarizeRecords(summary, metadata=by.metadata)
        assert told.total_count == len(page.contacts)
        facets = generic.CountRecordValuesRequest(collection="contacts", filter=filter, field="department")
        found = await records.CountRecordValues(facets, metadata=by.metadata)
        assert {each.value for each in found.values} == {each.department for each in page.contacts}
        return sorted(each.department for each in page.contacts)

    assert await departments(f'accounts.account_id:"{first}"') == ["0", "0+1"]
    assert await departments(f'accounts.account_id:"{first}" AND accounts.account_id:"{second}"') == ["0+1"]
    assert await departments(f'NOT accounts.account_id:"{first}"') == ["1"]
    assert await departments(f'accounts.account_id:"{third}"') == []
    assert await departments("accounts.account_id:*") == ["0", "0+1", "1"]
    assert await departments("accounts.account_id = null") == []
    assert await departments(f'accounts.account_id:"{first}"', others) == []
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await departments(f'accounts.account_id = "{first}"')
