"""A service that is told to stop finishes what it has begun, and takes nothing new."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import grpc
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm_customer.app import build
from crm_customer.settings import CustomerSettings
from crm_kit.database.locks import advisory_lock
from crm_kit.ids import new_id
from crm_kit.rpc.channels import ServiceChannel
from crm_kit.service import running as service_running
from crm_kit.settings import read_settings
from crm_local.port_check import free_ports
from crm_local.testing import Servers
from google.protobuf.field_mask_pb2 import FieldMask
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.service.eventually import eventually
from tests.service.running import Running, Tokens, User, environment

CREATE = "/crm.customer.v1.AccountService/CreateAccount"
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def replica(servers: Servers, tokens: Tokens, customer: Running) -> AsyncIterator[tuple[asyncio.Event, str]]:
    """A second replica, its address, and the event that tells it to stop."""
    with environment(servers.environment("customer")):
        settings = read_settings(CustomerSettings)
    settings.listen_address, settings.drain_seconds = f"127.0.0.1:{free_ports().customer}", 20
    stopping, started = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with service_running(build(settings), tokens.keys) as ready:
            await ready.wait()
            started.set()
            await stopping.wait()

    life = asyncio.create_task(live())
    await started.wait()
    yield stopping, settings.listen_address
    stopping.set()
    await life


async def test_a_call_under_way_is_answered_and_a_new_one_is_not_taken(
    replica: tuple[asyncio.Event, str], customer: Running
) -> None:
    stopping, address = replica
    user = await customer.user()
    wanted = pb.Account(kind=pb.Account.KIND_PERSON, display_name="before")
    created = await AccountServiceStub(customer.channel).CreateAccount(
        pb.CreateAccountRequest(account=wanted), metadata=user.metadata
    )
    renamed = pb.UpdateAccountRequest(
        account=pb.Account(id=created.id, display_name="after"), update_mask=FieldMask(paths=["display_name"])
    )
    async with grpc.aio.insecure_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel)

        async def leaving() -> bool:
            with contextlib.suppress(grpc.aio.AioRpcError):
                answer = await health.Check(health_pb2.HealthCheckRequest(service=""))
                return bool(answer.status == NOT_SERVING)
            return True

        async with customer.unit_of_work(user.tenant_id) as work:
            # Who renames an account waits for this lock.
            await advisory_lock(work, f"account_search {created.id}")
            call = AccountServiceStub(channel).UpdateAccount(renamed, metadata=user.metadata)
            waiting = asyncio.ensure_future(call)
            await eventually(lambda: waits_for_lock(customer))
            stopping.set()
            await eventually(leaving)
            assert not waiting.done()
        answered = await waiting
        assert answered.display_name == "after"
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            request = pb.GetAccountRequest(id=created.id)
            await AccountServiceStub(channel).GetAccount(request, metadata=user.metadata)
        assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_writers_over_links_lose_nothing_when_a_replica_leaves_and_each_write_is_there_once(
    replica: tuple[asyncio.Event, str], customer: Running
) -> None:
    stopping, address = replica
    user = await customer.user()
    channel = ServiceChannel(f"ipv4:{customer.service.settings.listen_address},{address}")
    acknowledged: list[str] = []
    enough = asyncio.Event()

    async def write(writer: int) -> None:
        while not enough.is_set():
            name = f"{writer} {len(acknowledged)} {new_id()}"
            wanted = pb.Account(kind=pb.Account.KIND_PERSON, display_name=name)
            data = pb.CreateAccountRequest(account=wanted).SerializeToString()
            reply = await channel.call(CREATE, data, metadata=dict(user.metadata), seconds=30)
            acknowledged.append(pb.Account.FromString(reply.data).display_name)

    async def written(more: int) -> None:
        wanted = len(acknowledged) + more

        async def so() -> bool:
            return len(acknowledged) >= wanted

        await eventually(so, seconds=60)

    async with asyncio.TaskGroup() as writers:
        for writer in range(6):
            writers.create_task(write(writer))
        await written(20)
        assert len(channel._open) == 2
        stopping.set()
        await eventually(lambda: one_is_left(channel))
        await written(20)
        enough.set()
    await channel.close()
    assert sorted(await names_of_accounts(customer, user)) == sorted(acknowledged)


async def names_of_accounts(customer: Running, user: User) -> list[str]:
    stub, names, token = AccountServiceStub(customer.channel), list[str](), ""
    while True:
        page = await stub.ListAccounts(pb.ListAccountsRequest(page_size=200, page_token=token), metadata=user.metadata)
        names += [account.display_name for account in page.accounts]
        if not (token := page.next_page_token):
            return names


async def one_is_left(channel: ServiceChannel) -> bool:
    return len(channel._open) == 1


async def waits_for_lock(customer: Running) -> bool:
    """Whether some session waits for an advisory lock."""
    connection = await asyncpg.connect(customer.service.settings.database_url)
    try:
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return bool(await connection.fetchval(query))
    finally:
        await connection.close()
