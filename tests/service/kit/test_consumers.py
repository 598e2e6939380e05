"""Many events together, some of which fail: each has its effect once, in order, and only its own aggregate waits."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import nats
import pytest
from crm_kit.database.statements import compile_statement
from crm_kit.errors import Unavailable
from crm_kit.events.streams import STREAM
from crm_kit.ids import new_id
from crm_kit.plumbing import changes, dead_letters, inbox
from crm_local.testing import Servers
from nats.aio.client import Client
from sqlalchemy import delete, func, literal_column, select

from tests.service.eventually import eventually
from tests.service.kit.listening import Listener, effects, published, tell
from tests.service.running import Running

HOUR = 3600.0
EVENTS = 60


@pytest.fixture
async def client(servers: Servers) -> AsyncIterator[Client]:
    connected = await nats.connect(servers.nats_url)
    # Nothing of other tests is in the way of counting.
    await connected.jetstream().purge_stream(STREAM)
    yield connected
    await connected.close()


@pytest.fixture
def tenant_id() -> UUID:
    return new_id()


async def backlog(customer: Running, tenant_id: UUID, *versions: int, aggregates: int = EVENTS) -> list[UUID]:
    """Events of these versions of so many aggregates, all at the broker."""
    ids = [new_id() for _ in range(aggregates)]
    for id in ids:
        await tell(customer, tenant_id, id, *versions)
    await published(customer, tenant_id)
    return ids


async def test_projections_of_many_events_share_transactions(
    customer: Running, client: Client, tenant_id: UUID
) -> None:
    await backlog(customer, tenant_id, 1)
    async with Listener(customer, client, tenant_id, projected=True) as listener:
        await listener.handles(EVENTS)
    transactions = select(func.count(func.distinct(literal_column("xmin::text")))).where(
        changes.c.resource_type == listener.consumers.name
    )
    rows = await customer.service.database.all(tenant_id, compile_statement(transactions), {})
    assert await effects(customer, tenant_id, listener.consumers.name) == EVENTS
    assert rows[0][0] < EVENTS / 4


@pytest.mark.parametrize("projected", [True, False])
async def test_events_of_an_aggregate_keep_their_order_however_many_come_at_once(
    customer: Running, client: Client, tenant_id: UUID, projected: bool
) -> None:
    ids = await backlog(customer, tenant_id, *range(1, 9), aggregates=8)
    async with Listener(customer, client, tenant_id, projected=projected) as listener:
        await listener.handles(64)
    for id in ids:
        assert listener.versions(id) == list(range(1, 9))


async def test_events_that_come_again_among_new_ones_have_no_second_effect(
    customer: Running, client: Client, tenant_id: UUID
) -> None:
    await backlog(customer, tenant_id, 1)
    listener = Listener(customer, client, tenant_id, projected=True)
    async with listener:
        await listener.handles(EVENTS)
    # Some are forgotten here, all are sent again.
    some = select(changes.c.resource_id).where(changes.c.resource_type == listener.consumers.name).limit(10)
    forgotten = await customer.service.database.all(
        tenant_id,
        compile_statement(delete(changes).where(changes.c.resource_id.in_(some)).returning(changes.c.action)),
        {},
    )
    await forget(customer, tenant_id, listener.consumers.name, [UUID(row["action"]) for row in forgotten])
    await client.jetstream().delete_consumer(STREAM, listener.consumers.name)
    async with listener:
        await listener.handles(EVENTS + 10)
    assert await effects(customer, tenant_id, listener.consumers.name) == EVENTS


async def forget(customer: Running, tenant_id: UUID, name: str, event_ids: Sequence[UUID]) -> None:
    forgetting = delete(inbox).where(inbox.c.event_id.in_(event_ids), inbox.c.consumer == name)
    await customer.service.database.all(tenant_id, compile_statement(forgetting), {})


async def test_one_that_fails_among_many_becomes_a_dead_letter_alone(
    customer: Running, client: Client, tenant_id: UUID
) -> None:
    ids = await backlog(customer, tenant_id, 1)
    async with Listener(customer, client, tenant_id, projected=True) as listener:
        listener.broken.add(ids[17])
        await listener.handles(EVENTS - 1)
        query = compile_statement(select(dead_letters).where(dead_letters.c.consumer == listener.consumers.name))
        letters = await eventually(lambda: customer.service.database.all(tenant_id, query, {}))
        assert len(letters) == 1
        assert await effects(customer, tenant_id, listener.consumers.name) == EVENTS - 1
        assert listener.versions(ids[17]) == []


@pytest.mark.parametrize("projected", [True, False])
async def test_events_of_an_aggregate_wait_behind_one_that_fails_and_others_do_not(
    customer: Running, client: Client, tenant_id: UUID, projected: bool
) -> None:
    waits = (0.1,) * 100
    async with Listener(customer, client, tenant_id, projected=projected, backoff_seconds=waits) as listener:
        bad, good = new_id(), new_id()
        listener.broken.add(bad)
        await tell(customer, tenant_id, bad, 1, 2)
        await tell(customer, tenant_id, good, 1, 2)
        await listener.handles(2)
        assert listener.versions(good) == [1, 2]
        # One that comes later waits too.
        await tell(customer, tenant_id, bad, 3)
        tried = len(listener.tried)

        async def is_tried_again() -> bool:
            return len(listener.tried) > tried

        await eventually(is_tried_again)
        assert {version for id, version in listener.tried if id == str(bad)} == {1}
        listener.broken.clear()
        await listener.handles(5)
        assert listener.versions(bad) == [1, 2, 3]


async def test_one_tenants_failing_events_do_not_keep_others_waiting(
    customer: Running, client: Client, tenant_id: UUID
) -> None:
    other_id = new_id()
    async with Listener(customer, client, tenant_id, other_id, backoff_seconds=(HOUR,)) as listener:
        listener.broken.add(tenant_id)
        # More than a consumer fetches at once, or used to have under way.
        await backlog(customer, tenant_id, 1, aggregates=250)

        async def have_all_failed() -> bool:
            return len(listener.tried) >= 250

        await eventually(have_all_failed, seconds=60)
        await tell(customer, other_id, new_id(), 1)
        await listener.handles(1)


async def test_one_tenants_events_that_hang_do_not_keep_others_waiting(
    customer: Running, client: Client, tenant_id: UUID
) -> None:
    """More of them than are handled side by side, and sent before all others."""
    other_id = new_id()
    await backlog(customer, tenant_id, 1, 2, aggregates=30)
    async with Listener(customer, client, tenant_id, other_id) as listener:
        listener.hung.add(tenant_id)

        async def hang() -> bool:
            return bool(listener.hanging)

        await eventually(hang)
        await tell(customer, other_id, other := new_id(), 1)
        await listener.handles(1)
        assert listener.versions(other) == [1]
        assert not listener.let_go.is_set()
        listener.let_go.set()
        await listener.handles(61)
    assert await effects(customer, tenant_id, listener.consumers.name) == 60
    assert {tuple(listener.versions(UUID(id))) for id, _ in listener.handled if id != str(other)} == {(1, 2)}


async def test_one_tenants_events_that_take_their_time_do_not_keep_others_waiting(
    customer: Running, client: Client, tenant_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them hangs; it is their number that would keep the others waiting for seconds."""
    monkeypatch.setattr("crm_kit.events.lanes.LONG_SECONDS", 0.2)
    other_id, other = new_id(), new_id()
    await backlog(customer, tenant_id, 1, aggregates=100)
    async with Listener(customer, client, tenant_id, other_id) as listener:
        listener.seconds[tenant_id] = 0.15
        await listener.handles(1)
        await tell(customer, other_id, other, 1)

        async def has_come() -> bool:
            return listener.versions(other) == [1]

        await eventually(has_come)
        assert len(listener.handled) < 60
        await listener.handles(101)
    assert await effects(customer, tenant_id, listener.consumers.name) == 100


