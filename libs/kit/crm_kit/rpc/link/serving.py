"""Links as a service has them: frames in, each call run by the handler that serves it as a unary call, answers out."""

import asyncio
import random
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import grpc
from crm.link.v1 import link_pb2 as pb
from google.protobuf.message import DecodeError

from crm_kit.rpc.calls import Call, Handler, Reply
from crm_kit.rpc.counting import TooMuchError
from crm_kit.rpc.link.frames import CONTRACT, Outbox, call_of, request_of

Context = grpc.aio.ServicerContext[bytes, bytes]
# Room for the largest page of the widest resource.
MAX_RESPONSE_BYTES = 32 * 1024 * 1024
# A link ends in peace before its connection is ended by age, at a part of that age that differs from link to link.
AGE_SHARES = (0.6, 0.8)


class Terms(NamedTuple):
    """How much may be under way on a link: calls, and bytes of their requests."""

    max_calls: int = 256
    max_bytes: int = 16 * 1024 * 1024


TERMS = Terms()


class LinkServer:
    """The links of one server. `handlers` are those of its methods, by path."""

    def __init__(
        self, handlers: Mapping[str, Handler], terms: Terms = TERMS, *, connection_max_age_seconds: float
    ) -> None:
        self._handlers = handlers
        self._max_age = connection_max_age_seconds
        self._terms = terms
        self._links: set[ServedLink] = set()
        self._serving = False
        self._leaving = False

    def generic_handler(self) -> grpc.GenericRpcHandler:
        """What grpc asks for its `Connect`; bytes go in and out."""
        connect: Any = grpc.stream_stream_rpc_method_handler(self._connect)
        return grpc.method_handlers_generic_handler(CONTRACT.full_name, {"Connect": connect})

    def set_serving(self, *, serving: bool) -> None:
        """Tell all callers whether new calls are welcome."""
        self._serving = serving
        for link in self._links:
            link.tell_serving(serving)

    async def leave(self, seconds: float) -> None:
        """Say goodbye on all links; back when no caller begins calls here any more, at the latest after `seconds`."""
        self._leaving = True
        partings = [asyncio.create_task(link.parted.wait()) for link in self._links]
        for link in self._links:
            link.say_goodbye()
        if partings:
            _, missing = await asyncio.wait(partings, timeout=seconds)
            for each in missing:
                each.cancel()

    async def _connect(self, _requests: Any, context: Context) -> None:
        if self._leaving:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "this server is leaving")
        link = ServedLink(self._handlers, context, self._terms, serving=self._serving)
        share = random.uniform(*AGE_SHARES)
        aged = asyncio.get_running_loop().call_later(self._max_age * share, link.say_goodbye)
        self._links.add(link)
        try:
            await link.run()
        finally:
            aged.cancel()
            link.parted.set()
            self._links.discard(link)


