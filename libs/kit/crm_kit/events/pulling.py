"""Events from JetStream, many at a time.

The client's own `fetch` waits for each message with two tasks and a timer: more work than all the rest. Here a batch is
waited for as a whole. https://docs.nats.io/reference/reference-protocols/nats_api_reference#fetching-from-a-pull-consumer
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import Header

# How long after the end of a request the broker has said so, unless the connection to it is gone.
ANSWER_SECONDS = 1.0
NANOSECONDS = 1_000_000_000
NO_MESSAGES, REQUEST_TIMEOUT = "404", "408"


class NotPulled(NatsError):
    """The broker has nobody who would answer, or no such consumer."""


class Puller:
    """Asks for the messages of a durable consumer, on a subscription of its own."""

    def __init__(self, client: Client, subject: str) -> None:
        self._client = client
        self._subject = subject
        self.inbox = client.new_inbox()
        # Requests are numbered through: what the broker says of one comes on its number.
        self._number = 0
        self._messages: list[Msg] = []
        self._wanted = 0
        self._end = ""
        self._answered = asyncio.Event()

    async def pull(self, most: int, *, seconds: float, max_bytes: int | None = None) -> list[Msg]:
        """What waits at the broker, at most so many; where nothing does, what comes first, none after `seconds`.

        Those that come together have at most `max_bytes`, but for the first of them. NotPulled when the broker says
        that there is no such consumer.
        """
        limits = {} if max_bytes is None else {"max_bytes": max_bytes}
        await self._ask(most, seconds, batch=most, no_wait=True, **limits)
        if not self._messages:
            await self._ask(1, seconds + ANSWER_SECONDS, batch=1, expires=int(seconds * NANOSECONDS))
            if self._messages and most > 1:
                # Events seldom come alone, and many are handled at the cost of a few.
                await self._ask(most, seconds, batch=most - 1, no_wait=True, **limits)
        messages, self._messages = self._messages, []
        if not messages and self._end not in {"", NO_MESSAGES, REQUEST_TIMEOUT}:
            raise NotPulled(f"the broker answers {self._end}")
        return messages

    async def _ask(self, wanted: int, seconds: float, **asked: Any) -> None:
        """Ask, and wait until so many are there, or the broker says that there are no more."""
        self._number += 1
        self._wanted, self._end = wanted, ""
        self._answered.clear()
        await self._client.publish(self._subject, orjson.dumps(asked), reply=f"{self.inbox}.{self._number}")
        with contextlib.suppress(TimeoutError):
            # Not `wait_for`: when the answer comes as the task is cancelled, that of Python 3.11 loses the one.
            async with asyncio.timeout(seconds):
                await self._answered.wait()

    async def take(self, message: Msg) -> None:
        """A message that has come to `inbox`, or what the broker says of a request."""
        status = (message.headers or {}).get(Header.STATUS.value, "")
        if not status:
            self._messages.append(message)
        elif message.subject == f"{self.inbox}.{self._number}":
            self._end = status
        if self._end or len(self._messages) >= self._wanted:
            self._answered.set()


@contextlib.asynccontextmanager
async def pulling(client: Client, stream: str, durable: str) -> AsyncIterator[Puller]:
    """A puller of a durable consumer."""
    puller = Puller(client, f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}")
    # No more comes than was asked for, so there is nothing to drop.
    subscription = await client.subscribe(f"{puller.inbox}.*", cb=puller.take, pending_bytes_limit=0)
    try:
        yield puller
    finally:
        # What was asked for and has not come goes to the next who asks.
        with contextlib.suppress(NatsError):
            await subscription.unsubscribe()
