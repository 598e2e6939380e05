"""The account that a lead becomes: sales says so in its own name, with the rights of the user who converts."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm_customer.settings import CustomerSettings
from crm_kit.identity.access import Scope
from crm_kit.identity.services import ServiceIdentity
from crm_kit.ids import new_id

from tests.service.customer.customers import new_account
from tests.service.running import Running, User, refused

PATH = "/crm.customer.v1.AccountService/CreateAccountFromLead"
FromLead = Callable[..., Awaitable[pb.Account]]


def as_service(customer: Running, name: str, tenant_id: UUID) -> tuple[tuple[str, str], ...]:
    settings = customer.service.settings
    assert isinstance(settings, CustomerSettings)
    identity = ServiceIdentity(name, settings.sales_key.encode())
    return (("authorization", identity.authorization(PATH, tenant_id)),)


def asked(by: User, lead_id: UUID, **fields: Any) -> pb.CreateAccountFromLeadRequest:
    values: dict[str, Any] = {"kind": pb.Account.KIND_ORGANIZATION, "display_name": "华信电力有限公司"} | fields
    return pb.CreateAccountFromLeadRequest(account=pb.Account(**values), lead_id=str(lead_id), user_id=str(by.id))


@pytest.fixture
def from_lead(customer: Running) -> FromLead:
    """Creates the account of a lead, as the sales service does for a user."""

    async def create(by: User, lead_id: UUID, **fields: Any) -> pb.Account:
        request = asked(by, lead_id, **fields)
        metadata = as_service(customer, "sales", by.tenant_id)
        return await AccountServiceStub(customer.channel).CreateAccountFromLead(request, metadata=metadata)

    return create


async def test_a_lead_becomes_one_account_however_often_and_by_whomever(customer: Running, from_lead: FromLead) -> None:
    user = await customer.user()
    other, lead_id = await customer.user(user.tenant_id), new_id()
    several = await asyncio.gather(*(from_lead(user, lead_id) for _ in range(5)))
    assert {each.id for each in several} == {(await from_lead(other, lead_id, display_name="华信电力 有限公司")).id}
    assert (several[0].owner_id, list(several[0].external_ids)) == (str(user.id), [])
    page = await AccountServiceStub(customer.channel).ListAccounts(pb.ListAccountsRequest(), metadata=user.metadata)
    assert [each.id for each in page.accounts] == [several[0].id]
    assert (await from_lead(user, new_id())).id != several[0].id


async def test_a_lead_that_was_corrected_becomes_the_account_that_it_is_called_by_now(
    customer: Running, from_lead: FromLead
) -> None:
    user, lead_id = await customer.user(), new_id()
    wrong = await from_lead(user, lead_id, display_name="Foo Wrong")
    several = await asyncio.gather(*(from_lead(user, lead_id, display_name="Bar Right") for _ in range(5)))
    assert {each.display_name for each in several} == {"Bar Right"}
    (right_id,) = {each.id for each in several}
    assert right_id != wrong.id
    # An account that was renamed is that of the lead all the same, which is called as it was.
    renamed = pb.Account(id=right_id, display_name="Bar Right Ltd")
    stub = AccountServiceStub(customer.channel)
    await stub.UpdateAccount(pb.UpdateAccountRequest(account=renamed), metadata=user.metadata)
    again = await from_lead(user, lead_id, display_name="Bar Right")
    assert (again.id, again.display_name) == (right_id, "Bar Right Ltd")


async def test_nobody_but_the_sales_service_says_which_account_is_that_of_a_lead(
    customer: Running, from_lead: FromLead
) -> None:
    user, lead_id = await customer.user(), new_id()
    stub = AccountServiceStub(customer.channel)
    for metadata in (user.metadata, as_service(customer, "scoring", user.tenant_id), ()):
        with refused("UNAUTHENTICATED", "UNAUTHENTICATED"):
            await stub.CreateAccountFromLead(asked(user, lead_id), metadata=metadata)
    # An external id says what other systems call an account, and no more than that.
    mine = await new_account(customer, user, external_ids=[pb.ExternalId(source="lead", value=str(lead_id))])
    assert (await from_lead(user, lead_id)).id != mine.id


async def test_the_rights_of_who_converts_decide(customer: Running, from_lead: FromLead) -> None:
    admin = await customer.user()
    reader = await customer.user(admin.tenant_id, grants={"accounts.read": Scope.ALL})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await from_lead(reader, new_id())
    own = dict.fromkeys(("accounts.read", "accounts.write"), Scope.OWN)
    seller = await customer.user(admin.tenant_id, grants=own)
    with refused("INVALID_ARGUMENT", "ASSIGNMENT_NOT_ALLOWED"):
        await from_lead(seller, new_id(), owner_id=str(admin.id))
    lead_id = new_id()
    await from_lead(admin, lead_id)
    with refused("FAILED_PRECONDITION", "LEAD_ACCOUNT_NOT_VISIBLE"):
        await from_lead(seller, lead_id)
    await customer.change_user(seller, active=False)
    customer.service.directory.forget(seller.tenant_id)
    with refused("UNAUTHENTICATED", "UNAUTHENTICATED"):
        await from_lead(seller, new_id())
