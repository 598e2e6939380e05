"""Who sees contacts, and who may change them."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1 import contacts_pb2 as pb
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.customers import new_account, new_contact
from tests.service.history import changes_of
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub

Create = Callable[..., Awaitable[pb.Contact]]
CreateAccount = Callable[..., Awaitable[accounts_pb2.Account]]
BOTH = {"accounts.read", "accounts.write", "contacts.read", "contacts.write"}


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
def contacts(customer: Running) -> "ContactServiceAsyncStub":
    return ContactServiceStub(customer.channel)


@pytest.fixture
def create_account(customer: Running, user: User) -> CreateAccount:
    """Creates an account as `user` or another; keywords are its fields."""

    async def create(*, by: User = user, **fields: Any) -> accounts_pb2.Account:
        return await new_account(customer, by, **fields)

    return create


@pytest.fixture
async def account(create_account: CreateAccount) -> accounts_pb2.Account:
    return await create_account()


@pytest.fixture
def create(customer: Running, user: User, account: accounts_pb2.Account) -> Create:
    """Creates a contact at `account` as `user`; keywords are its fields, `at` other accounts' ids."""

    async def create_contact(*, by: User = user, at: tuple[str, ...] = (), **fields: Any) -> pb.Contact:
        return await new_contact(customer, by, *(at or (account.id,)), **fields)

    return create_contact


def patch(contact: pb.Contact, *paths: str, **fields: Any) -> pb.UpdateContactRequest:
    """An update of these fields of the contact, without an etag unless it is among them."""
    mask = FieldMask(paths=paths or list(fields))
    return pb.UpdateContactRequest(contact=pb.Contact(id=contact.id, **fields), update_mask=mask)


async def test_a_contact_of_another_tenant_is_not_found(
    contacts: "ContactServiceAsyncStub", create: Create, customer: Running
) -> None:
    created = await create()
    stranger = (await customer.user()).metadata
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: contacts.GetContact(pb.GetContactRequest(id=created.id), metadata=stranger),
        lambda: contacts.UpdateContact(patch(created, job_title="x"), metadata=stranger),
        lambda: contacts.ArchiveContact(pb.ArchiveContactRequest(id=created.id), metadata=stranger),
        lambda: contacts.RestoreContact(pb.RestoreContactRequest(id=created.id), metadata=stranger),
        lambda: changes_of(customer, "contacts", created.id, stranger),
    ]
    for call in calls:
        with refused("NOT_FOUND", "CONTACT_NOT_FOUND"):
            await call()
    listed = await contacts.ListContacts(pb.ListContactsRequest(), metadata=stranger)
    assert not listed.contacts


async def test_reading_does_not_allow_writing(
    contacts: "ContactServiceAsyncStub", create: Create, customer: Running, user: User
) -> None:
    created = await create()
    reader = await customer.user(user.tenant_id, grants={"contacts.read": Scope.ALL})
    await contacts.GetContact(pb.GetContactRequest(id=created.id), metadata=reader.metadata)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await create(by=reader)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await contacts.ArchiveContact(pb.ArchiveContactRequest(id=created.id), metadata=reader.metadata)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await contacts.UpdateContact(patch(created, job_title="x"), metadata=reader.metadata)


async def test_contacts_are_seen_by_their_owner_and_by_who_sees_one_of_their_accounts(
    contacts: "ContactServiceAsyncStub", create: Create, create_account: CreateAccount, customer: Running
) -> None:
    tenant = await customer.tenant()
    north, south = await customer.team(tenant), await customer.team(tenant)
    own, team = dict.fromkeys(BOTH, Scope.OWN), dict.fromkeys(BOTH, Scope.TEAM)
    li = await customer.user(tenant, grants=own, team_id=north)
    wang = await customer.user(tenant, grants=own, team_id=south)
    head_of_south = await customer.user(tenant, grants=team, team_id=south)
    admin = await customer.user(tenant)
    of_li, of_wang = (await create_account(by=li)).id, (await create_account(by=wang)).id
    shared = (await create(by=admin, at=(of_li, of_wang))).id
    at_wang = (await create(by=admin, at=(of_wang,))).id
    owned_by_li = (await create(by=admin, at=(of_wang,), owner_id=str(li.id))).id

    async def seen(user: User) -> set[str]:
        page = await contacts.ListContacts(pb.ListContactsRequest(), metadata=user.metadata)
        return {each.id for each in page.contacts}

    assert await seen(li) == {shared, owned_by_li}
    assert await seen(wang) == {shared, at_wang, owned_by_li}
    assert await seen(head_of_south) == {shared, at_wang, owned_by_li}
    assert await seen(admin) == {shared, at_wang, owned_by_li}
    assert (await contacts.GetContact(pb.GetContactRequest(id=shared), metadata=li.metadata)).id == shared
    with refused("NOT_FOUND", "CONTACT_NOT_FOUND"):
        await contacts.GetContact(pb.GetContactRequest(id=at_wang), metadata=li.metadata)
