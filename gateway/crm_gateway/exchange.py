"""One HTTP request and its answer, as the parts of the gateway pass them on."""

import asyncio
import math
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from crm_gateway.problems import Problem, ProblemError
from crm_gateway.texts.catalogue import Language, preferred_language

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Body = bytes | bytearray

# Where the applications behind the front find the exchange in their scope.
EXCHANGE_KEY = "crm.exchange"
# Where the connection has put what ends it, for who cannot wait for its client.
ABORT_KEY = "crm.abort"

# Bytes per second, over the whole body. The slowest mobile networks have several times as much.
MIN_BODY_RATE = 1000

_REQUEST_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}


class Disconnected(Exception):
    """The client has gone; there is nobody to answer."""


@dataclass(slots=True)
class Exchange:
    """A request under way. `headers` holds the last of each name."""

    scope: Scope
    receive: Receive
    headers: dict[bytes, bytes]
    request_id: str
    # What was learned on the way and goes with any answer, also a problem.
    answer_headers: Headers = field(default_factory=list)
    # What the access log tells of it, as far as it is known: the template of the path, whose request it is, how it was
    # answered, why it was refused, and by which service where that failed.
    route: str = ""
    tenant_id: str = ""
    user_id: str = ""
    # Of its token: the sign-in that it comes from, where that is known, and until when it holds, in seconds since 1970.
    session_id: str = ""
    expire_time: float = math.inf
    status: int = 0
    reason: str = ""
    peer: str = ""
    began: float = field(default_factory=monotonic)
    # Gives the answer once the application behind has returned, which an answer that goes on for hours need not keep.
    goes_on: Callable[[Send], Awaitable[None]] | None = None
    # What is done when it is over, however it ends.
    at_end: list[Callable[[], None]] = field(default_factory=list)

    @property
    def verb(self) -> str:
        return str(self.scope["method"])

    @property
    def raw_path(self) -> str:
        """The path as it was sent, percent-encoded."""
        raw: bytes = self.scope.get("raw_path") or self.scope["path"].encode()
        return raw.decode("latin-1")

    @property
    def query(self) -> bytes:
        return bytes(self.scope.get("query_string", b""))

    @property
    def language(self) -> Language:
        """The language that texts are told in."""
        return preferred_language(self.headers.get(b"accept-language"))

    @property
    def language_headers(self) -> Headers:
        """What an answer with texts says of their language."""
        return [(b"content-language", self.language.encode()), (b"vary", b"Accept-Language")]

    def give_back(self) -> None:
        """Give back what is held until it is over: from now on it takes none of the places of requests under way."""
        held, self.at_end[:] = list(self.at_end), []
        for end in held:
            end()

    def cut_off(self) -> None:
        """End the connection, where the server can: what was not read of the answer is given up."""
        if abort := self.scope.get(ABORT_KEY):
            abort()

    @property
    def client(self) -> str:
        """The peer's address."""
        peer = self.scope.get("client")
        return str(peer[0]) if peer else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer."""

    status: int
    headers: Headers
    body: Body = b""


def open_exchange(scope: Scope, receive: Receive) -> Exchange:
    """The exchange of a request; its id is the client's when that is sane, else a new one."""
    headers = dict(scope["headers"])
    sent = headers.get(b"x-request-id", b"")
    request_id = sent.decode() if _REQUEST_ID.fullmatch(sent) else _new_id()
    return Exchange(scope, receive, headers, request_id)


def _new_id() -> str:
    """A UUIDv4, written straight from its bits: a quarter of the time `uuid.uuid4` takes."""
    bits = os.urandom(16).hex()
    return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-{_VARIANT[bits[16]]}{bits[17:20]}-{bits[20:]}"


async def read_body(exchange: Exchange, limit: int, seconds: float) -> bytes:
    """The whole body, as `body_chunks` reads it."""
    chunks = [chunk async for chunk in body_chunks(exchange, limit, seconds)]
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def body_chunks(exchange: Exchange, limit: int, seconds: float) -> AsyncIterator[bytes]:
    """The body as it comes, however slow the line is: ProblemError when it stops for `seconds`, or trickles.

    It is counted as it comes: `Content-Length` is only believed when it is too large. Time that is spent on the chunks
    between is not the sender's.
    """
    declared = exchange.headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > limit:
        raise ProblemError(body_too_large(limit))
    size, waited, more = 0, 0.0, True
    while more:
        began = monotonic()
        # Whoever sends a byte now and then only holds a place.
        left = min(seconds, seconds + size / MIN_BODY_RATE - waited)
        event = await _received(exchange.receive, left, seconds)
        waited += monotonic() - began
        chunk = event.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise ProblemError(body_too_large(limit))
        more = bool(event.get("more_body"))
        if chunk:
            yield chunk


async def _received(receive: Receive, left: float, seconds: float) -> Scope:
    try:
        async with asyncio.timeout(left):
            event = await receive()
    except TimeoutError:
        raise ProblemError(body_timeout(seconds)) from None
    if event["type"] == "http.disconnect":
        raise Disconnected
    return event


# The rest of the body was not read, so the connection cannot be used again.
_CLOSE = ((b"connection", b"close"),)


def body_too_large(limit: int) -> Problem:
    """413: the body has more than `limit` bytes."""
    return Problem(413, "BODY_TOO_LARGE", headers=_CLOSE, values={"max_bytes": str(limit)})


def body_timeout(seconds: float) -> Problem:
    """408: the body stopped for `seconds`, or came more slowly than any line is."""
    values = {"seconds": f"{seconds:g}", "bytes_per_second": str(MIN_BODY_RATE)}
    return Problem(408, "DEADLINE_EXCEEDED", headers=_CLOSE, text="DEADLINE_EXCEEDED.body", values=values)
