"""Many messages to JetStream at once, and which of them it has stored.

The client's own `publish` waits for each acknowledgement with a task and a timer: more work than all the rest. Here
all acknowledgements come to one inbox.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import Header

STORED_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Message:
    """What is published; of two with the same `id` the broker drops the second."""

    subject: str
    data: bytes
    id: str


class Publisher:
    """Publishes over one connection, a batch at a time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = ""
        # Messages are numbered through, so that an answer that comes too late is known as one of an earlier batch.
        self._first = 0
        self._stored: list[bool] = []
        self._missing = 0
        self._answered = asyncio.Event()

    async def publish(self, messages: Sequence[Message]) -> list[bool]:
        """Send them in their order; for each whether the broker said in time that it has it."""
        if not self._inbox:
            inbox = self._client.new_inbox()
            await self._client.subscribe(f"{inbox}.*", cb=self._take)
            self._inbox = inbox
        self._first += len(self._stored)
        self._stored, self._missing = [False] * len(messages), len(messages)
        self._answered.clear()
        for number, each in enumerate(messages, self._first):
            headers = {Header.MSG_ID.value: each.id}
            await self._client.publish(each.subject, each.data, reply=f"{self._inbox}.{number}", headers=headers)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._answered.wait(), STORED_SECONDS)
        return self._stored

    async def _take(self, answer: Msg) -> None:
        index = int(answer.subject.rpartition(".")[2]) - self._first
        if index < 0:
            return
        self._stored[index] = is_stored(answer)
        self._missing -= 1
        if self._missing == 0:
            self._answered.set()


def is_stored(answer: Msg) -> bool:
    """Whether an answer is an acknowledgement; one without data says that there is no stream for the subject."""
    return bool(answer.data) and "error" not in orjson.loads(answer.data)
