"""How streams of events go on: behind what their reader knows, behind a gateway that left, a broker that was away."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import pytest
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm_gateway.streams import catching_up, inbox, viewers
from crm_gateway.streams.told import Told
from crm_local.testing import Servers

from tests.service.customer.companies import Company, open_company
from tests.service.customer.customers import new_account, renamed
from tests.service.eventually import eventually
from tests.service.running import Running
from tests.service.streaming import Listening, listening, reading

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub

# What was committed before a stream opens may come to it late; so most choose what only happens afterwards.
UPDATED = "account.updated"


@pytest.fixture(scope="module")
async def gateway(servers: Servers, customer: Running) -> AsyncIterator[Listening]:
    async with listening(servers, customer) as started:
        yield started


@pytest.fixture
def accounts(customer: Running) -> "AccountServiceAsyncStub":
    return AccountServiceStub(customer.channel)


async def test_a_reader_who_comes_back_is_told_what_they_missed_and_nothing_twice(
    gateway: Listening, company: Company, accounts: "AccountServiceAsyncStub", customer: Running, servers: Servers
) -> None:
    account = await new_account(customer, company.admin)
    async with reading(gateway, company.admin, types=UPDATED) as stream:
        await stream.until("ready")
        await renamed(accounts, company.admin, account.id, "2")
        await stream.told(1)
    for name in ("3", "4"):
        await renamed(accounts, company.admin, account.id, name)
    await new_account(customer, (await open_company(customer)).admin)
    # Another gateway, as after a restart.
    async with (
        listening(servers, customer) as other,
        reading(other, company.admin, last_id=stream.last_id, types=UPDATED) as again,
        reading(gateway, company.admin, last_event_id=stream.last_id, types=UPDATED) as by_parameter,
    ):
        for each in (again, by_parameter):
            missed = await each.until("ready")
            assert [one.data["version"] for one in missed[:-1]] == [3, 4]
        await renamed(accounts, company.admin, account.id, "5")
        for each in (again, by_parameter):
            assert [one.data["version"] for one in await each.told(1)] == [5]


async def test_a_gateway_that_leaves_ends_its_streams_and_nothing_is_lost(
    servers: Servers, company: Company, accounts: "AccountServiceAsyncStub", customer: Running
) -> None:
    account = await new_account(customer, company.admin)
    async with (
        listening(servers, customer) as leaving,
        listening(servers, customer) as staying,
        reading(leaving, company.admin, types=UPDATED) as stream,
    ):
        await stream.until("ready")
        await leaving.leaves()
        assert await stream.ends() == []
        await renamed(accounts, company.admin, account.id, "2")
        async with reading(staying, company.admin, last_id=stream.last_id, types=UPDATED) as again:
            assert [each.brief for each in await again.told(1)] == [("account.updated", account.id, 2)]


@pytest.mark.parametrize("id", ["nonsense", "1-00000000", "fffffffffffffff-00000000"])
async def test_an_id_that_the_broker_cannot_go_on_from_is_reset_and_goes_on(
    gateway: Listening, company: Company, customer: Running, id: str
) -> None:
    async with reading(gateway, company.admin, last_id=id, collections="accounts") as stream:
        reset, ready = await stream.until("ready")
        assert (reset.name, reset.data, ready.name) == ("reset", {"reason": "TOO_OLD"}, "ready")
        account = await new_account(customer, company.admin)
        assert [each.data["record_id"] for each in await stream.told(1)] == [account.id]


async def test_who_has_missed_too_much_reads_records_anew(
    gateway: Listening,
    company: Company,
    accounts: "AccountServiceAsyncStub",
    customer: Running,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = await new_account(customer, company.admin)
    async with reading(gateway, company.admin) as stream:
        await stream.until("ready")
    for name in ("2", "3"):
        await renamed(accounts, company.admin, account.id, name)
    monkeypatch.setattr(catching_up, "MAX_MISSED", 1)
    async with reading(gateway, company.admin, last_id=stream.last_id) as again:
        assert [each.name for each in await again.until("ready")] == ["reset", "ready"]


async def test_what_other_tenants_do_meanwhile_is_not_missed(
    gateway: Listening,
    company: Company,
    accounts: "AccountServiceAsyncStub",
    customer: Running,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However much it is, and although the gateway has followed the broker up to one of their events."""
    account = await new_account(customer, company.admin)
    stranger = (await open_company(customer)).admin
    created = "account.created"
    async with reading(gateway, stranger, types=created) as theirs, reading(gateway, company.admin) as stream:
        for each in (theirs, stream):
            await each.until("ready")
        await renamed(accounts, company.admin, account.id, "2")
        await stream.until(UPDATED)
        await renamed(accounts, company.admin, account.id, "3")
        for _ in range(6):
            await new_account(customer, stranger)
        await theirs.told(6)
        monkeypatch.setattr(catching_up, "MAX_MISSED", 3)
        async with reading(gateway, company.admin, last_id=stream.last_id, types=UPDATED) as again:
            missed = await again.until("ready")
            assert [(each.name, each.data.get("version")) for each in missed] == [(UPDATED, 3), ("ready", None)]


