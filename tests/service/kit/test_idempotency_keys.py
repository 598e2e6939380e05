"""Whom an idempotency key belongs to, and what it is kept for."""

from typing import Any

from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm_kit.ids import new_id

from tests.service.running import Running, refused


async def test_the_key_of_a_refused_request_is_free_and_no_other_users(customer: Running) -> None:
    accounts, user = AccountServiceStub(customer.channel), await customer.user()

    def request(**fields: Any) -> pb.CreateAccountRequest:
        return pb.CreateAccountRequest(
            account=pb.Account(kind=pb.Account.KIND_ORGANIZATION, display_name="A", **fields)
        )

    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await accounts.CreateAccount(request(parent_id=str(new_id())), metadata=user.with_key("k"))
    made = await accounts.CreateAccount(request(), metadata=user.with_key("k"))
    other = await customer.user(user.tenant_id)
    assert (await accounts.CreateAccount(request(), metadata=other.with_key("k"))).id != made.id
    assert await accounts.CreateAccount(request(), metadata=user.with_key("k")) == made
