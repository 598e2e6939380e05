"""Accounts are found by the people there."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1 import contacts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub

from tests.service.customer.customers import Link, new_account, new_contact
from tests.service.running import Running, User

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub

Found = Callable[[str], Awaitable[set[str]]]


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
async def account(customer: Running, user: User) -> accounts_pb2.Account:
    return await new_account(customer, user)


@pytest.fixture
def found(customer: Running, user: User) -> Found:
    """The ids of the accounts that a text finds."""

    async def search(text: str) -> set[str]:
        stub: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
        request = accounts_pb2.SearchAccountsRequest(query=text)
        answer = await stub.SearchAccounts(request, metadata=user.metadata)
        return {each.id for each in answer.accounts}

    return search


async def test_archived_accounts_of_the_same_name_do_not_crowd_out_the_one_that_lives(
    customer: Running, user: User
) -> None:
    stub: AccountServiceAsyncStub = AccountServiceStub(customer.channel)

    async def first() -> list[str]:
        request = accounts_pb2.SearchAccountsRequest(query="远山科技", page_size=1)
        answer = await stub.SearchAccounts(request, metadata=user.metadata)
        return [each.id for each in answer.accounts]

    alike = [await new_account(customer, user, display_name="远山科技") for _ in range(16)]
    for each in alike[1:]:
        await stub.ArchiveAccount(accounts_pb2.ArchiveAccountRequest(id=each.id), metadata=user.metadata)
    assert await first() == [alike[0].id]
    await stub.ArchiveAccount(accounts_pb2.ArchiveAccountRequest(id=alike[0].id), metadata=user.metadata)
    assert await first() == []
    await stub.RestoreAccount(accounts_pb2.RestoreAccountRequest(id=alike[7].id), metadata=user.metadata)
    assert await first() == [alike[7].id]


async def test_an_account_is_found_by_the_names_its_contacts_have_now(
    customer: Running, user: User, account: accounts_pb2.Account, found: Found
) -> None:
    contacts: ContactServiceAsyncStub = ContactServiceStub(customer.channel)
    other = await new_account(customer, user, display_name="东海物流")
    created = await new_contact(customer, user, account.id, display_name="欧阳修远")
    assert await found("欧阳修远") == {account.id}

    async def update(**fields: Any) -> None:
        request = pb.UpdateContactRequest(contact=pb.Contact(id=created.id, **fields))
        await contacts.UpdateContact(request, metadata=user.metadata)

    await update(display_name="司马光明")
    assert await found("欧阳修远") == set()
    assert await found("司马光明") == {account.id}
    await update(accounts=[Link(account_id=other.id)])
    assert await found("司马光明") == {other.id}
    assert await found("东海物流") == {other.id}
    await contacts.ArchiveContact(pb.ArchiveContactRequest(id=created.id), metadata=user.metadata)
    assert await found("司马光明") == set()
    await contacts.RestoreContact(pb.RestoreContactRequest(id=created.id), metadata=user.metadata)
    assert await found("司马光明") == {other.id}


async def test_contacts_that_come_at_the_same_time_are_all_found(
    customer: Running, user: User, account: accounts_pb2.Account, found: Found
) -> None:
    for given in ("孔明", "婉儿", "雪村", "玄策"):
        names = [family + given for family in ("诸葛", "上官", "慕容", "公孙", "令狐", "东方", "百里", "南宫")]
        await asyncio.gather(*(new_contact(customer, user, account.id, display_name=name) for name in names))
        assert [name for name in names if await found(name) != {account.id}] == []
