"""Calls to OpenID providers: bounded, to their addresses alone, and none holds up those to another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from crm_kit.errors import Unavailable
from crm_kit.identity import provider_http
from crm_kit.identity.provider_http import MAX_ANSWER_BYTES, ProviderHttp
from crm_kit.outbound_http.addresses import LOOPBACK, Reach
from crm_kit.outbound_http.urls import is_outbound_url

HERE = Reach(LOOPBACK)
Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(handle: Handle) -> AsyncIterator[str]:
    """The address of a server that reads a request's head and then does as it is told."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await handle(reader, writer)
        finally:
            writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    finally:
        listening.close()


def saying(body: bytes, status: str = "200 OK", *headers: str) -> Handle:
    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()

    return handle


async def test_a_json_object_is_read() -> None:
    async with server(saying(b'{"a": 1}')) as url:
        assert await ProviderHttp(HERE).get(url) == {"a": 1}


@pytest.mark.parametrize(
    "handle",
    [
        saying(b"{}", "302 Found", "Location: http://127.0.0.1:1/"),
        saying(b"{}", "404 Not Found"),
        saying(b"{}", "500 Oops"),
        saying(b"[]"),
        saying(b"{"),
        saying(b"\xff"),
        saying(b"[" * 100_000),
        saying(b'{"a": "' + b"x" * MAX_ANSWER_BYTES + b'"}'),
        saying(b"\x1f\x8b\x08\x00", "200 OK", "Content-Encoding: gzip"),
    ],
    ids=["redirect", "absent", "failure", "list", "half", "no text", "deep", "long", "coded"],
)
async def test_anything_else_is_no_answer(handle: Handle) -> None:
    async with server(handle) as url:
        with pytest.raises(Unavailable):
            await ProviderHttp(HERE).get(url)


async def test_a_refusal_of_a_form_is_an_answer_and_a_failure_is_none() -> None:
    async with server(saying(b'{"error": "invalid_grant"}', "400 Bad Request")) as url:
        answer = await ProviderHttp(HERE).post(url, {"code": "x"}, {})
        assert (answer.status, answer.content) == (400, {"error": "invalid_grant"})
    for status in ("302 Found", "503 Later"):
        async with server(saying(b"{}", status)) as url:
            with pytest.raises(Unavailable):
                await ProviderHttp(HERE).post(url, {}, {})


async def test_whoever_answers_byte_by_byte_is_left_in_time() -> None:
    async def dribble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        with pytest.raises((ConnectionError, asyncio.CancelledError)):
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0)

    async with server(dribble) as url:
        with pytest.raises(Unavailable):
            await ProviderHttp(HERE, seconds=0.2).get(url)


async def test_a_slow_provider_holds_up_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_http, "MAX_AT_ONCE", 2)
    asked, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.release()
        await go_on.wait()
        await saying(b"{}")(reader, writer)

    http = ProviderHttp(HERE)
    async with server(slow) as url, server(saying(b'{"quick": true}')) as other:
        waiting = [asyncio.create_task(http.get(url)) for _ in range(2)]
        for _ in waiting:
            await asked.acquire()
        with pytest.raises(Unavailable):
            await http.get(url)
        assert await http.get(other) == {"quick": True}
        go_on.set()
        assert await asyncio.gather(*waiting) == [{}, {}]
        assert await http.get(url) == {}


async def test_nobody_at_an_address_is_no_answer() -> None:
    with pytest.raises(Unavailable):
        await ProviderHttp(HERE).get("http://127.0.0.1:1/")


@pytest.mark.parametrize(
    ("url", "always", "in_development"),
    [
        ("https://login.example", True, True),
        ("https://login.example:8443/realms/staff?x=1", True, True),
        ("http://127.0.0.1:9000", False, True),
        ("http://[::1]:9000/", False, True),
        ("http://localhost:9000", False, True),
        ("http://login.example", False, False),
        ("http://127.0.0.1.example", False, False),
        ("http://localhost.example", False, False),
        ("http://10.0.0.7", False, False),
        ("https://user@login.example", False, False),
        ("https://login.example#x", False, False),
        ("https://login.example:x", False, False),
        ("https://login.example\\@evil.example", False, False),
        ("https://login.example\n", False, False),
        ("https:///keys", False, False),
        ("file:///etc/passwd", False, False),
        ("javascript:alert(1)", False, False),
        ("https://登录.example", False, False),
        ("https://[", False, False),
        ("", False, False),
    ],
)
def test_providers_have_https_addresses(url: str, always: bool, in_development: bool) -> None:
    assert is_outbound_url(url, loopback=False) is always
    assert is_outbound_url(url, loopback=True) is in_development
