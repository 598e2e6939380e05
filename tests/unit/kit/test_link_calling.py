"""The calling side of a link, frame by frame: what it sends, keeps count of, gives up and fails."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from crm.link.v1 import link_pb2 as pb
from crm_kit.rpc.calls import Call, Reply, failure
from crm_kit.rpc.link.calling import Link, NotSentError
from crm_kit.rpc.link.frames import Outbox

from tests.unit.kit.replicas import until

CALL = Call("/a.B/C", b"request", {"x-request-id": "r-1"}, None)


class Stream:
    """Stands for grpc's call: the test answers, breaks it, and takes what is written only when it wants to."""

    def __init__(self, *, takes: bool = True) -> None:
        self._answers: asyncio.Queue[Any] = asyncio.Queue()
        self._takes = asyncio.Event()
        if takes:
            self._takes.set()
        self.sent = pb.ConnectRequest()
        self.writes = 0
        self.changed = asyncio.Event()

    def answer(self, response: pb.ConnectResponse) -> None:
        self._answers.put_nowait(response.SerializeToString())

    def reply(self, id: int, reply: Reply) -> None:
        outbox = Outbox()
        outbox.put_answer(id, reply)
        while outbox:
            self._answers.put_nowait(outbox.take())

    def end(self) -> None:
        self._answers.put_nowait(grpc.aio.EOF)

    def break_off(self) -> None:
        self._answers.put_nowait(failure(grpc.StatusCode.UNAVAILABLE, "Socket closed"))

    async def read(self) -> Any:
        answer = await self._answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def write(self, message: bytes) -> None:
        self.writes += 1
        self.changed.set()
        await self._takes.wait()
        self.sent.MergeFromString(message)
        self.changed.set()

    def cancel(self) -> bool:
        return True

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class Told:
    """How often a link said that something changed, and that a call ended."""

    def __init__(self) -> None:
        self.changed = 0
        self.freed = 0

    def note_change(self) -> None:
        self.changed += 1

    def note_end(self) -> None:
        self.freed += 1


@asynccontextmanager
async def linked(
    stream: Stream, *, max_calls: int = 9, max_bytes: int = 10_000, told: Told | None = None
) -> AsyncIterator[Link]:
    """A link over the stream."""
    opening = pb.ConnectResponse(terms=pb.Terms(max_calls=max_calls, max_bytes=max_bytes), serving=True)
    told = told or Told()
    call: Any = stream
    link = Link(
        call, opening, peer="scoring", max_response_bytes=100_000, changed=told.note_change, freed=told.note_end
    )
    running = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def code_of(task: "asyncio.Task[Reply]") -> grpc.StatusCode:
    error = task.exception()
    assert isinstance(error, grpc.aio.AioRpcError)
    return error.code()


async def test_answers_reach_their_calls_in_any_order() -> None:
    stream = Stream()
    async with linked(stream) as link:
        first, second = asyncio.create_task(link.call(CALL)), asyncio.create_task(link.call(CALL))
        await stream.until(lambda: len(stream.sent.calls) == 2)
        assert link.busy == 2
        stream.reply(2, Reply(b"two", metadata=(("a", "b"), ("c-bin", b"\xff"))))
        stream.reply(1, Reply(b"x" * 90_000))
        assert (await first).data == b"x" * 90_000
        answered = await second
        assert (answered.data, dict(answered.metadata)) == (b"two", {"a": "b", "c-bin": b"\xff"})
        assert link.busy == 0


async def test_what_waits_while_a_write_is_under_way_goes_with_the_next_write() -> None:
    stream = Stream(takes=False)
    async with linked(stream, max_calls=100) as link:
        calls = [asyncio.create_task(link.call(CALL))]
        await stream.until(lambda: stream.writes == 1)
        calls += [asyncio.create_task(link.call(CALL)) for _ in range(30)]
        await asyncio.sleep(0)
        stream._takes.set()
        await stream.until(lambda: len(stream.sent.calls) == 31)
        assert stream.writes == 2
        for each in calls:
            each.cancel()


