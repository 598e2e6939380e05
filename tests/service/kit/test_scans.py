"""Reads of a large tenant: those of all texts end, and all of them leave connections to everybody else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING, Any

import asyncpg
import grpc
import pytest
from crm.customer.v1 import accounts_pb2, users_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_kit import scans
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.readiness import what_is_missing
from crm_kit.rpc.status import reason_of

from tests.service.eventually import eventually
from tests.service.running import Running

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.users_pb2_grpc import UserServiceAsyncStub
    from crm.resource.v1.resources_pb2_grpc import ResourceServiceAsyncStub


@pytest.fixture
async def slow_accounts(customer: Running, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncpg.Connection]:
    """Whatever reads accounts waits until it gives up, behind this connection."""
    monkeypatch.setattr(scans, "WAIT_SECONDS", 1.0)
    monkeypatch.setattr(scans, "SCAN_SECONDS", 3.0)
    connection = await asyncpg.connect(customer.service.settings.database_url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE")
    yield connection
    await transaction.rollback()
    await connection.close()


class Connected:
    """A broker that is there."""

    ready = True


async def reason(call: "Awaitable[Any]") -> str:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return reason_of(refused.value)


async def test_scans_of_one_tenant_leave_room_for_others_and_end_with_a_way_out(
    customer: Running, slow_accounts: asyncpg.Connection
) -> None:
    user, other = await customer.user(), await customer.user()
    accounts: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
    users: UserServiceAsyncStub = UserServiceStub(customer.channel)
    records: ResourceServiceAsyncStub = ResourceServiceStub(customer.channel)
    contains = 'display_name:"zzz"'

    def scan(at: int) -> "Awaitable[Any]":
        if at % 2:
            summary = resources_pb2.SummarizeRecordsRequest(collection="accounts", filter=contains)
            return asyncio.ensure_future(records.SummarizeRecords(summary, metadata=user.metadata))
        page = accounts_pb2.ListAccountsRequest(filter=f'NOT (kind = "PERSON" OR {contains})')
        return asyncio.ensure_future(accounts.ListAccounts(page, metadata=user.metadata))

    calls = [scan(at) for at in range(30)]

    async def several_read() -> bool:
        waiting = "SELECT count(*) > 1 FROM pg_locks WHERE NOT granted AND relation = 'accounts'::regclass"
        return bool(await slow_accounts.fetchval(waiting))

    await eventually(several_read)
    # Whoever knows what to look for, and whoever is of another tenant.
    await users.ListUsers(users_pb2.ListUsersRequest(), metadata=user.metadata)
    scanned = users_pb2.ListUsersRequest(filter=contains)
    await users.ListUsers(scanned, metadata=other.metadata)
    reasons = {await reason(call) for call in calls}
    assert "INVALID_FILTER" in reasons
    assert reasons <= {"INVALID_FILTER", "RATE_LIMITED"}
    # Their places are free again.
    await users.ListUsers(scanned, metadata=user.metadata)


async def test_requests_of_one_tenant_leave_connections_for_others(
    customer: Running, slow_accounts: asyncpg.Connection
) -> None:
    user, other = await customer.user(), await customer.user()
    accounts: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
    users: UserServiceAsyncStub = UserServiceStub(customer.channel)
    page = accounts_pb2.ListAccountsRequest()
    calls = [asyncio.ensure_future(accounts.ListAccounts(page, metadata=user.metadata)) for _ in range(30)]

    async def as_many_as_can_read() -> bool:
        waiting = "SELECT count(*) > 7 FROM pg_locks WHERE NOT granted AND relation = 'accounts'::regclass"
        return bool(await slow_accounts.fetchval(waiting))

    await eventually(as_many_as_can_read)
    await users.ListUsers(users_pb2.ListUsersRequest(), metadata=other.metadata)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def test_a_service_is_ready_while_all_its_connections_are_at_work(customer: Running) -> None:
    database = customer.service.database
    async with asyncio.timeout(20):
        taken = [database.connection(ALL_TENANTS) for _ in range(customer.service.settings.database_pool_size)]
        for each in taken:
            await each.__aenter__()
        try:
            assert await what_is_missing(database, customer.service.tables, Connected()) == []  # type: ignore[arg-type]
        finally:
            for each in taken:
                await each.__aexit__(None, None, None)
