"""Pulling events from the broker: all that wait, each once, and what the broker says instead."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import nats
import pytest
from crm_kit.events.publishing import Message, Publisher
from crm_kit.events.pulling import NotPulled, pulling
from crm_kit.events.streams import STREAM
from crm_kit.ids import new_id
from crm_local.testing import Servers
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig

from tests.service.eventually import eventually
from tests.service.running import Running

PATIENCE = 30.0


@pytest.fixture
async def client(servers: Servers, customer: Running) -> AsyncIterator[Client]:
    """A connection to the broker, whose stream a running service has made."""
    assert customer.service.name == "customer"
    connected = await nats.connect(servers.nats_url)
    yield connected
    await connected.close()


@pytest.fixture
async def name(client: Client) -> AsyncIterator[str]:
    """A durable consumer, and the subject that it follows."""
    name = new_id().hex
    config = ConsumerConfig(durable_name=name, filter_subject=subject(name), ack_policy=AckPolicy.EXPLICIT)
    await client.jetstream().add_consumer(STREAM, config)
    yield name
    await client.jetstream().delete_consumer(STREAM, name)


def subject(name: str) -> str:
    return f"crm.events.test.{name}"


async def publish(client: Client, name: str, numbers: range) -> None:
    await Publisher(client).publish([Message(subject(name), str(each).encode(), str(new_id())) for each in numbers])


async def is_waited_for(client: Client, name: str) -> None:
    """Return once the broker has a request that waits for the first event."""

    async def waiting() -> int:
        return int((await client.jetstream().consumer_info(STREAM, name)).num_waiting or 0)

    await eventually(waiting)


async def test_what_waits_is_pulled_in_its_order_and_no_more_than_was_asked_for(client: Client, name: str) -> None:
    await publish(client, name, range(120))
    async with pulling(client, STREAM, name) as puller:
        batches = [await puller.pull(50, seconds=PATIENCE) for _ in range(3)]
    assert [len(batch) for batch in batches] == [50, 50, 20]
    assert [int(each.data) for each in itertools.chain.from_iterable(batches)] == list(range(120))


async def test_what_comes_while_it_is_waited_for_is_pulled_each_once(client: Client, name: str) -> None:
    async with pulling(client, STREAM, name) as puller:
        waiting = asyncio.create_task(puller.pull(50, seconds=PATIENCE))
        await is_waited_for(client, name)
        await publish(client, name, range(30))
        pulled = [int(each.data) for each in await waiting]
        while len(pulled) < 30:
            pulled += [int(each.data) for each in await puller.pull(50, seconds=PATIENCE)]
    assert pulled == list(range(30))


async def test_nothing_that_comes_in_time_is_nothing(client: Client, name: str) -> None:
    async with pulling(client, STREAM, name) as puller:
        assert await puller.pull(50, seconds=0.1) == []
        await publish(client, name, range(1))
        assert [each.data for each in await puller.pull(50, seconds=PATIENCE)] == [b"0"]


async def test_a_pull_that_is_cancelled_as_its_answer_comes_ends(client: Client, name: str) -> None:
    """As a service that is stopped just then: `asyncio.wait_for` of Python 3.11 would lose it, and it would go on."""
    async with pulling(client, STREAM, name) as puller:
        pull = asyncio.create_task(puller.pull(50, seconds=PATIENCE))
        await is_waited_for(client, name)
        await puller.take(Msg(client, subject(name)))
        pull.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pull


async def test_a_consumer_that_is_gone_is_told_at_once(client: Client) -> None:
    async with pulling(client, STREAM, "nobody") as puller:
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(NotPulled, match="503"):
                await puller.pull(50, seconds=PATIENCE)


async def test_a_consumer_that_goes_while_it_is_waited_for_is_told_at_once(client: Client) -> None:
    name, stream = new_id().hex, client.jetstream()
    config = ConsumerConfig(durable_name=name, filter_subject=subject(name), ack_policy=AckPolicy.EXPLICIT)
    await stream.add_consumer(STREAM, config)
    async with pulling(client, STREAM, name) as puller:
        waiting = asyncio.create_task(puller.pull(50, seconds=PATIENCE))
        await is_waited_for(client, name)
        await stream.delete_consumer(STREAM, name)
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(NotPulled, match="409"):
                await waiting
