"""What the relay knows of what it has sent."""

from collections.abc import AsyncIterator

import nats
import pytest
from crm_kit.events.publishing import Message, Publisher
from crm_kit.events.relay import STREAM
from crm_kit.ids import new_id
from crm_local.testing import Servers
from nats.aio.client import Client

from tests.service.running import Running

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
    assert await publisher.publish(sent) == [True] * 300
    # As after a relay that died before it could note what it had sent.
    assert await publisher.publish(sent[100:]) == [True] * 200
    stream = client.jetstream()
    info = await stream.stream_info(STREAM, subjects_filter=subject)
    assert info.state.subjects == {subject: 300}
    reading = await stream.subscribe(subject, ordered_consumer=True)
    assert [(await reading.next_msg()).data for _ in range(300)] == [each.data for each in sent]


async def test_what_no_stream_takes_is_told_apart_from_what_is_stored(client: Client) -> None:
    publisher = Publisher(client)
    (good,), (lost,), (last,) = (messages(1, subject) for subject in (TOLD, ELSEWHERE, TOLD))
    assert await publisher.publish([good, lost, last]) == [True, False, True]


async def test_an_answer_that_comes_too_late_is_not_taken_for_one_of_the_next_batch(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = Publisher(client)
    await publisher.publish(messages(1, TOLD))
    monkeypatch.setattr("crm_kit.events.publishing.STORED_SECONDS", 0.0)
    assert await publisher.publish(messages(3, TOLD)) == [False] * 3
    monkeypatch.undo()
    assert await publisher.publish(messages(2, ELSEWHERE)) == [False] * 2
