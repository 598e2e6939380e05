"""Many messages to JetStream at once, and what became of each.

The client's own `publish` waits for each acknowledgement with a task and a timer: more work than all the rest. Here
all acknowledgements come to one inbox.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import Header

STORED_SECONDS = 5.0
# What a message has beside its data: the name and value of its id, and what NATS puts around them.
HEADER_BYTES = 100
# JetStream's own number (server/errors.json: JSStreamMessageExceedsMaximumErr).
EXCEEDS_MAXIMUM = 10054


class Outcome(Enum):
    """What became of a message."""

    STORED = auto()
    # The broker did not say in time that it has it, or could not take it just now.
    UNANSWERED = auto()
    # The broker takes no message of this size, however often it is sent.
    TOO_LARGE = auto()


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
        self._outcomes: list[Outcome] = []
        self._missing = 0
        self._answered = asyncio.Event()

    async def publish(self, messages: Sequence[Message]) -> list[Outcome]:
        """Send them in their order; what became of each."""
        if not self._inbox:
            inbox = self._client.new_inbox()
            await self._client.subscribe(f"{inbox}.*", cb=self._take)
            self._inbox = inbox
        self._first += len(self._outcomes)
        self._outcomes, self._missing = [Outcome.UNANSWERED] * len(messages), len(messages)
        self._answered.clear()
        for number, each in enumerate(messages, self._first):
            if len(each.data) + HEADER_BYTES > self._client.max_payload:
                # Not sent: the server would end the connection, and with it what others have under way.
                self._note(number - self._first, Outcome.TOO_LARGE)
                continue
            headers = {Header.MSG_ID.value: each.id}
            await self._client.publish(each.subject, each.data, reply=f"{self._inbox}.{number}", headers=headers)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STORED_SECONDS):
                await self._answered.wait()
        return self._outcomes

    async def _take(self, answer: Msg) -> None:
        index = int(answer.subject.rpartition(".")[2]) - self._first
        if index >= 0:
            self._note(index, outcome_of(answer))

    def _note(self, index: int, outcome: Outcome) -> None:
        self._outcomes[index] = outcome
        self._missing -= 1
        if self._missing == 0:
            self._answered.set()


def outcome_of(answer: Msg) -> Outcome:
    """What the broker says; an answer without data says that there is no stream for the subject."""
    told = orjson.loads(answer.data) if answer.data else {"error": {}}
    if "error" not in told:
        return Outcome.STORED
    return Outcome.TOO_LARGE if told["error"].get("err_code") == EXCEEDS_MAXIMUM else Outcome.UNANSWERED
