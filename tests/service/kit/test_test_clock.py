"""The test clock of a sandbox is one clock, however many replicas tell the time by it."""

from datetime import timedelta

from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm_kit.clock import system_now
from crm_local.port_check import free_ports
from crm_local.testing import Servers

from tests.service.running import Running, Tokens, User, running

DAYS = timedelta(days=8)


async def test_a_moved_test_clock_has_moved_for_every_replica(
    customer: Running, servers: Servers, tokens: Tokens
) -> None:
    address = f"127.0.0.1:{free_ports().customer}"
    async with running("customer", servers, tokens, listen_address=address) as replica:
        tenant_id = await customer.tenant(sandbox=True)
        user = await customer.user(tenant_id)
        # Each has seen the tenant as it was.
        for each in (customer, replica):
            assert await time_by(each, user) < DAYS / 2
            assert (await each.service.clock.now(tenant_id)) - system_now() < DAYS / 2
        await customer.know_tenant(tenant_id, sandbox=True, clock_offset=DAYS, version=2)
        for each in (replica, customer):
            assert await time_by(each, user) > DAYS / 2
            assert (await each.service.clock.now(tenant_id)) - system_now() > DAYS / 2


async def time_by(replica: Running, user: User) -> timedelta:
    """How far the time that a replica gives to a new record is from ours."""
    account = pb.Account(kind=pb.Account.KIND_ORGANIZATION, display_name="试用")
    request = pb.CreateAccountRequest(account=account)
    created = await AccountServiceStub(replica.channel).CreateAccount(request, metadata=user.metadata)
    return created.create_time.ToDatetime(system_now().tzinfo) - system_now()