async def test_an_event_that_always_takes_too_long_becomes_a_dead_letter(
    customer: Running, client: Client, tenant_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_kit.events.effects.Effects.MAX_SECONDS", 0.05)
    async with Listener(customer, client, tenant_id) as listener:
        listener.hung.add(tenant_id)
        await tell(customer, tenant_id, new_id(), 1)
        query = compile_statement(select(dead_letters).where(dead_letters.c.consumer == listener.consumers.name))
        (letter,) = await eventually(lambda: customer.service.database.all(tenant_id, query, {}))
    assert "it took longer than" in letter["reason"]


async def test_an_event_waits_for_a_database_that_does_not_answer_however_long_that_takes(
    customer: Running, client: Client, tenant_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_kit.events.effects.Effects.MAX_SECONDS", 0.05)
    monkeypatch.setattr("crm_kit.events.consumers.UNAVAILABLE_SECONDS", 0.01)
    async with Listener(customer, client, tenant_id) as listener:
        listener.hung.add(tenant_id)

        async def says_nothing(effects: object) -> None:
            raise Unavailable("the database does not answer")

        with monkeypatch.context() as patched:
            patched.setattr("crm_kit.events.effects.Effects._require_database", says_nothing)
            await tell(customer, tenant_id, id := new_id(), 1)

            async def was_tried_often() -> bool:
                return len(listener.hanging) > 8

            await eventually(was_tried_often)
            listener.hung.clear()
            await listener.handles(1)
    assert listener.versions(id) == [1]


async def test_of_many_that_fail_all_are_tried_again_until_they_can_be_handled(
    customer: Running, client: Client, tenant_id: UUID
) -> None:
    ids = await backlog(customer, tenant_id, 1)
    async with Listener(customer, client, tenant_id, backoff_seconds=(0.01,) * 50) as listener:
        listener.broken.update(ids)

        async def have_failed_twice() -> bool:
            return len(listener.tried) > 2 * EVENTS

        await eventually(have_failed_twice, seconds=30)
        listener.broken.clear()
        await listener.handles(EVENTS)
    assert await effects(customer, tenant_id, listener.consumers.name) == EVENTS


@pytest.mark.parametrize("death", ["before", "after"])
async def test_a_process_that_is_killed_among_many_events_loses_and_doubles_nothing(
    customer: Running, servers: Servers, client: Client, tenant_id: UUID, death: str
) -> None:
    """Killed by itself: before it commits, or after it has committed and before it tells the broker."""
    await backlog(customer, tenant_id, 1, 2)
    name = f"test-{new_id().hex}"

    async def run(death: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.service.kit.dying_consumer",
            servers.database_url("customer"), servers.nats_url, name, str(tenant_id), death,
            env=os.environ, stdin=PIPE,
        )  # fmt: skip

    killed = await run(death)
    assert await asyncio.wait_for(killed.wait(), 60) < 0
    assert bool(await effects(customer, tenant_id, name)) == (death == "after")
    last = await run("never")
    try:

        async def all_are_acknowledged() -> bool:
            info = await client.jetstream().consumer_info(STREAM, name)
            return bool(info.num_pending == 0 and info.num_ack_pending == 0)

        await eventually(all_are_acknowledged, seconds=60)
    finally:
        last.kill()
        await last.wait()
    assert await effects(customer, tenant_id, name) == 2 * EVENTS
    distinct = select(func.count(func.distinct(changes.c.action))).where(changes.c.resource_type == name)
    rows = await customer.service.database.all(tenant_id, compile_statement(distinct), {})
    assert rows[0][0] == 2 * EVENTS
