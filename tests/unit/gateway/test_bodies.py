"""Bodies as they come over lines of any speed."""

import asyncio
from typing import Any

import pytest
from crm_gateway import exchange as exchanges
from crm_gateway.exchange import open_exchange, read_body
from crm_gateway.problems import ProblemError


class Sender:
    """Sends chunks of one size, each after so many seconds of a clock that only it moves."""

    def __init__(self, chunks: int, size: int, seconds: float) -> None:
        self.now = 0.0
        self._left, self._size, self._seconds = chunks, size, seconds

    async def receive(self) -> dict[str, Any]:
        await asyncio.sleep(0)
        self.now += self._seconds
        self._left -= 1
        return {"type": "http.request", "body": b"a" * self._size, "more_body": self._left > 0}


async def received(sender: Sender, monkeypatch: pytest.MonkeyPatch, pause: float = 10.0) -> int:
    """How much arrived from the sender of at most 1 MiB."""
    monkeypatch.setattr(exchanges, "monotonic", lambda: sender.now)
    exchange = open_exchange({"type": "http", "headers": [], "method": "POST", "path": "/"}, sender.receive)
    return len(await read_body(exchange, 1 << 20, pause))


async def test_a_slow_line_takes_the_time_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Sender(chunks=128, size=8192, seconds=5.0)
    assert await received(slow, monkeypatch) == 1 << 20
    assert slow.now == 640.0


async def test_whoever_sends_a_byte_now_and_then_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    trickling = Sender(chunks=1 << 20, size=1, seconds=5.0)
    with pytest.raises(ProblemError) as refused:
        await received(trickling, monkeypatch)
    assert (refused.value.problem.status, refused.value.problem.text) == (408, "DEADLINE_EXCEEDED.body")
    assert trickling.now <= 15.0


async def test_a_body_that_stops_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopping(Sender):
        async def receive(self) -> dict[str, Any]:
            if self._left == 1:
                await asyncio.Event().wait()
            return await super().receive()

    with pytest.raises(ProblemError):
        await received(Stopping(chunks=2, size=500_000, seconds=0.0), monkeypatch, pause=0.05)
