"""HTTP/1.1 connections with bounds: how many there are, how large a head may be, how long each part may take.

uvicorn bounds none of these by itself. A refusal on this level is a problem document too, and ends the connection.
"""

import asyncio
import contextlib
import ipaddress
import uuid
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from crm_gateway.exchange import ABORT_KEY
from crm_gateway.problems import MEDIA_TYPE, Problem, malformed

# Requests that a client may send before it has the answer to the first.
MAX_PIPELINED = 32
# Of a body that nobody wants any more so much is read, so that its sender gets to see the answer.
MAX_LINGERING_BYTES = 1 << 20
# Chunks of one byte are wrapped in five others; more than this is no body but a flood.
_MAX_WRAPPING = 16

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds, bytes and numbers; `per_address` does not hold for the proxies, which bring the requests of many."""

    connections: int
    per_address: int
    head_bytes: int
    head_seconds: float
    idle_seconds: float
    stall_seconds: float
    proxies: tuple[Network, ...] = ()


class Connections:
    """The open connections of this process: who is let in, and who makes room for others."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._open: Counter[str] = Counter()
        self._total = 0
        # Those that nobody waits for an answer on, idle for longest first.
        self._idle: dict[Connection, None] = {}

    def admit(self, address: str) -> bool:
        """Count a connection in, whatever the answer is; an idle one is closed for it when there are too many."""
        peer = network_of(address)
        self._open[peer] += 1
        self._total += 1
        if self._open[peer] > self.bounds.per_address and not is_within(address, self.bounds.proxies):
            return False
        if self._total > self.bounds.connections and self._idle:
            next(iter(self._idle)).make_room()
            return True
        return self._total <= self.bounds.connections

    def leave(self, address: str) -> None:
        """Count a connection out."""
        peer = network_of(address)
        self._open[peer] -= 1
        self._total -= 1
        if not self._open[peer]:
            del self._open[peer]

    def rest(self, connection: "Connection") -> None:
        """Nobody waits for an answer on the connection."""
        self._idle.pop(connection, None)
        self._idle[connection] = None

    def wake(self, connection: "Connection") -> None:
        """A request has begun on it, or it has ended."""
        self._idle.pop(connection, None)


class Connection(HttpToolsProtocol):
    """One connection. At any time at most one deadline runs: for the next request, its head, or what is left of it."""

    def __init__(
        self,
        connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._all = connections
        self._bounds = connections.bounds
        self._address = ""
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._refusal: Problem | None = None
        self._in_head = False
        self._begins = False
        self._head_bytes = 0
        self._body_bytes = 0
        # Bytes of a message that are not its body: its head, and what wraps chunks.
        self._other_bytes = 0
        self._lingering = False

    # What happens to the connection
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        self._address = self.client[0] if self.client else ""
        if self._all.admit(self._address):
            self._rest(self._bounds.head_seconds)
        else:
            self._refuse(Problem(503, "UNAVAILABLE", retry_after=1, text="UNAVAILABLE.connections"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.leave(self._address)
        self._all.wake(self)
        self._expect(None)
        if self._stall is not None:
            self._stall.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._begins = False
        body_before = self._body_bytes
        super().data_received(data)
        if self._begins or self.transport.is_closing():
            return
        self._other_bytes += len(data) - (self._body_bytes - body_before)
        if self._lingering and self._body_bytes + self._other_bytes > MAX_LINGERING_BYTES:
            self.transport.abort()
        elif self._other_bytes > self._bounds.head_bytes + _MAX_WRAPPING * self._body_bytes:
            self._refuse(self._head_too_large())

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = self.loop.call_later(self._bounds.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    # What the parser finds
    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[ABORT_KEY] = self.transport.abort
        self._all.wake(self)
        self._begins = self._in_head = True
        self._head_bytes = self._body_bytes = self._other_bytes = 0
        self._expect(self._bounds.head_seconds)

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED:
            self._stop(malformed("", "pipelined", max_requests=MAX_PIPELINED))
        self._in_head = False
        self._expect(None)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._lingering:
            self._lingering = False
            self._rest(self._bounds.idle_seconds)

    def on_response_complete(self) -> None:
        is_last = not self.pipeline
        super().on_response_complete()
        # Ours begins anew with a request only, not with any byte.
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            self._expect(self._bounds.stall_seconds)
        elif is_last and self.cycle.more_body:
            self._lingering = True
            self._rest(self._bounds.head_seconds)
        elif is_last and not self._in_head:
            self._rest(self._bounds.idle_seconds)

    # Deadlines and refusals
    def make_room(self) -> None:
        """Close a connection that nobody waits for an answer on."""
        self._all.wake(self)
        if self.transport.get_write_buffer_size():
            # Its peer does not read the last answer: a polite end would wait for that.
            self.transport.abort()
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """The answer to what is no HTTP, or to what was refused while it was read."""
        self._refuse(self._refusal or malformed("", "http"))

    def _rest(self, seconds: float) -> None:
        self._all.rest(self)
        self._expect(seconds)

    def _expect(self, seconds: float | None) -> None:
        """Have so many seconds for what comes next, whatever was left before; None: as long as it takes."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._too_late)

    def _too_late(self) -> None:
        if self.transport.is_closing() or self._lingering:
            self.transport.abort()
        elif self._in_head and self.flow.read_paused:
            # It is we who do not read on before an earlier request has its answer.
            self._expect(self._bounds.head_seconds)
        elif self._in_head:
            values = {"seconds": f"{self._bounds.head_seconds:g}"}
            self._refuse(Problem(408, "DEADLINE_EXCEEDED", text="DEADLINE_EXCEEDED.head", values=values))
        else:
            self.make_room()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._bounds.head_bytes:
            self._stop(self._head_too_large())

    def _head_too_large(self) -> Problem:
        return Problem(431, "HEADERS_TOO_LARGE", values={"max_bytes": str(self._bounds.head_bytes)})

    def _stop(self, problem: Problem) -> None:
        """Have the parser give up, and `send_400_response` tell this."""
        self._refusal = problem
        raise httptools.HttpParserError(problem.reason)

    def _refuse(self, problem: Problem) -> None:
        """Tell a problem and close; an answer that was under way is cut off."""
        self._all.wake(self)
        if self.cycle is None or self.cycle.response_complete:
            body = problem.body(instance="", request_id=str(uuid.uuid4()))
            headers = [*problem.all_headers(), (b"content-type", MEDIA_TYPE), (b"cache-control", b"no-store")]
            headers += [(b"content-length", b"%d" % len(body)), (b"connection", b"close")]
            lines = b"".join(b"%s: %s\r\n" % header for header in headers)
            self.transport.write(STATUS_LINE[problem.status] + lines + b"\r\n" + body)
        self.transport.close()
        self._expect(self._bounds.stall_seconds)


@lru_cache(maxsize=10_000)
def is_within(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether an address is in one of the networks; a name is in none."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip in network for network in networks)


@lru_cache(maxsize=10_000)
def network_of(address: str) -> str:
    """What counts as one peer: an IPv4 address, or the /64 that an IPv6 host has to itself; names as they are."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if ip.version == 4:
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))


def networks_of(trusted: str) -> tuple[Network, ...]:
    """The networks of addresses and networks that are separated by commas; `*` is all. Names have none."""
    found: list[Network] = []
    for each in trusted.replace("*", "0.0.0.0/0, ::/0").split(","):
        with contextlib.suppress(ValueError):
            found.append(ipaddress.ip_network(each.strip(), strict=False))
    return tuple(found)
