"""Filters that read all texts of a large tenant: they end, and leave connections to everybody else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING, Any

import asyncpg
import grpc
import pytest
from crm.customer.v1 import accounts_pb2, contacts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_kit import scans
from crm_kit.rpc.status import reason_of
from crm_kit.service import what_is_missing

from tests.service.eventually import eventually
from tests.service.running import Running, User

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub
    from crm.resource.v1.resources_pb2_grpc import ResourceServiceAsyncStub


@pytest.fixture
async def slow_accounts(customer: Running, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Whatever reads accounts waits until it gives up."""
    monkeypatch.setattr(scans, "SCAN_SECONDS", 0.5)
    connection = await asyncpg.connect(customer.service.settings.database_url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE")
    yield
    await transaction.rollback()
    await connection.close()


class Connected:
    """A broker that is there."""

    ready = True


async def reason(call: "Awaitable[Any]") -> str:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return reason_of(refused.value)


@pytest.mark.usefixtures("slow_accounts")
async def test_scans_of_one_table_leave_room_for_others_and_end_with_a_way_out(customer: Running) -> None:
    user = await customer.user()
    accounts: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
    contacts: ContactServiceAsyncStub = ContactServiceStub(customer.channel)
    records: ResourceServiceAsyncStub = ResourceServiceStub(customer.channel)
    contains = 'display_name:"zzz"'

    def scan(at: int) -> "Awaitable[Any]":
        if at % 2:
            summary = resources_pb2.SummarizeRecordsRequest(collection="accounts", filter=contains)
            return asyncio.ensure_future(records.SummarizeRecords(summary, metadata=user.metadata))
        page = accounts_pb2.ListAccountsRequest(filter=f'NOT (kind = "PERSON" OR {contains})')
        return asyncio.ensure_future(accounts.ListAccounts(page, metadata=user.metadata))

    calls = [scan(at) for at in range(30)]

    async def all_taken() -> bool:
        return customer.service.database.scans.locked()

    await eventually(all_taken)
    await contacts.ListContacts(contacts_pb2.ListContactsRequest(), metadata=user.metadata)
    reasons = {await reason(call) for call in calls}
    assert "INVALID_FILTER" in reasons
    assert reasons <= {"INVALID_FILTER", "RATE_LIMITED"}
    assert not customer.service.database.scans.locked()


async def test_a_service_is_ready_while_all_its_connections_are_at_work(customer: Running, user: User) -> None:
    database = customer.service.database
    async with asyncio.timeout(20):
        taken = [database.connection(user.tenant_id) for _ in range(customer.service.settings.database_pool_size)]
        for each in taken:
            await each.__aenter__()
        try:
            assert await what_is_missing(database, customer.service.tables, Connected()) == []  # type: ignore[arg-type]
        finally:
            for each in taken:
                await each.__aexit__(None, None, None)


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()
