"""From the outbox to the effect: once, in order, and never lost."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import nats
import pytest
from crm.customer.v1 import accounts_pb2, events_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm_kit.command_line import list_dead_letters, replay_dead_letters
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.database.statements import compile_statement
from crm_kit.errors import FailedPrecondition
from crm_kit.events.consumers import Event
from crm_kit.events.dead_letters import RELAY
from crm_kit.events.leases import Lease
from crm_kit.events.outbox import emit
from crm_kit.events.relay import mark_unpublished
from crm_kit.events.streams import STREAM
from crm_kit.ids import new_id
from crm_kit.plumbing import dead_letters, outbox
from crm_local.testing import Servers
from nats.aio.client import Client
from sqlalchemy import select, update

from tests.service.eventually import eventually
from tests.service.kit.listening import Listener, effects, published, tell
from tests.service.running import Running, refused

SENT_LONG_AGO = compile_statement(
    update(outbox)
    .where(outbox.c.publish_time.is_not(None))
    .values(publish_time=outbox.c.publish_time - timedelta(days=1))
)


@pytest.fixture
async def client(servers: Servers, customer: Running) -> AsyncIterator[Client]:
    """A client of a broker at which nothing of other tests is in the way.

    A new consumer is sent all that the stream has; and what was sent lately may be sent again, before what is new.
    """
    connected = await nats.connect(servers.nats_url)
    await connected.jetstream().purge_stream(STREAM)
    await customer.service.database.all(ALL_TENANTS, SENT_LONG_AGO, {})
    yield connected
    await connected.close()


@pytest.fixture
def tenant_id() -> UUID:
    return new_id()


async def test_an_event_of_a_committed_transaction_has_its_effect(
    customer: Running, client: Client, tenant_id: UUID
) -> None:
    async with Listener(customer, client, tenant_id) as listener:
        id = new_id()
        await tell(customer, tenant_id, id, 1)
        await listener.handles(1)
        assert listener.versions(id) == [1]
        assert await effects(customer, tenant_id, listener.consumers.name) == 1


async def test_a_transaction_that_fails_tells_nobody(customer: Running, tenant_id: UUID) -> None:
    with pytest.raises(FailedPrecondition):
        async with customer.unit_of_work(tenant_id) as work:
            emit(work, events_pb2.AccountCreated(), aggregate_type="account", id=new_id(), version=1)
            await work.flush()
            raise FailedPrecondition("no")
    rows = await customer.service.database.all(tenant_id, compile_statement(select(outbox)), {})
    assert not rows


async def test_events_of_one_aggregate_are_handled_in_their_order(
    customer: Running, client: Client, tenant_id: UUID
) -> None:
    ids = [new_id() for _ in range(5)]
    async with Listener(customer, client, tenant_id) as listener:
        for version in range(1, 21):
            for id in ids:
                await tell(customer, tenant_id, id, version)
        await listener.handles(100)
        for id in ids:
            assert listener.versions(id) == list(range(1, 21))


async def test_an_event_that_comes_again_has_no_second_effect(
    customer: Running, client: Client, tenant_id: UUID
) -> None:
    async with Listener(customer, client, tenant_id) as listener:
        await tell(customer, tenant_id, new_id(), 1)
        await eventually(lambda: effects(customer, tenant_id, listener.consumers.name))
        stored = await customer.service.database.all(tenant_id, compile_statement(select(outbox.c.event)), {})
        for _ in range(3):
            await listener.consumers.apply(Event.FromString(stored[0]["event"]))
        assert await effects(customer, tenant_id, listener.consumers.name) == 1


async def test_a_broker_that_lost_its_memory_is_filled_again_and_nothing_is_doubled(
    customer: Running, client: Client, tenant_id: UUID
) -> None:
    async with Listener(customer, client, tenant_id) as listener:
        first, second = new_id(), new_id()
        await tell(customer, tenant_id, first, 1)
        await eventually(lambda: effects(customer, tenant_id, listener.consumers.name))
        await client.jetstream().purge_stream("CRM")
        await customer.service.database.all(ALL_TENANTS, mark_unpublished(), {"age": timedelta(hours=1)})
        await tell(customer, tenant_id, second, 1)
        await listener.handles(2)
        assert listener.versions(second) == [1]
        assert await effects(customer, tenant_id, listener.consumers.name) == 2


async def test_what_fails_again_and_again_becomes_a_dead_letter_and_is_replayed(
    customer: Running, client: Client, tenant_id: UUID, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Listener(customer, client, tenant_id) as listener:
        listener.broken.add(tenant_id)
        await tell(customer, tenant_id, new_id(), 1)
        query = compile_statement(select(dead_letters).where(dead_letters.c.consumer == listener.consumers.name))

        async def buried() -> list[object]:
            return list(await customer.service.database.all(tenant_id, query, {}))

        letters = await eventually(buried)
        assert len(listener.tried) == 3
        assert len(letters) == 1
        await list_dead_letters(customer.service)
        assert "a handler that cannot" in capsys.readouterr().out
        listener.broken.clear()
        await replay_dead_letters(customer.service, listener.consumers)
        assert await effects(customer, tenant_id, listener.consumers.name) == 1
        assert not await buried()


async def test_one_that_is_given_up_twice_is_one_dead_letter_with_the_newer_reason(
    customer: Running, client: Client, tenant_id: UUID
) -> None:
    """As after a consumer that died before it could tell the broker, or was told of it anew by `republish`."""
    listener = Listener(customer, client, tenant_id)
    listener.broken.add(tenant_id)
    letters = select(dead_letters).where(dead_letters.c.consumer == listener.consumers.name)

    async def buried() -> list[Any]:
        return list(await customer.service.database.all(tenant_id, compile_statement(letters), {}))

    id = new_id()
    async with listener:
        await tell(customer, tenant_id, id, 1)
        (first,) = await eventually(buried)
        listener.complaint = "it cannot still, and says so with \0 and \ud800"
        await client.jetstream().delete_consumer("CRM", listener.consumers.name)

    async def is_renewed() -> bool:
        return bool((await buried())[0]["create_time"] > first["create_time"])

    async with listener:
        await eventually(is_renewed)
        (second,) = await buried()
        assert second["reason"] == "ValueError: it cannot still, and says so with \\0 and \\ud800"
        # It goes on all the same.
        listener.broken.clear()
        await tell(customer, tenant_id, id, 2)
        await listener.handles(1)
        assert listener.versions(id) == [2]


async def test_nothing_that_a_consumer_stumbles_over_ends_it(
    customer: Running, client: Client, tenant_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    stumbled = asyncio.Event()

    async def stumble(_messages: object) -> None:
        stumbled.set()
        raise KeyError("a defect")

    async with Listener(customer, client, tenant_id) as listener:
        with monkeypatch.context() as patched:
            patched.setattr("crm_kit.events.consumers.chains_of", stumble)
            await tell(customer, tenant_id, new_id(), 1)
            await stumbled.wait()
        # What was fetched then comes again.
        await listener.handles(1)


async def test_an_event_that_no_broker_takes_is_a_dead_letter_and_holds_up_no_other(
    customer: Running, client: Client, tenant_id: UUID
) -> None:
    """As one that was made before the broker was configured to take less."""
    large, other_tenant_id = new_id(), new_id()
    async with Listener(customer, client, tenant_id, other_tenant_id) as listener:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("crm_kit.events.outbox.MAX_EVENT_BYTES", 10_000_000)
            async with customer.unit_of_work(tenant_id) as work:
                account = accounts_pb2.Account(id=str(large), display_name="x" * client.max_payload)
                told = events_pb2.AccountCreated(account=account)
                emit(work, told, aggregate_type="account", id=large, version=1)
        await tell(customer, tenant_id, small := new_id(), 1)
        await tell(customer, other_tenant_id, other := new_id(), 1)
        await listener.handles(2)
        assert (listener.versions(small), listener.versions(other)) == ([1], [1])
        query = compile_statement(select(dead_letters.c.reason).where(dead_letters.c.consumer == RELAY))
        (letter,) = await eventually(lambda: customer.service.database.all(tenant_id, query, {}))
        assert f"more than the broker takes (max_payload {client.max_payload})" in letter["reason"]
        await published(customer, tenant_id)
        # Tried again, it is given up again and no other way.
        await replay_dead_letters(customer.service, customer.service.consumers)
        await eventually(lambda: customer.service.database.all(tenant_id, query, {}))
        await published(customer, tenant_id)


async def test_a_record_that_no_event_can_carry_is_refused_and_not_written(
    customer: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_kit.events.outbox.MAX_EVENT_BYTES", 2000)
    user = await customer.user()
    stub: Any = AccountServiceStub(customer.channel)
    account = accounts_pb2.Account(display_name="太长", kind=accounts_pb2.Account.KIND_ORGANIZATION)
    for number in range(20):
        account.external_ids.add(source=f"source-{number}", value="x" * 100)
    with refused("INVALID_ARGUMENT", "RECORD_TOO_LARGE") as refusal:
        await stub.CreateAccount(accounts_pb2.CreateAccountRequest(account=account), metadata=user.metadata)
    assert "at most 2000 are possible" in refusal.detail
    there = await stub.ListAccounts(accounts_pb2.ListAccountsRequest(), metadata=user.metadata)
    assert not there.accounts


async def test_what_was_sent_lately_is_sent_again_when_the_broker_comes_back(
    customer: Running, servers: Servers, client: Client, tenant_id: UUID
) -> None:
    """It may have lost its last seconds, and no hand is needed; what it has not lost has no second effect."""
    query = compile_statement(select(outbox.c.publish_time))

    async def publish_time() -> Any:
        return (await customer.service.database.all(tenant_id, query, {}))[0]["publish_time"]

    async with Listener(customer, client, tenant_id) as listener:
        await tell(customer, tenant_id, new_id(), 1)
        await listener.handles(1)
        await published(customer, tenant_id)
        before = await publish_time()
        servers.kill("nats")
        await servers.ready("nats")

        async def is_sent_again() -> bool:
            now = await publish_time()
            return bool(now is not None and now > before)

        await eventually(is_sent_again)
        await tell(customer, tenant_id, new_id(), 1)
        await listener.handles(2)
        assert await effects(customer, tenant_id, listener.consumers.name) == 2


async def test_one_bad_event_does_not_stop_the_others(customer: Running, client: Client, tenant_id: UUID) -> None:
    async with Listener(customer, client, tenant_id) as listener:
        await client.jetstream().publish(f"crm.events.customer.AccountCreated.{tenant_id}", b"\xff\xff not an event")
        await tell(customer, tenant_id, new_id(), 1)
        await eventually(lambda: effects(customer, tenant_id, listener.consumers.name))


async def test_only_one_holds_a_lease_until_it_lets_go(customer: Running) -> None:
    database = customer.service.database
    name = f"test-{new_id().hex}"
    one, other = Lease(database, name), Lease(database, name)
    assert await one.hold()
    assert not await other.hold()
    assert await one.hold()
    await one.release()
    assert await other.hold()
    assert not await one.hold()
    # Who let go once may have it again, and for as long as before.
    await other.release()
    assert await one.hold()
    assert not await other.hold()


async def test_a_lease_that_is_not_renewed_is_taken_over(customer: Running) -> None:
    database = customer.service.database
    name = f"test-{new_id().hex}"
    assert await Lease(database, name, seconds=0).hold()
    assert await Lease(database, name).hold()
