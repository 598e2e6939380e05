"""The load: HTTP/1.1 over a few kept connections, from a process of its own so that it costs the others nothing.

python -m tests.load.traffic      reads one job a line (JSON, the fields of `Job`) and answers one line each.
"""

import asyncio
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count
from typing import cast

import uvloop

NUMBER = b"00000000"
"""Stands in a request where its number goes, so that no two bodies are the same."""


@dataclass(frozen=True, slots=True)
class Job:
    """Requests to send in turn, whole as they go over the wire, to 127.0.0.1:`port`.

    Without a `rate` each connection sends when it has its answer (closed loop); with one, requests go out at that
    rate whatever the answers do (open loop). It ends after `seconds` or `most` requests, whichever comes first.
    """

    port: int
    requests: tuple[str, ...]
    connections: int
    seconds: float
    most: int
    rate: float = 0.0
    first_number: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back: answers by status, seconds from the first request to the last answer, latencies in ms."""

    answers: int
    seconds: float
    statuses: dict[str, int]
    p50: float
    p99: float
    longest: float

    @property
    def all_well(self) -> bool:
        return self.answers > 0 and all(status.startswith("2") for status in self.statuses)


class Line(asyncio.Protocol):
    """One kept connection with at most one request under way."""

    def __init__(self, answered: "Callable[[Line, str], None]", lost: "Callable[[], None]") -> None:
        self._answered = answered
        self._lost = lost
        self._received = b""
        self._missing = -1
        self._status = ""
        self._transport: asyncio.Transport
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not checked: that of uvloop is one without being derived from it.
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, since: float) -> None:
        self.since = since
        self._transport.write(request)

    def close(self) -> None:
        self._lost = _nothing
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()

    def data_received(self, data: bytes) -> None:
        if self._missing < 0:
            self._received += data
            head, separator, data = self._received.partition(b"\r\n\r\n")
            if not separator:
                return
            self._status = head[9:12].decode()
            _, _, length = head.lower().partition(b"content-length:")
            self._missing = int(length.split(b"\r\n", 1)[0] or 0)
        self._missing -= len(data)
        if self._missing == 0:
            self._received, self._missing = b"", -1
            self._answered(self, self._status)


class Run:
    """One job under way."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._requests = [request.encode() for request in job.requests]
        self._numbers = count(job.first_number)
        self._sent = 0
        self._latencies: list[float] = []
        self._statuses: Counter[str] = Counter()
        self._idle: list[Line] = []
        self._waiting: deque[float] = deque()
        self._end = 0.0
        self._over = asyncio.Event()

    async def outcome(self) -> Outcome:
        """Run it to its end; ConnectionError when the server hangs up."""
        loop = asyncio.get_running_loop()
        lines: list[Line] = []
        for _ in range(self._job.connections):
            _, line = await loop.create_connection(
                lambda: Line(self._answered, self._lost), "127.0.0.1", self._job.port
            )
            lines.append(line)
        started = time.perf_counter()
        self._end = started + self._job.seconds
        try:
            async with asyncio.timeout(self._job.seconds + 30):
                if self._job.rate:
                    await self._open_loop(lines, started)
                else:
                    for line in lines:
                        self._send(line, time.perf_counter())
                await self._over.wait()
        finally:
            for line in lines:
                line.close()
        return self._summary(time.perf_counter() - started)

    async def _open_loop(self, lines: list[Line], started: float) -> None:
        self._idle = list(lines)
        gap = 1 / self._job.rate
        due = started
        end, self._end = self._end, float("inf")
        while (now := time.perf_counter()) < end and self._sent + len(self._waiting) < self._job.most:
            while due <= now:
                if self._idle:
                    self._send(self._idle.pop(), now)
                else:
                    self._waiting.append(now)
                due += gap
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
        self._end = 0.0
        if len(self._latencies) == self._sent:
            self._over.set()

    def _send(self, line: Line, since: float) -> None:
        request = self._requests[self._sent % len(self._requests)]
        if NUMBER in request:
            request = request.replace(NUMBER, b"%08d" % next(self._numbers))
        self._sent += 1
        line.send(request, since)

    def _answered(self, line: Line, status: str) -> None:
        now = time.perf_counter()
        self._latencies.append(now - line.since)
        self._statuses[status] += 1
        if self._job.rate:
            if self._waiting:
                self._send(line, self._waiting.popleft())
            else:
                self._idle.append(line)
        elif now < self._end and self._sent < self._job.most:
            self._send(line, now)
        # In an open loop `_end` is over only when nothing more is going to be sent.
        none_to_come = now >= self._end or (not self._job.rate and self._sent == self._job.most)
        if none_to_come and len(self._latencies) == self._sent:
            self._over.set()

    def _lost(self) -> None:
        self._statuses["lost"] += 1
        self._over.set()

    def _summary(self, seconds: float) -> Outcome:
        ordered = sorted(each * 1000 for each in self._latencies) or [0.0]
        return Outcome(
            answers=len(self._latencies),
            seconds=seconds,
            statuses=dict(self._statuses),
            p50=ordered[len(ordered) // 2],
            p99=ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)],
            longest=ordered[-1],
        )


def _nothing() -> None:
    return None


async def serve() -> None:
    """Run job after job until standard input ends."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        outcome = await Run(Job(**json.loads(line))).outcome()
        sys.stdout.write(json.dumps(asdict(outcome)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(serve())
