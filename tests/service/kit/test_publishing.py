"""What the relay knows of what it has sent."""

from collections.abc import AsyncIterator

import nats
import pytest
from crm_kit.events.outbox import MAX_EVENT_BYTES
from crm_kit.events.publishing import HEADER_BYTES, Message, Outcome, Publisher
from crm_kit.events.streams import STREAM
from crm_kit.ids import new_id
from crm_local.testing import Servers
from nats.aio.client import Client

from tests.service.running import Running

# https://docs.nats.io/running-a-nats-service/configuration: max_payload
NATS_DEFAULT_MAX_PAYLOAD = 1024 * 1024
TOLD, ELSEWHERE = "crm.events.test.Told", "elsewhere"


@pytest.fixture
async def client(servers: Servers, customer: Running) -> AsyncIterator[Client]:
    """A connection to the broker, whose stream a running service has made."""
    assert customer.service.name == "customer"
    connected = await nats.connect(servers.nats_url)
    yield connected
    await connected.close()


def messages(count: int, subject: str) -> list[Message]:
    return [Message(subject, str(number).encode(), str(new_id())) for number in range(count)]


async def test_messages_are_stored_in_their_order_and_the_same_again_once(client: Client) -> None:
    publisher, subject = Publisher(client), f"crm.events.test.{new_id().hex}"
    sent = messages(300, subject)
    assert await publisher.publish(sent) == [Outcome.STORED] * 300
    # As after a relay that died before it could note what it had sent.
    assert await publisher.publish(sent[100:]) == [Outcome.STORED] * 200
    stream = client.jetstream()
    info = await stream.stream_info(STREAM, subjects_filter=subject)
    assert info.state.subjects == {subject: 300}
    reading = await stream.subscribe(subject, ordered_consumer=True)
    assert [(await reading.next_msg()).data for _ in range(300)] == [each.data for each in sent]


async def test_what_no_stream_takes_is_told_apart_from_what_is_stored(client: Client) -> None:
    publisher = Publisher(client)
    (good,), (lost,), (last,) = (messages(1, subject) for subject in (TOLD, ELSEWHERE, TOLD))
    assert await publisher.publish([good, lost, last]) == [
        Outcome.STORED,
        Outcome.UNANSWERED,
        Outcome.STORED,
    ]


async def test_an_answer_that_comes_too_late_is_not_taken_for_one_of_the_next_batch(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = Publisher(client)
    await publisher.publish(messages(1, TOLD))
    monkeypatch.setattr("crm_kit.events.publishing.STORED_SECONDS", 0.0)
    assert await publisher.publish(messages(3, TOLD)) == [Outcome.UNANSWERED] * 3
    monkeypatch.undo()
    assert await publisher.publish(messages(2, ELSEWHERE)) == [Outcome.UNANSWERED] * 2


async def test_a_message_over_the_brokers_maximum_is_told_apart_and_others_are_stored(client: Client) -> None:
    publisher = Publisher(client)
    large = Message(TOLD, b"x" * client.max_payload, str(new_id()))
    (before,), (after,) = messages(1, TOLD), messages(1, TOLD)
    assert await publisher.publish([before, large, after]) == [Outcome.STORED, Outcome.TOO_LARGE, Outcome.STORED]
    assert client.is_connected


async def test_a_message_over_the_streams_own_maximum_is_told_apart(client: Client) -> None:
    stream, name, subject = client.jetstream(), f"small-{new_id().hex}", f"small.{new_id().hex}"
    await stream.add_stream(name=name, subjects=[subject], max_msg_size=1000)
    try:
        sent = [Message(subject, b"x" * size, str(new_id())) for size in (10, 5000, 10)]
        told = await Publisher(client).publish(sent)
    finally:
        await stream.delete_stream(name)
    assert told == [Outcome.STORED, Outcome.TOO_LARGE, Outcome.STORED]


def test_what_an_event_may_have_every_broker_takes() -> None:
    assert MAX_EVENT_BYTES + HEADER_BYTES < NATS_DEFAULT_MAX_PAYLOAD
