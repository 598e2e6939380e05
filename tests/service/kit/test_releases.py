"""Two versions of a service, of which the newer follows a type of events more, in whatever order they come and go."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import nats
import pytest
from crm.customer.v1 import events_pb2
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.database.statements import compile_statement
from crm_kit.database.tables import SYSTEM_TENANT
from crm_kit.events.streams import STREAM
from crm_kit.ids import new_id
from crm_kit.plumbing import dead_letters, followed_events
from crm_local.testing import Servers
from nats.aio.client import Client
from nats.js.errors import NotFoundError
from sqlalchemy import delete, func, select, update

from tests.service.eventually import eventually
from tests.service.kit.listening import Created, Listener, effects, published, tell
from tests.service.running import Running

Updated = events_pb2.AccountUpdated


@pytest.fixture
async def client(servers: Servers) -> AsyncIterator[Client]:
    connected = await nats.connect(servers.nats_url)
    yield connected
    await connected.close()


class Versions:
    """Replicas of a service of its own, with effects in one tenant."""

    def __init__(self, customer: Running, client: Client) -> None:
        self.customer, self.client = customer, client
        self.name, self.tenant_id = f"test-{new_id().hex}", new_id()

    def old(self) -> Listener:
        return Listener(self.customer, self.client, self.tenant_id, name=self.name)

    def new(self) -> Listener:
        return Listener(self.customer, self.client, self.tenant_id, name=self.name, follows=(Created, Updated))

    async def tell(self, payload: Any, *versions: int) -> UUID:
        """The aggregate of events that are with the broker now."""
        await tell(self.customer, self.tenant_id, id := new_id(), *versions, payload_type=payload)
        await published(self.customer, self.tenant_id)
        return id

    async def is_consuming(self) -> None:
        """Wait until a replica is sent events."""

        async def is_there() -> bool:
            with contextlib.suppress(NotFoundError):
                return bool((await self.consumer()).num_waiting)
            return False

        await eventually(is_there)

    async def consumer(self) -> Any:
        return await self.client.jetstream().consumer_info(STREAM, self.name)

    async def subjects(self) -> set[str]:
        config = (await self.consumer()).config
        return {*(config.filter_subjects or ()), *filter(None, [config.filter_subject])}

    async def has_nothing_left(self) -> bool:
        there = await self.consumer()
        return bool(there.num_pending == 0 and there.num_ack_pending == 0)

    async def has_no_dead_letter(self) -> bool:
        letters = select(func.count()).where(dead_letters.c.consumer == self.name)
        rows = await self.customer.service.database.all(ALL_TENANTS, compile_statement(letters), {})
        return bool(rows[0][0] == 0)


@pytest.fixture
def versions(customer: Running, client: Client) -> Versions:
    return Versions(customer, client)


async def test_an_old_replica_that_begins_again_takes_nothing_away_from_a_new_one(
    versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_kit.events.consumers.LAST_HAND_BACK_SECONDS", 0.2)
    async with versions.new() as new:
        await versions.is_consuming()
        async with versions.old() as old:
            await versions.tell(Created, 1)
            await eventually(lambda: effects(versions.customer, versions.tenant_id, versions.name))
            ids = [await versions.tell(Updated, 1, 2, 3) for _ in range(5)]

            async def has_handled_all() -> bool:
                return all(sorted(new.versions(id)) == [1, 2, 3] for id in ids)

            await eventually(has_handled_all)
            assert old.tried == old.handled
    assert await versions.has_no_dead_letter()


async def test_what_only_a_new_replica_follows_waits_until_there_is_one_again(
    versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_kit.events.consumers.LAST_HAND_BACK_SECONDS", 0.2)
    async with versions.new():
        await versions.is_consuming()
    async with versions.old() as old:
        first = await versions.tell(Updated, 1)
        known = await versions.tell(Created, 1, 2)

        async def handles_what_it_knows() -> bool:
            return old.versions(known) == [1, 2]

        await eventually(handles_what_it_knows)

        sent = (await versions.consumer()).delivered.consumer_seq

        async def is_handed_back_often() -> bool:
            return bool((await versions.consumer()).delivered.consumer_seq > sent + 5)

        # More often than an event may fail.
        await eventually(is_handed_back_often)
    async with versions.old():
        await versions.is_consuming()
        second = await versions.tell(Updated, 1)
    async with versions.new() as new:

        async def has_handled_both() -> bool:
            return new.versions(first) == new.versions(second) == [1]

        await eventually(has_handled_both)
        await eventually(versions.has_nothing_left)
    assert await versions.has_no_dead_letter()


async def test_what_both_are_away_for_is_handled_whichever_comes_first(
    versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_kit.events.consumers.LAST_HAND_BACK_SECONDS", 0.2)
    async with versions.new():
        await versions.is_consuming()
    id = await versions.tell(Updated, 1)
    async with versions.old():
        await versions.is_consuming()
        async with versions.new() as new:

            async def has_handled_it() -> bool:
                return new.versions(id) == [1]

            await eventually(has_handled_it)


async def test_what_no_version_follows_any_more_is_done_with_and_is_not_sent_again(
    versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_kit.events.consumers.LAST_HAND_BACK_SECONDS", 0.2)
    monkeypatch.setattr("crm_kit.events.consumers.AGREE_SECONDS", 0.0)
    database = versions.customer.service.database
    async with versions.new():
        await versions.is_consuming()
    async with versions.old() as old:
        await versions.tell(Updated, 1)

        async def is_handed_back() -> bool:
            return bool((await versions.consumer()).num_redelivered)

        await eventually(is_handed_back)
        # As the retention does after a day without a new replica.
        gone = delete(followed_events).where(
            followed_events.c.consumer == versions.name,
            followed_events.c.event_type == Updated.DESCRIPTOR.full_name,
        )
        await database.all(SYSTEM_TENANT, compile_statement(gone.returning(followed_events.c.event_type)), {})

        async def is_left_out() -> bool:
            return await versions.subjects() == {"crm.events.customer.AccountCreated.*"}

        await eventually(is_left_out)
        await eventually(versions.has_nothing_left)
        assert not old.handled
    # And a version that follows it once more has it sent again.
    async with versions.new() as new:
        await versions.is_consuming()
        id = await versions.tell(Updated, 1)
        await new.handles(1)
        assert new.versions(id) == [1]


async def test_a_replica_goes_on_saying_what_it_follows_and_puts_right_what_it_is_sent(
    versions: Versions, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_kit.events.consumers.AGREE_SECONDS", 0.0)
    database = versions.customer.service.database
    mine = followed_events.c.consumer == versions.name
    async with versions.new() as new:
        await versions.is_consuming()
        # Long ago, by the look of it.
        aged = update(followed_events).where(mine).values(seen_time=followed_events.c.seen_time - timedelta(hours=23))
        await database.all(SYSTEM_TENANT, compile_statement(aged.returning(followed_events.c.event_type)), {})
        config = (await versions.consumer()).config
        narrow = config.evolve(filter_subject=None, filter_subjects=["crm.events.customer.AccountCreated.*"])
        await client.jetstream().add_consumer(STREAM, narrow)
        await versions.tell(Created, 1)
        await new.handles(1)

        async def is_put_right() -> bool:
            return len(await versions.subjects()) == 2

        await eventually(is_put_right)
        oldest = select(func.min(followed_events.c.seen_time) > func.now() - timedelta(hours=1)).where(mine)
        assert (await database.all(SYSTEM_TENANT, compile_statement(oldest), {}))[0][0]


async def test_an_older_version_does_not_shorten_how_long_a_newer_one_may_take(
    versions: Versions, client: Client
) -> None:
    async with versions.new():
        await versions.is_consuming()
        config = (await versions.consumer()).config
        await client.jetstream().add_consumer(STREAM, config.evolve(ack_wait=99.0))
    async with versions.old():
        await versions.is_consuming()
        assert (await versions.consumer()).config.ack_wait == 99.0