class ServedLink:
    """One link. `parted` is set when its caller begins no call here any more."""

    def __init__(self, handlers: Mapping[str, Handler], context: Context, terms: Terms, *, serving: bool) -> None:
        self._handlers = handlers
        self._context = context
        self._terms = terms
        self._running: dict[int, Running] = {}
        self._running_bytes = 0
        self._outbox = Outbox()
        self._wake = asyncio.Event()
        self._written = asyncio.Event()
        self._malformed = False
        self._goodbye_said = False
        self.parted = asyncio.Event()
        self._send(pb.ConnectResponse(terms=pb.Terms(**terms._asdict()), serving=serving))

    async def run(self) -> None:
        """Serve until the caller has parted and has all its answers."""
        reading = asyncio.create_task(self._read())
        reading.add_done_callback(self._read_to_the_end)
        try:
            while not self._finished:
                await self._wake.wait()
                self._wake.clear()
                while batch := self._outbox.take():
                    await self._context.write(batch)
                    self._written.set()
        finally:
            reading.cancel()
            running = [each.task for each in self._running.values()]
            for task in running:
                task.cancel()
            await asyncio.gather(reading, *running, return_exceptions=True)
        if self._malformed:
            await self._context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, "no ConnectRequest, one that is too large, or an id in use"
            )

    def tell_serving(self, serving: bool) -> None:
        """Tell the caller whether new calls are welcome."""
        self._send(pb.ConnectResponse(serving=serving))

    def say_goodbye(self) -> None:
        """Ask the caller to begin no further calls here."""
        if not self._goodbye_said:
            self._goodbye_said = True
            self._send(pb.ConnectResponse(goodbye=True))

    @property
    def _finished(self) -> bool:
        return self._malformed or (self.parted.is_set() and not self._running and not self._outbox)

    async def _read(self) -> None:
        while isinstance(data := await self._context.read(), bytes):
            try:
                self.take(data)
            except (DecodeError, TooMuchError):
                self._malformed = True
                return
            while self._outbox.waiting_bytes > self._terms.max_bytes:
                # A caller that does not take its answers is not listened to either.
                self._written.clear()
                await self._written.wait()

    def take(self, data: bytes) -> None:
        """Begin and end what a message says. DecodeError or TooMuchError for one that no caller writes."""
        request = request_of(data)
        for call in request.calls:
            self._begin(call)
        for id in request.cancelled_ids:
            if (running := self._running.get(id)) is not None:
                running.task.cancel()
        if request.goodbye:
            self._part()

    def _read_to_the_end(self, _reading: "asyncio.Task[None]") -> None:
        self._part()

    def _part(self) -> None:
        self.parted.set()
        self._wake.set()

    def _begin(self, frame: pb.Call) -> None:
        handler = self._handlers.get(frame.method)
        if frame.id in self._running:
            self._malformed = True
            self._wake.set()
        elif handler is None:
            self._answer(frame.id, Reply(code=grpc.StatusCode.UNIMPLEMENTED, detail="there is no such method"))
        elif not self._has_room(len(frame.payload)):
            self._answer(frame.id, Reply(code=grpc.StatusCode.RESOURCE_EXHAUSTED, detail="too many calls on one link"))
        else:
            running = Running(handler, call_of(frame))
            self._running[frame.id] = running
            self._running_bytes += running.size
            running.task.add_done_callback(partial(self._ended, frame.id))

    def _has_room(self, size: int) -> bool:
        if not self._running:
            return True
        return len(self._running) < self._terms.max_calls and self._running_bytes + size <= self._terms.max_bytes

    def _ended(self, id: int, _task: "asyncio.Task[Reply]") -> None:
        running = self._running.pop(id)
        self._running_bytes -= running.size
        self._answer(id, running.reply())

    def _answer(self, id: int, reply: Reply) -> None:
        if len(reply.data) > MAX_RESPONSE_BYTES:
            reply = Reply(code=grpc.StatusCode.RESOURCE_EXHAUSTED, detail="the response is too large")
        self._outbox.put_answer(id, reply)
        self._wake.set()

    def _send(self, frame: pb.ConnectResponse) -> None:
        self._outbox.put(frame.SerializeToString())
        self._wake.set()


class Running:
    """A call under way: it is stopped when its time is up."""

    __slots__ = ("_late", "_timer", "size", "task")

    def __init__(self, handler: Handler, call: Call) -> None:
        self.size = len(call.data)
        self.task = asyncio.create_task(handler(call))
        self._late = False
        loop = self.task.get_loop()
        self._timer = None if call.seconds is None else loop.call_later(call.seconds, self._stop)

    def _stop(self) -> None:
        self._late = True
        self.task.cancel()

    def reply(self) -> Reply:
        """How it ended; the task is done."""
        if self._timer is not None:
            self._timer.cancel()
        if self.task.cancelled():
            code = grpc.StatusCode.DEADLINE_EXCEEDED if self._late else grpc.StatusCode.CANCELLED
            return Reply(code=code, detail="nobody waits for it any more")
        if self.task.exception() is not None:
            return Reply(code=grpc.StatusCode.INTERNAL, detail="an internal error")
        return self.task.result()
