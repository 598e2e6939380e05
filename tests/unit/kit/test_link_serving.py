"""The served side of a link, frame by frame: what is allowed, refused, stopped, held back and ended."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import grpc
import pytest
from crm.link.v1 import link_pb2 as pb
from crm_kit.rpc.calls import Call, Handler, Reply
from crm_kit.rpc.link.frames import MAX_FIELDS, call_frame, cancel_frame
from crm_kit.rpc.link.serving import TERMS, ServedLink, Terms

from tests.unit.kit.replicas import Gate, Service

PATH = "/a.B/C"


class Aborted(Exception):
    """What grpc raises inside a handler that aborts."""


class Stream:
    """Stands for grpc's context: the test sends, and reads only when it wants to."""

    def __init__(self, *, reads: bool = True) -> None:
        self._sent: asyncio.Queue[Any] = asyncio.Queue()
        self._reads = asyncio.Event()
        if reads:
            self._reads.set()
        self.asked = 0
        self.received: list[pb.ConnectResponse] = []
        self.aborted: grpc.StatusCode | None = None
        self.changed = asyncio.Event()

    def send(self, frame: bytes) -> None:
        self._sent.put_nowait(frame)

    def end(self) -> None:
        self._sent.put_nowait(grpc.aio.EOF)

    def read_on(self) -> None:
        self._reads.set()

    async def read(self) -> Any:
        self.asked += 1
        self.changed.set()
        return await self._sent.get()

    async def write(self, message: bytes) -> None:
        await self._reads.wait()
        self.received.append(pb.ConnectResponse.FromString(message))
        self.changed.set()

    async def abort(self, code: grpc.StatusCode, details: str = "") -> None:
        self.aborted = code
        raise Aborted

    @property
    def answers(self) -> dict[int, grpc.StatusCode]:
        """Id -> status of every call that is answered; an id that comes twice is an error."""
        found: dict[int, grpc.StatusCode] = {}
        for response in self.received:
            for answer in response.answers:
                if not answer.more:
                    assert answer.id not in found
                    found[answer.id] = {code.value[0]: code for code in grpc.StatusCode}[answer.code]
        return found

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def linked(handler: Handler, stream: Stream, terms: Terms = TERMS) -> AsyncIterator[ServedLink]:
    """A link being served on the stream, cut at the end of the block."""
    context: Any = stream
    link = ServedLink({PATH: handler}, context, terms, serving=True)
    running = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def call(id: int, data: bytes = b"", seconds: float | None = None, path: str = PATH) -> bytes:
    return call_frame(id, Call(path, data, {}, seconds))


async def test_terms_and_state_come_first() -> None:
    stream = Stream()
    async with linked(Service().handle, stream, Terms(7, 700)):
        await stream.until(lambda: bool(stream.received))
    first = stream.received[0]
    assert (first.terms.max_calls, first.terms.max_bytes, first.serving, first.goodbye) == (7, 700, True, False)


async def test_every_call_of_a_message_is_answered_once() -> None:
    stream = Stream()
    async with linked(Service().handle, stream):
        stream.send(b"".join(call(id) for id in range(1, 100)))
        await stream.until(lambda: len(stream.answers) == 99)
    assert set(stream.answers.values()) == {grpc.StatusCode.OK}


async def test_calls_of_one_link_do_not_see_one_anothers_context() -> None:
    stream, service, whose = Stream(), Service(), ContextVar("whose", default=b"nobody's")

    async def answer(call: Call) -> Reply:
        assert whose.get() == b"nobody's"
        whose.set(call.data)
        await asyncio.sleep(0)
        return Reply(whose.get())

    service.answer = answer
    async with linked(service.handle, stream):
        stream.send(call(1, b"a") + call(2, b"b"))
        stream.send(call(3, b"c"))
        await stream.until(lambda: len(stream.answers) == 3)
    payloads = {answer.id: answer.payload for each in stream.received for answer in each.answers}
    assert payloads == {1: b"a", 2: b"b", 3: b"c"}


async def test_a_cancelled_call_is_stopped_and_answered_also_when_it_had_not_begun() -> None:
    stream, service = Stream(), Service()
    service.answer = Gate()
    async with linked(service.handle, stream):
        stream.send(call(1) + call(2) + call(3))
        await service.until(lambda: service.running == 3)
        stream.send(cancel_frame(2) + call(4) + cancel_frame(4) + cancel_frame(77))
        await stream.until(lambda: len(stream.answers) == 2)
        assert stream.answers == dict.fromkeys([2, 4], grpc.StatusCode.CANCELLED)
        assert (service.running, service.cancelled) == (2, 1)


async def test_a_call_whose_time_is_up_is_stopped_without_a_word_from_its_caller() -> None:
    stream, service = Stream(), Service()
    service.answer = Gate()
    async with linked(service.handle, stream):
        stream.send(call(1, seconds=0.05) + call(2, seconds=600))
        await stream.until(lambda: 1 in stream.answers)
        assert stream.answers == {1: grpc.StatusCode.DEADLINE_EXCEEDED}
        assert (service.running, service.cancelled) == (1, 1)