async def test_a_stream_goes_on_behind_a_broker_that_was_away(
    servers: Servers, company: Company, accounts: "AccountServiceAsyncStub", customer: Running
) -> None:
    account = await new_account(customer, company.admin)
    async with (
        listening(servers, customer) as gateway,
        listening(servers, customer) as later,
        reading(gateway, company.admin, types=UPDATED) as stream,
    ):
        await stream.until("ready")
        servers.kill("nats")
        await renamed(accounts, company.admin, account.id, "2")
        # Of a gateway that has not found the broker yet.
        async with reading(later, company.admin, types=UPDATED) as opened:
            assert opened.answer.status_code == 200
            await servers.ready("nats")
            assert [each.data["version"] for each in await stream.told(1)] == [2]
            await opened.until("ready")
            await renamed(accounts, company.admin, account.id, "3")
            assert [each.data["version"] for each in await stream.told(1)] == [3]
            while (await opened.told(1))[0].data["version"] != 3:
                pass


async def test_without_a_broker_a_stream_is_silent_and_all_else_is_served(
    company: Company, customer: Running, servers: Servers
) -> None:
    async with (
        listening(servers, customer, nats_url="nats://127.0.0.1:1", stream_heartbeat=0.05) as gateway,
        reading(gateway, company.admin) as stream,
        httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client,
    ):
        assert (await client.get("/health/ready")).status_code == 200
        reading_on = asyncio.create_task(stream.next())

        async def lives() -> bool:
            return stream.comments > 1

        await eventually(lives)
        assert not reading_on.done()
        reading_on.cancel()


async def test_a_slow_reader_is_cut_off_and_holds_up_nobody(
    gateway: Listening,
    company: Company,
    accounts: "AccountServiceAsyncStub",
    customer: Running,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inbox, "MAX_WAITING", 2)
    account = await new_account(customer, company.admin)
    held = asyncio.Event()
    real = viewers.Viewer.seen

    async def hold(viewer: viewers.Viewer, told: list[Told]) -> list[viewers.Seen]:
        await held.wait()
        return await real(viewer, told)

    async with reading(gateway, company.admin, types=UPDATED) as slow:
        await slow.until("ready")
        with monkeypatch.context() as patched:
            patched.setattr(viewers.Viewer, "seen", hold)
            # Two of them may be taken together before the others wait.
            for name in ("2", "3", "4", "5", "6"):
                await renamed(accounts, company.admin, account.id, name)

            async def is_behind() -> bool:
                return any(each._inbox.overflowed for each in gateway.gateway.streams._open)

            await eventually(is_behind)
        held.set()
        with pytest.raises(httpx.RemoteProtocolError):
            await slow.ends()
    async with reading(gateway, company.admin, last_id=slow.last_id) as again:
        missed = await again.until("ready")
        told = {each.data["version"] for each in missed if "." in each.name}
        assert told >= {4, 5, 6}
