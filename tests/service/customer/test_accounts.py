"""Accounts through their contract."""

from uuid import UUID

import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub

from tests.service.running import Running, User, refused

HUAXIN = pb.Account(
    kind=pb.Account.KIND_ORGANIZATION, display_name="华信电力有限公司", phone_numbers=["+8675586661234"]
)


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
def accounts(customer: Running) -> "AccountServiceStub":
    return AccountServiceStub(customer.channel)


async def create(
    accounts: AccountServiceStub, user: User, account: pb.Account = HUAXIN, **fields: object
) -> pb.Account:
    wanted = pb.Account()
    wanted.CopyFrom(account)
    wanted.MergeFrom(pb.Account(**fields))
    return await accounts.CreateAccount(pb.CreateAccountRequest(account=wanted), metadata=user.metadata)


async def test_a_created_account_is_read_back_as_it_was_answered(accounts, user):
    created = await create(accounts, user, tags=["vip"], external_ids=[pb.ExternalId(source="sap", value="4711")])
    assert UUID(created.id).version == 7
    assert created.status == pb.Account.STATUS_POTENTIAL
    assert created.owner_id == str(user.id)
    assert await accounts.GetAccount(pb.GetAccountRequest(id=created.id), metadata=user.metadata) == created


async def test_an_account_of_another_tenant_is_not_found(accounts, user, customer):
    created = await create(accounts, user)
    stranger = await customer.user()
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await accounts.GetAccount(pb.GetAccountRequest(id=created.id), metadata=stranger.metadata)


async def test_without_a_token_nothing_is_answered(accounts):
    with refused("UNAUTHENTICATED", "UNAUTHENTICATED"):
        await accounts.GetAccount(pb.GetAccountRequest(id="x"))
