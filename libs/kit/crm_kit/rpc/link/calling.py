"""A link as its caller has it: one stream to one replica, with many calls on it.

It belongs to the event loop that it is opened in.
"""

import asyncio
from collections.abc import Callable

import grpc
import structlog
from crm.link.v1 import link_pb2 as pb
from google.protobuf.message import DecodeError

from crm_kit.rpc.calls import Call, Reply, failure
from crm_kit.rpc.link.frames import METHOD, Outbox, call_frame, cancel_frame, reply_of

log = structlog.get_logger()
OPEN_SECONDS = 2.0
MAX_ID = 2**32 - 1
Notify = Callable[[], None]


class UnreachableError(Exception):
    """The replica does not answer, or lets nobody in now."""


class NoLinkError(Exception):
    """The replica answers and serves no links."""


class NotSentError(Exception):
    """The link broke before the call left; whatever the call does, it may be made again."""


class Link:
    """A link that is open; `peer` names the replica in the log.

    `changed` is called when it stops being usable or welcome, `freed` when a call has ended.
    """

    def __init__(
        self,
        stream: grpc.aio.StreamStreamCall[bytes, bytes],
        opening: pb.ConnectResponse,
        *,
        peer: str,
        max_response_bytes: int,
        changed: Notify,
        freed: Notify,
    ) -> None:
        self._peer = peer
        self._stream = stream
        self._terms = opening.terms
        self._max_response_bytes = max_response_bytes
        self._changed = changed
        self._freed = freed
        self._loop = asyncio.get_running_loop()
        self._pending: dict[int, Pending] = {}
        self._pending_bytes = 0
        self._last_id = 0
        self._outbox = Outbox()
        self._wake = asyncio.Event()
        self.serving = opening.serving
        # Set once no call may begin here any more.
        self.parted = asyncio.Event()
        if opening.goodbye:
            self.part()

    @property
    def busy(self) -> int:
        """How many calls are not answered yet."""
        return len(self._pending)

    def has_room(self, size: int) -> bool:
        """Whether the replica's terms allow another call of so many bytes; one by itself always may."""
        if not self._pending:
            return True
        return len(self._pending) < self._terms.max_calls and self._pending_bytes + size <= self._terms.max_bytes

    async def call(self, call: Call) -> Reply:
        """The replica's answer, whatever it is.

        AioRpcError with DEADLINE_EXCEEDED when it comes too late and with UNAVAILABLE when the link breaks meanwhile.
        NotSentError when the link broke before.
        """
        id = self._last_id = self._last_id % MAX_ID + 1
        frame = call_frame(id, call)
        self._outbox.put(frame)
        self._wake.set()
        pending = self._pending[id] = Pending(self._loop.create_future(), len(frame), self._outbox.put_count)
        self._pending_bytes += pending.size
        if call.seconds is not None:
            pending.timer = self._loop.call_later(call.seconds, self._expire, id)
        try:
            return await pending.reply
        except asyncio.CancelledError:
            self._abandon(id)
            raise

    def part(self) -> None:
        """Begin no call any more; the link ends when those under way have their answers."""
        if not self.parted.is_set():
            self.parted.set()
            self._outbox.put(pb.ConnectRequest(goodbye=True).SerializeToString())
            self._wake.set()
            self._changed()

    async def run(self) -> None:
        """Carry calls until the link ends; whatever is not answered then has failed."""
        reading, writing = asyncio.create_task(self._read()), asyncio.create_task(self._write())
        try:
            await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reading.cancel()
            writing.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)
            self._stream.cancel()
            self.parted.set()
            self._fail_pending()
            self._changed()

    async def _read(self) -> None:
        try:
            while isinstance(data := await self._stream.read(), bytes):
                self._take(pb.ConnectResponse.FromString(data))
        except grpc.aio.AioRpcError as error:
            log.warning("link.broken", peer=self._peer, code=error.code().name, unanswered=len(self._pending))
        except DecodeError:
            log.exception("link.unreadable", peer=self._peer)

    async def _write(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while batch := self._outbox.take():
                    await self._stream.write(batch)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            # The stream has ended; its reader says why.
            await asyncio.Event().wait()

    def _take(self, response: pb.ConnectResponse) -> None:
        for answer in response.answers:
            self._answered(answer)
        if response.HasField("serving"):
            self.serving = response.serving
            self._changed()
        if response.goodbye:
            self.part()

    def _answered(self, answer: pb.Answer) -> None:
        id = answer.id
        pending = self._pending.get(id)
        if pending is None:
            return
        if answer.more:
            self._gather(id, pending, answer.payload)
            return
        del self._pending[id]
        self._pending_bytes -= pending.size
        if pending.timer is not None:
            pending.timer.cancel()
        if not pending.reply.done():
            pending.reply.set_result(reply_of(answer, pending.pieces))
        self._freed()

    def _gather(self, id: int, pending: "Pending", piece: bytes) -> None:
        """Keep a piece of a long answer that somebody waits for."""
        if pending.reply.done():
            return
        pending.pieces.append(piece)
        pending.received += len(piece)
        if pending.received > self._max_response_bytes:
            error = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "the response is larger than the caller takes")
            pending.reply.set_exception(error)
            self._abandon(id)

    def _expire(self, id: int) -> None:
        pending = self._pending[id]
        if not pending.reply.done():
            pending.reply.set_exception(failure(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"))
            self._abandon(id)

    def _abandon(self, id: int) -> None:
        """Tell the replica that nobody waits; the call is under way until the replica has answered all the same."""
        pending = self._pending.get(id)
        if pending is not None:
            pending.pieces.clear()
            self._outbox.put(cancel_frame(id))
            self._wake.set()

    def _fail_pending(self) -> None:
        pending, self._pending = list(self._pending.values()), {}
        for each in pending:
            if each.timer is not None:
                each.timer.cancel()
            if each.reply.done():
                continue
            if each.place > self._outbox.taken_count:
                each.reply.set_exception(NotSentError())
            else:
                each.reply.set_exception(failure(grpc.StatusCode.UNAVAILABLE, "the link broke"))


class Pending:
    """A call that is not answered yet. `place` is that of its frame among all of the link's."""

    __slots__ = ("pieces", "place", "received", "reply", "size", "timer")

    def __init__(self, reply: "asyncio.Future[Reply]", size: int, place: int) -> None:
        self.reply = reply
        self.size = size
        self.place = place
        self.timer: asyncio.TimerHandle | None = None
        self.pieces: list[bytes] = []
        self.received = 0


async def open_link(
    channel: grpc.aio.Channel, *, peer: str, max_response_bytes: int, changed: Notify, freed: Notify
) -> Link:
    """A link over the channel; UnreachableError or NoLinkError when there is none to be had."""
    stream: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(METHOD)()
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            first = await stream.read()
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            raise UnreachableError from error
        raise NoLinkError from error
    except TimeoutError as error:
        if channel.get_state() is not grpc.ChannelConnectivity.READY:
            raise UnreachableError from error
        # Something in between keeps streams to itself.
        raise NoLinkError from error
    try:
        opening = pb.ConnectResponse.FromString(first) if isinstance(first, bytes) else pb.ConnectResponse()
    except DecodeError:
        opening = pb.ConnectResponse()
    if not opening.HasField("terms"):
        stream.cancel()
        raise NoLinkError
    return Link(stream, opening, peer=peer, max_response_bytes=max_response_bytes, changed=changed, freed=freed)
