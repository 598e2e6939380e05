"""Whoever waits for a connection, or for another service, with a connection in hand is found by every test."""

from collections.abc import Awaitable, Callable

import pytest
from crm.customer.v1 import accounts_pb2
from crm_kit.accounts import GET_ACCOUNT
from crm_kit.background import each
from crm_kit.clock import time_zone_of
from crm_kit.database.locks import advisory_lock
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import CrmError
from crm_kit.rpc.clients import ServiceClient

from tests.service.holding import Held
from tests.service.running import Running

Act = Callable[[UnitOfWork], Awaitable[object]]


async def asks_the_database(work: UnitOfWork) -> None:
    await work.database.now()


async def asks_a_service(work: UnitOfWork) -> None:
    client = ServiceClient("127.0.0.1:1")
    try:
        await client.call(GET_ACCOUNT, accounts_pb2.GetAccountRequest(), accounts_pb2.Account)
    except CrmError:
        await client.close()


@pytest.mark.parametrize("act", [asks_the_database, asks_a_service])
async def test_who_waits_with_a_connection_in_hand_is_found(
    sales: Running, nobody_waits_with_a_connection: Held, act: Act
) -> None:
    tenant_id = await sales.tenant()

    async def carry_out(*, releases: bool) -> None:
        async with sales.unit_of_work(tenant_id) as work:
            if releases:
                await time_zone_of(work)
                await work.release()
            else:
                await advisory_lock(work, "anything")
            await act(work)

    found = nobody_waits_with_a_connection.found
    await each([True], lambda releases: carry_out(releases=releases), name="test")
    assert found == []
    await each([False], lambda releases: carry_out(releases=releases), name="test")
    assert len(found) == 1
    found.clear()
