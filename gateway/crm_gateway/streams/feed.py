"""The broker's stream of all events as this process reads it: on from a place, and nothing is left out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from crm_kit.events.connecting import connect
from crm_kit.events.pulling import Puller, pulling
from crm_kit.events.streams import STREAM
from crm_kit.ids import new_id
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, RawStreamMsg
from nats.js.errors import NotFoundError

from crm_gateway.streams.places import BEGINNING, Place, goes_on, place_behind

AWAY = (NatsError, OSError, TimeoutError)
"""What is raised while the broker is away, or has lost a reader: try again from the same place."""

ANSWER_SECONDS = 5.0
PULL_SECONDS = 5.0
BATCH = 200
# Events may have 1 MB each.
BATCH_BYTES = 2 << 20
# The broker forgets a reader that nobody has asked for so long.
FORGOTTEN_SECONDS = 30.0


class LostError(NatsError):
    """Messages were sent to this reader and did not arrive."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A message of the stream, and the place behind it."""

    place: Place
    data: bytes

    @property
    def tenant_id(self) -> str:
        return self.place.subject.rpartition(".")[2]


class Reading:
    """What came behind a place; `waiting` is how many more there are, as far as its server knows."""

    def __init__(self, client: Client, puller: Puller, waiting: int) -> None:
        self.waiting = waiting
        self._client = client
        self._puller = puller
        self._received = 0
        self._connection = client.stats["reconnects"]

    async def next(self, most: int = BATCH, *, seconds: float = PULL_SECONDS) -> list[Passed]:
        """The next ones; none when none came for so long. LostError when some may have gone astray."""
        if self._connection != self._client.stats["reconnects"]:
            raise LostError("what was on its way when the connection broke will not come")
        messages = await self._puller.pull(most, seconds=seconds, max_bytes=BATCH_BYTES)
        self.waiting = messages[-1].metadata.num_pending if messages else 0
        return [self._passed(each) for each in messages]

    def _passed(self, message: Msg) -> Passed:
        sequence = message.metadata.sequence
        self._received += 1
        if sequence.consumer != self._received:
            raise LostError(f"message {self._received} of this reader did not arrive")
        return Passed(place_behind(sequence.stream, message.data, message.subject), message.data)


class Feed:
    """Connects when it is first asked; whatever it is asked may raise one of `AWAY`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connecting = asyncio.Lock()
        self._client: Client | None = None

    async def end(self) -> Place:
        """The place behind the last message."""
        state = (await (await self._stream()).stream_info(STREAM)).state
        if state.last_seq == 0:
            return BEGINNING
        last = await self._message(state.last_seq)
        if last is None:
            # All of it is too old by now.
            return Place(state.last_seq, 0)
        return place_behind(state.last_seq, last.data or b"")

    async def knows(self, place: Place) -> bool:
        """Whether the broker can go on from a place, and nothing is missing behind it."""
        state = (await (await self._stream()).stream_info(STREAM)).state
        message = await self._message(place.sequence) if place.sequence else None
        data = None if message is None else message.data or b""
        return goes_on(place, first=max(state.first_seq, 1), last=state.last_seq, data=data)

    async def next_number(self, place: Place, subject: str) -> int | None:
        """The number of the first message behind a place on a subject; None where there is none yet.

        It is asked of the server that takes all messages, while readers may have another, and that may be behind.
        """
        try:
            message = await (await self._stream()).get_msg(STREAM, place.sequence + 1, subject, next=True)
        except NotFoundError:
            return None
        return message.seq

    @contextlib.asynccontextmanager
    async def behind(self, place: Place, subject: str = "") -> AsyncIterator[Reading]:
        """Read what came behind a place, on a subject or on all."""
        name, stream = f"events-{new_id().hex}", await self._stream()
        config = ConsumerConfig(
            name=name,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=place.sequence + 1,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=FORGOTTEN_SECONDS,
            mem_storage=True,
            num_replicas=1,
            filter_subjects=[subject] if subject else None,
        )
        made = await stream.add_consumer(STREAM, config)
        assert self._client is not None
        try:
            async with pulling(self._client, STREAM, name) as puller:
                yield Reading(self._client, puller, made.num_pending or 0)
        finally:
            with contextlib.suppress(*AWAY):
                await stream.delete_consumer(STREAM, name)

    async def close(self) -> None:
        """Leave the broker."""
        if self._client is not None:
            await self._client.close()

    async def _stream(self) -> JetStreamContext:
        async with self._connecting:
            # The broker may have shown us out for good.
            if self._client is None or self._client.is_closed:
                self._client = await connect(self._url, troubled=_passed_over)
        return self._client.jetstream(timeout=ANSWER_SECONDS)

    async def _message(self, sequence: int) -> RawStreamMsg | None:
        try:
            return await (await self._stream()).get_msg(STREAM, sequence)
        except NotFoundError:
            return None


async def _passed_over(_error: Exception) -> None:
    """Whoever asks learns of it, and the follower tells the log."""
