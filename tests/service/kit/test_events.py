"""From the outbox to the effect: once, in order, and never lost."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import nats
import pytest
from crm.customer.v1 import accounts_pb2, events_pb2
from crm_kit.command_line import list_dead_letters, replay_dead_letters
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.database.statements import compile_statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import FailedPrecondition
from crm_kit.events.consumers import Consumers, Event
from crm_kit.events.leases import Lease
from crm_kit.events.outbox import emit
from crm_kit.events.relay import mark_unpublished
from crm_kit.ids import new_id
from crm_kit.plumbing import changes, dead_letters, outbox
from crm_local.testing import Servers
from nats.aio.client import Client
from sqlalchemy import func, select

from tests.service.eventually import eventually
from tests.service.running import Running


@pytest.fixture
async def client(servers: Servers) -> AsyncIterator[Client]:
    connected = await nats.connect(servers.nats_url)
    yield connected
    await connected.close()


@pytest.fixture
def tenant_id() -> UUID:
    return new_id()


class Listener:
    """A consumer under test: it keeps what it handled, and fails for as long as it is told to."""

    def __init__(self, customer: Running, client: Client, tenant_id: UUID) -> None:
        service = customer.service
        self.consumers = Consumers(
            f"test-{new_id().hex}", service.database, service.clock, backoff_seconds=(0.01, 0.01)
        )
        self.consumers.on(events_pb2.AccountCreated, self._handle)
        self.handled: list[tuple[str, int]] = []
        self.tried = 0
        self.broken = False
        self._client = client
        self._tenant_id = tenant_id

    async def _handle(self, work: UnitOfWork, event: Event, _payload: events_pb2.AccountCreated) -> None:
        if work.tenant_id != self._tenant_id:
            # A new consumer is given the whole past of the stream.
            return
        self.tried += 1
        if self.broken:
            raise ValueError("a handler that cannot")
        # The effect is a row, so that the tests see what was committed and not what was tried.
        row = {"resource_type": self.consumers.name, "resource_id": UUID(event.id), "version": 1}
        row |= {"change_time": work.now, "actor_id": work.actor.user_id, "action": "SEEN", "fields": []}
        work.insert(changes, row)
        self.handled.append((event.aggregate_id, event.aggregate_version))

    async def __aenter__(self) -> "Listener":
        self._task = asyncio.create_task(self.consumers.run(self._client))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def tell(customer: Running, tenant_id: UUID, id: UUID, *versions: int) -> None:
    """Commit one event of the aggregate for each version."""
    async with customer.unit_of_work(tenant_id) as work:
        for version in versions:
            payload = events_pb2.AccountCreated(account=accounts_pb2.Account(id=str(id)))
            emit(work, payload, aggregate_type="account", id=id, version=version)


async def effects(customer: Running, tenant_id: UUID, listener: Listener) -> int:
    counting = select(func.count()).where(changes.c.resource_type == listener.consumers.name)
    rows = await customer.service.database.all(tenant_id, compile_statement(counting), {})
    return int(rows[0][0])


async def test_an_event_of_a_committed_transaction_has_its_effect(
    customer: Running, client: Client, tenant_id: UUID
) -> None:
    async with Listener(customer, client, tenant_id) as listener:
        id = new_id()
        await tell(customer, tenant_id, id, 1)
        await eventually(lambda: effects(customer, tenant_id, listener))
        assert listener.handled == [(str(id), 1)]


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

        async def all_done() -> bool:
            return len(listener.handled) >= 100

        await eventually(all_done)
        for id in ids:
            assert [version for seen, version in listener.handled if seen == str(id)] == list(range(1, 21))


async def test_an_event_that_comes_again_has_no_second_effect(
    customer: Running, client: Client, tenant_id: UUID
) -> None:
    async with Listener(customer, client, tenant_id) as listener:
        await tell(customer, tenant_id, new_id(), 1)
        await eventually(lambda: effects(customer, tenant_id, listener))
        stored = await customer.service.database.all(tenant_id, compile_statement(select(outbox.c.event)), {})
        for _ in range(3):
            await listener.consumers.apply(Event.FromString(stored[0]["event"]))
        assert await effects(customer, tenant_id, listener) == 1


async def test_a_broker_that_lost_its_memory_is_filled_again_and_nothing_is_doubled(
    customer: Running, client: Client, tenant_id: UUID
) -> None:
    async with Listener(customer, client, tenant_id) as listener:
        first, second = new_id(), new_id()
        await tell(customer, tenant_id, first, 1)
        await eventually(lambda: effects(customer, tenant_id, listener))
        await client.jetstream().purge_stream("CRM")
        await customer.service.database.all(ALL_TENANTS, mark_unpublished(), {"age": timedelta(hours=1)})
        await tell(customer, tenant_id, second, 1)

        async def second_seen() -> bool:
            return (str(second), 1) in listener.handled

        await eventually(second_seen)
        assert await effects(customer, tenant_id, listener) == 2


async def test_what_fails_again_and_again_becomes_a_dead_letter_and_is_replayed(
    customer: Running, client: Client, tenant_id: UUID, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Listener(customer, client, tenant_id) as listener:
        listener.broken = True
        await tell(customer, tenant_id, new_id(), 1)
        query = compile_statement(select(dead_letters).where(dead_letters.c.consumer == listener.consumers.name))

        async def buried() -> list[object]:
            return list(await customer.service.database.all(tenant_id, query, {}))

        letters = await eventually(buried)
        assert listener.tried == 3
        assert len(letters) == 1
        await list_dead_letters(customer.service)
        assert "a handler that cannot" in capsys.readouterr().out
        listener.broken = False
        await replay_dead_letters(customer.service, listener.consumers)
        assert await effects(customer, tenant_id, listener) == 1
        assert not await buried()


async def test_one_bad_event_does_not_stop_the_others(customer: Running, client: Client, tenant_id: UUID) -> None:
    async with Listener(customer, client, tenant_id) as listener:
        await client.jetstream().publish("crm.events.customer.AccountCreated", b"\xff\xff not an event")
        await tell(customer, tenant_id, new_id(), 1)
        await eventually(lambda: effects(customer, tenant_id, listener))


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


async def test_a_lease_that_is_not_renewed_is_taken_over(customer: Running) -> None:
    database = customer.service.database
    name = f"test-{new_id().hex}"
    assert await Lease(database, name, seconds=0).hold()
    assert await Lease(database, name).hold()
