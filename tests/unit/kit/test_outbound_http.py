"""Calls to the outside against servers that would lead them inside, keep them waiting, or send them too much."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from crm_kit.outbound_http import exchanges
from crm_kit.outbound_http.addresses import LOOPBACK, Address, Reach
from crm_kit.outbound_http.client import OutboundHttp
from crm_kit.outbound_http.replies import Failure, OutboundError, Reply
from crm_kit.outbound_http.resolving import resolve

from tests.unit.certificates import certified

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HERE = Reach(LOOPBACK)
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Names:
    """A name server: what it says of a name each time it is asked."""

    answers: list[list[str]]
    asked: list[str] = field(default_factory=list)

    async def resolve(self, host: str, _port: int) -> list[Address]:
        self.asked.append(host)
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not said:
            raise OSError("no such name")
        return [ip_address(each) for each in said]


@dataclass
class Served:
    """A server, and the heads of the requests that came."""

    port: int
    heads: list[str]

    def url(self, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}/hooks"


@asynccontextmanager
async def serving(answer: bytes | Handle = PLAIN, tls: ssl.SSLContext | None = None) -> AsyncIterator[Served]:
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                heads.append(head)
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
                else:
                    await answer(reader, writer)
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield Served(server.sockets[0].getsockname()[1], heads)
    finally:
        server.close()


def calling(reach: Reach = HERE, names: Names | None = None, *, seconds: float = 10.0) -> OutboundHttp:
    if names is None:
        return OutboundHttp(seconds=seconds, max_body_bytes=100, reach=reach)
    return OutboundHttp(seconds=seconds, max_body_bytes=100, reach=reach, resolve=names.resolve)


async def failure(http: OutboundHttp, url: str) -> Failure:
    with pytest.raises(OutboundError) as raised:
        await http.send("POST", url, {}, b"x")
    return raised.value.failure


async def test_an_answer_comes_back_with_its_status_headers_and_body() -> None:
    said = b"HTTP/1.1 418 Teapot\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nhello"
    async with serving(said) as server:
        reply = await calling().send("POST", server.url(), {"x-own": "1"}, b"{}")
    assert reply == Reply(418, {"retry-after": "7", "content-length": "5"}, b"hello", whole=True)
    (head,) = server.heads
    assert head.startswith("POST /hooks HTTP/1.1\r\n")
    assert "x-own: 1" in head


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "0.0.0.0", "[::1]"]
)
async def test_no_spelling_of_this_machine_is_reached_from_outside_development(host: str) -> None:
    async with serving() as server:
        assert await failure(calling(Reach()), server.url(host)) is Failure.ADDRESS_NOT_ALLOWED
        assert server.heads == []


async def test_a_name_that_leads_inside_among_others_is_not_called_at_all() -> None:
    async with serving() as server:
        names = Names([["1.1.1.1", "127.0.0.1"]])
        assert await failure(calling(Reach(), names), server.url("rebind.example")) is Failure.ADDRESS_NOT_ALLOWED
        assert server.heads == []


async def test_a_name_is_asked_for_once_and_the_connection_goes_where_it_was_found() -> None:
    # Whoever rebinds it answers the second question with an address inside.
    names = Names([["127.0.0.1"], ["169.254.169.254"]])
    async with serving() as server:
        async with calling(names=names).session() as send:
            for _ in range(3):
                assert (await send("POST", server.url("rebind.example"), {}, b"x")).status == 200
        assert names.asked == ["rebind.example"]
        assert all(f"Host: rebind.example:{server.port}" in head for head in server.heads)
        assert await failure(calling(names=names), server.url("rebind.example")) is Failure.ADDRESS_NOT_ALLOWED


async def test_the_next_address_is_tried_where_nobody_answers_at_the_first() -> None:
    async with serving() as server:
        names = Names([["127.0.0.2", "127.0.0.1"]])
        assert (await calling(names=names).send("POST", server.url("two.example"), {}, b"x")).status == 200


async def test_a_redirect_is_an_answer_and_nobody_goes_there() -> None:
    async with serving() as inside:
        said = f"HTTP/1.1 302 Found\r\nLocation: {inside.url()}\r\nContent-Length: 0\r\n\r\n".encode()
        async with serving(said) as server:
            assert (await calling().send("POST", server.url(), {}, b"x")).status == 302
        assert inside.heads == []


async def test_a_body_is_read_up_to_the_bound_however_much_there_is() -> None:
    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()

    async with serving(flood) as server:
        reply = await calling().send("POST", server.url(), {}, b"x")
    assert reply.body == b"x" * 100
    assert not reply.whole


async def test_whoever_answers_byte_by_byte_is_left_in_time() -> None:
    async def dribble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n")
        # Less than is read, for longer than is waited for.
        writer.write(b"x")
        await writer.drain()
        await asyncio.Event().wait()

    async with serving(dribble) as server:
        assert await failure(calling(seconds=0.3), server.url()) is Failure.TIMED_OUT


async def test_endless_headers_are_no_answer() -> None:
    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X: " + b"y" * 1024 + b"\r\n")
            await writer.drain()

    async with serving(flood) as server:
        assert await failure(calling(), server.url()) is Failure.BROKEN_OFF


@pytest.mark.parametrize(
    "said", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]
)
async def test_what_is_no_http_or_ends_too_early_is_no_answer(said: bytes) -> None:
    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()

    async with serving(say) as server:
        assert await failure(calling(), server.url()) is Failure.BROKEN_OFF


async def test_why_nobody_was_reached_is_told_apart() -> None:
    assert await failure(calling(), "http://127.0.0.1:1/") is Failure.NOT_CONNECTED
    assert await failure(calling(names=Names([[]])), "https://nowhere.example/") is Failure.NAME_NOT_FOUND


async def test_a_certificate_has_to_be_one_of_the_name_and_of_an_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, authority = certified(["erp.example"], tmp_path)
    names = Names([["127.0.0.1"]])
    async with serving(tls=context) as server:
        assert await failure(calling(names=names), server.url("erp.example", "https")) is Failure.NOT_TRUSTED
        trusting = ssl.create_default_context(cafile=str(authority))
        monkeypatch.setattr(exchanges, "trust", lambda: trusting)
        assert (await calling(names=names).send("GET", server.url("erp.example", "https"), {})).status == 200
        # The same server under another name, which it has no certificate for.
        assert await failure(calling(names=names), server.url("other.example", "https")) is Failure.NOT_TRUSTED


async def test_a_host_whose_name_server_does_not_answer_keeps_one_thread_however_many_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, answered = list[str](), threading.Event()
    look_up = socket.getaddrinfo

    def answers(host: str, *more: Any, **options: Any) -> Any:
        asked.append(host)
        if host == "hangs.example":
            answered.wait()
        return look_up("127.0.0.1", *more, **options)

    monkeypatch.setattr("socket.getaddrinfo", answers)
    waiting = [asyncio.create_task(resolve("hangs.example", 443)) for _ in range(600)]
    try:
        assert await resolve("answers.example", 443) == [ip_address("127.0.0.1")]
        waiting[0].cancel()
    finally:
        answered.set()
    cancelled, *others = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert all(each == [ip_address("127.0.0.1")] for each in others)
    assert sorted(asked) == ["answers.example", "hangs.example"]
    assert await resolve("hangs.example", 443) == [ip_address("127.0.0.1")]