async def test_calls_beyond_the_terms_are_refused_and_the_others_go_on() -> None:
    stream, service, gate = Stream(), Service(), Gate()
    service.answer = gate
    async with linked(service.handle, stream, Terms(max_calls=2, max_bytes=1000)):
        stream.send(call(1) + call(2) + call(3))
        await stream.until(lambda: 3 in stream.answers)
        assert stream.answers == {3: grpc.StatusCode.RESOURCE_EXHAUSTED}
        gate.open()
        await stream.until(lambda: len(stream.answers) == 3)
        stream.send(call(4))
        await stream.until(lambda: 4 in stream.answers)
    assert [stream.answers[id] for id in (1, 2, 4)] == [grpc.StatusCode.OK] * 3


async def test_bytes_beyond_the_terms_are_refused_but_one_call_may_always_be_made() -> None:
    stream, service = Stream(), Service()
    service.answer = Gate()
    async with linked(service.handle, stream, Terms(max_calls=9, max_bytes=1000)):
        stream.send(call(1, b"x" * 2000) + call(2))
        await stream.until(lambda: 2 in stream.answers)
        assert stream.answers == {2: grpc.StatusCode.RESOURCE_EXHAUSTED}


async def test_a_caller_that_does_not_take_its_answers_is_not_listened_to_until_it_does() -> None:
    stream, service = Stream(reads=False), Service()

    async def answer(call: Call) -> Reply:
        return Reply(b"x" * 10_000)

    service.answer = answer
    async with linked(service.handle, stream, Terms(max_calls=100, max_bytes=25_000)) as link:
        for id in range(1, 51):
            # By the next turn everything that can begin has begun, and what is done is answered.
            stream.send(call(id))
            for _ in range(5):
                await asyncio.sleep(0)
        assert 3 <= len(service.calls) == stream.asked < 10
        assert link._outbox.waiting_bytes < 100_000
        stream.read_on()
        await stream.until(lambda: len(stream.answers) == 50)
    assert set(stream.answers.values()) == {grpc.StatusCode.OK}


async def test_a_method_that_is_not_served_is_unimplemented() -> None:
    stream = Stream()
    async with linked(Service().handle, stream):
        stream.send(call(1, path="/a.B/Missing"))
        await stream.until(lambda: 1 in stream.answers)
    assert stream.answers == {1: grpc.StatusCode.UNIMPLEMENTED}


async def test_a_handler_that_raises_tells_nothing_of_itself() -> None:
    stream, service = Stream(), Service()

    async def answer(call: Call) -> Reply:
        raise RuntimeError("select * from secret")

    service.answer = answer
    async with linked(service.handle, stream):
        stream.send(call(1))
        await stream.until(lambda: 1 in stream.answers)
    assert stream.answers == {1: grpc.StatusCode.INTERNAL}
    assert "secret" not in str(stream.received)


async def test_a_response_that_is_larger_than_any_caller_takes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crm_kit.rpc.link.serving.MAX_RESPONSE_BYTES", 100)
    stream = Stream()
    async with linked(Service().handle, stream):
        stream.send(call(1, b"x" * 100) + call(2, b"x" * 101))
        await stream.until(lambda: len(stream.answers) == 2)
    assert stream.answers == {1: grpc.StatusCode.OK, 2: grpc.StatusCode.RESOURCE_EXHAUSTED}


async def test_after_the_callers_goodbye_running_calls_are_answered_and_then_the_link_ends() -> None:
    stream, service, gate = Stream(), Service(), Gate()
    service.answer = gate
    context: Any = stream
    link = ServedLink({PATH: service.handle}, context, TERMS, serving=True)
    running = asyncio.create_task(link.run())
    link.say_goodbye()
    stream.send(call(1))
    await service.until(lambda: service.running == 1)
    assert not link.parted.is_set()
    stream.send(pb.ConnectRequest(goodbye=True).SerializeToString())
    await link.parted.wait()
    assert not running.done()
    gate.open()
    await asyncio.wait_for(running, 20)
    assert stream.answers == {1: grpc.StatusCode.OK}
    assert [each.goodbye for each in stream.received].count(True) == 1


async def test_a_stream_that_its_caller_ends_is_a_goodbye() -> None:
    stream = Stream()
    context: Any = stream
    link = ServedLink({PATH: Service().handle}, context, TERMS, serving=True)
    stream.send(call(1))
    stream.end()
    await asyncio.wait_for(link.run(), 20)
    assert stream.answers == {1: grpc.StatusCode.OK}


async def test_a_link_that_is_cut_stops_its_calls() -> None:
    stream, service = Stream(), Service()
    service.answer = Gate()
    async with linked(service.handle, stream):
        stream.send(call(1) + call(2))
        await service.until(lambda: service.running == 2)
    assert (service.running, service.cancelled) == (0, 2)


@pytest.mark.parametrize(
    "sent",
    [b"\xff\xff\xff", call(1) + call(1), b"\x0a\x00" * 1_500_000, b"\x0a\x00" * (MAX_FIELDS + 1)],
    ids=["no message", "an id in use", "more bytes than one write carries", "more calls than one write carries"],
)
async def test_what_is_no_frame_ends_the_link(sent: bytes) -> None:
    stream, service = Stream(), Service()
    service.answer = Gate()
    context: Any = stream
    link = ServedLink({PATH: service.handle}, context, TERMS, serving=True)
    stream.send(sent)
    with pytest.raises(Aborted):
        await asyncio.wait_for(link.run(), 20)
    assert (stream.aborted, service.running) == (grpc.StatusCode.INVALID_ARGUMENT, 0)