async def test_a_call_that_its_caller_gives_up_is_cancelled_there_and_counts_until_it_is_answered() -> None:
    stream, told = Stream(), Told()
    async with linked(stream, max_calls=1, told=told) as link:
        call = asyncio.create_task(link.call(CALL))
        await stream.until(lambda: len(stream.sent.calls) == 1)
        call.cancel()
        await stream.until(lambda: list(stream.sent.cancelled_ids) == [1])
        assert call.cancelled()
        assert not link.has_room(1)
        assert told.freed == 0
        stream.reply(1, Reply(code=grpc.StatusCode.CANCELLED))
        await until(lambda: told.freed == 1)
        assert link.has_room(1)


async def test_a_call_whose_time_is_up_fails_here_and_is_cancelled_there() -> None:
    stream = Stream()
    async with linked(stream) as link:
        call = asyncio.create_task(link.call(CALL._replace(seconds=0.01)))
        await asyncio.wait([call])
        assert code_of(call) is grpc.StatusCode.DEADLINE_EXCEEDED
        await stream.until(lambda: list(stream.sent.cancelled_ids) == [1])
        assert stream.sent.calls[0].timeout_ms == 10
        stream.reply(1, Reply(b"too late"))
        stream.reply(1, Reply(b"never asked for"))
        await until(lambda: link.busy == 0)


async def test_terms_bound_calls_and_bytes_but_not_one_call_alone() -> None:
    stream = Stream()
    async with linked(stream, max_calls=2, max_bytes=1000) as link:
        assert link.has_room(5000)
        first = asyncio.create_task(link.call(CALL))
        await stream.until(lambda: len(stream.sent.calls) == 1)
        assert link.has_room(500)
        assert not link.has_room(1000)
        second = asyncio.create_task(link.call(CALL))
        await stream.until(lambda: len(stream.sent.calls) == 2)
        assert not link.has_room(0)
        first.cancel()
        second.cancel()


async def test_when_the_stream_breaks_what_was_sent_is_unavailable_and_the_rest_was_not_sent() -> None:
    stream = Stream(takes=False)
    async with linked(stream) as link:
        sent = asyncio.create_task(link.call(CALL))
        await stream.until(lambda: stream.writes == 1)
        waiting = asyncio.create_task(link.call(CALL))
        await asyncio.sleep(0)
        stream.break_off()
        await asyncio.wait([sent, waiting], timeout=20)
        assert code_of(sent) is grpc.StatusCode.UNAVAILABLE
        assert isinstance(waiting.exception(), NotSentError)
        assert link.parted.is_set()


@pytest.mark.parametrize("broken", ["ended", "unreadable"])
async def test_a_stream_that_ends_early_or_makes_no_sense_fails_its_calls(broken: str) -> None:
    stream = Stream()
    async with linked(stream) as link:
        call = asyncio.create_task(link.call(CALL))
        await stream.until(lambda: len(stream.sent.calls) == 1)
        if broken == "ended":
            stream.end()
        else:
            stream._answers.put_nowait(b"\xff\xff")
        await asyncio.wait([call], timeout=20)
        assert code_of(call) is grpc.StatusCode.UNAVAILABLE


async def test_a_goodbye_is_returned_and_calls_under_way_are_still_answered() -> None:
    stream, told = Stream(), Told()
    async with linked(stream, told=told) as link:
        call = asyncio.create_task(link.call(CALL))
        await stream.until(lambda: len(stream.sent.calls) == 1)
        stream.answer(pb.ConnectResponse(goodbye=True))
        await stream.until(lambda: stream.sent.goodbye)
        assert link.parted.is_set()
        assert told.changed == 1
        stream.reply(1, Reply(b"done"))
        assert (await call).data == b"done"


async def test_a_replica_says_when_it_welcomes_calls() -> None:
    stream, told = Stream(), Told()
    async with linked(stream, told=told) as link:
        assert link.serving
        stream.answer(pb.ConnectResponse(serving=False))
        await until(lambda: told.changed == 1)
        assert not link.serving


async def test_a_response_larger_than_the_caller_takes_is_refused_as_it_comes() -> None:
    stream = Stream()
    async with linked(stream) as link:
        call = asyncio.create_task(link.call(CALL))
        await stream.until(lambda: len(stream.sent.calls) == 1)
        stream.reply(1, Reply(b"x" * 300_000))
        await asyncio.wait([call], timeout=20)
        assert code_of(call) is grpc.StatusCode.RESOURCE_EXHAUSTED
        await stream.until(lambda: list(stream.sent.cancelled_ids) == [1])
