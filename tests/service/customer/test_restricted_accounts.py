"""Restricted accounts of the customer service: what no page tells of them, and what those do who see them."""

from typing import TYPE_CHECKING, Any

import pytest
from crm.customer.v1 import account_members_pb2, accounts_pb2, contacts_pb2
from crm.customer.v1.account_members_pb2_grpc import AccountMemberServiceStub
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.bulk_changing import Jobs
from tests.service.customer.customers import new_account, new_contact
from tests.service.proposing import Desk, Proposal
from tests.service.restricting import EVERYBODY
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub

Account = accounts_pb2.Account


@pytest.fixture
async def owner(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
async def outsider(customer: Running, owner: User) -> User:
    """Who may do everything, but for reading restricted accounts."""
    return await customer.user(owner.tenant_id, grants=EVERYBODY)


@pytest.fixture
def accounts(customer: Running) -> "AccountServiceAsyncStub":
    return AccountServiceStub(customer.channel)


async def restricted(customer: Running, owner: User, **fields: Any) -> Account:
    account = await new_account(customer, owner, **fields)
    stub: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
    request = accounts_pb2.RestrictAccountRequest(id=account.id, reason="price negotiation")
    return await stub.RestrictAccount(request, metadata=owner.metadata)


async def join(customer: Running, owner: User, account: Account, user: User) -> None:
    """Take somebody into the team of an account, to read it."""
    member = account_members_pb2.AccountMember(
        account_id=account.id,
        user_id=str(user.id),
        role=account_members_pb2.AccountMember.ROLE_TECHNICAL,
        access=account_members_pb2.AccountMember.ACCESS_READ,
    )
    request = account_members_pb2.CreateAccountMemberRequest(account_member=member)
    stub: Any = AccountMemberServiceStub(customer.channel)
    await stub.CreateAccountMember(request, metadata=owner.metadata)


async def test_no_page_of_a_search_goes_on_because_of_contacts_that_are_closed(
    customer: Running, owner: User, outsider: User
) -> None:
    closed, other = await restricted(customer, owner), await new_account(customer, owner)
    shown = await new_contact(customer, owner, other.id, display_name="Zebra")
    for _ in range(3):
        await new_contact(customer, owner, closed.id, display_name="Zebra")
    stub: ContactServiceAsyncStub = ContactServiceStub(customer.channel)
    request = contacts_pb2.SearchContactsRequest(query="zebra", page_size=1)
    found = await stub.SearchContacts(request, metadata=outsider.metadata)
    assert [each.id for each in found.contacts] == [shown.id]
    assert found.next_page_token == ""
    assert len((await stub.SearchContacts(request, metadata=owner.metadata)).next_page_token) > 0


async def test_an_account_is_not_found_by_who_is_at_a_restricted_one_as_well(
    customer: Running, owner: User, outsider: User, accounts: "AccountServiceAsyncStub"
) -> None:
    closed, other = await restricted(customer, owner), await new_account(customer, owner)
    await new_contact(customer, owner, closed.id, other.id, display_name="Zebra")
    await new_contact(customer, owner, other.id, display_name="Ibex")
    for query, by, ids in (
        ("zebra", outsider, []),
        ("ibex", outsider, [other.id]),
        ("zebra", owner, [closed.id, other.id]),
    ):
        request = accounts_pb2.SearchAccountsRequest(query=query)
        found = await accounts.SearchAccounts(request, metadata=by.metadata)
        assert sorted(each.id for each in found.accounts) == sorted(ids), query


async def test_who_changes_nothing_of_a_restricted_account_has_read_it(
    customer: Running, owner: User, accounts: "AccountServiceAsyncStub"
) -> None:
    account = await restricted(customer, owner, industry="power")
    same = accounts_pb2.Account(id=account.id, industry="power")
    request = accounts_pb2.UpdateAccountRequest(account=same, update_mask=FieldMask(paths=["industry"]))
    shown = await accounts.UpdateAccount(request, metadata=owner.metadata)
    assert (shown.etag, shown.restriction_reason) == (account.etag, "price negotiation")
    asked = accounts_pb2.ListAccountReadsRequest(id=account.id)
    reads = (await accounts.ListAccountReads(asked, metadata=owner.metadata)).reads
    assert [(each.user_id, each.method) for each in reads] == [(str(owner.id), accounts_pb2.AccountRead.METHOD_GET)]


async def test_what_a_member_proposes_anew_of_a_restricted_account_takes_the_place_of_what_they_said(
    customer: Running, owner: User, outsider: User
) -> None:
    account, desk = await restricted(customer, owner), Desk(customer)
    await join(customer, owner, account, outsider)
    first = await desk.propose(outsider, account.id, {"industry": "steel"})
    await desk.propose(outsider, account.id, {"industry": "power"})
    assert (await desk.get(owner, first)).state == Proposal.STATE_SUPERSEDED


async def test_what_a_member_is_told_that_they_can_do_with_a_restricted_account_is_what_they_can(
    customer: Running, owner: User, outsider: User, accounts: "AccountServiceAsyncStub"
) -> None:
    account = await restricted(customer, owner)
    await join(customer, owner, account, outsider)
    request = resources_pb2.GetRecordActionsRequest(collection="accounts", id=account.id)
    stub: Any = ResourceServiceStub(customer.channel)
    actions = (await stub.GetRecordActions(request, metadata=outsider.metadata)).actions
    assert {each.verb for each in actions if each.allowed} == set()
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await accounts.ArchiveAccount(accounts_pb2.ArchiveAccountRequest(id=account.id), metadata=outsider.metadata)


async def test_what_a_job_of_others_made_of_a_restricted_account_is_not_told(
    customer: Running, owner: User, outsider: User
) -> None:
    closed, other = await restricted(customer, owner), await new_account(customer, owner)
    jobs = Jobs(customer)
    job = await jobs.ended(owner, await jobs.begin(owner, "", 2, industry="power"))
    for by, ids in ((owner, [closed.id, other.id]), (outsider, ["", other.id])):
        results = await jobs.results(by, job)
        assert [each.record_id for each in results] == ids
        assert [bool(each.record_etag) for each in results] == [bool(id) for id in ids]
